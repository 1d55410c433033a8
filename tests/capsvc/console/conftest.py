"""The service of these tests: as the tests over HTTP have it; and a browser for those that look at pages."""

from tests.capsvc.console.chromium import chromium, context, tab
from tests.capsvc.http.conftest import service

__all__ = ["chromium", "context", "service", "tab"]
