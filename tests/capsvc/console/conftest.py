"""The service of these tests: as the tests over HTTP have it."""

from tests.capsvc.http.conftest import service

__all__ = ["service"]
