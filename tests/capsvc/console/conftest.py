"""What these tests run on: the service of the tests over HTTP, a browser for pages, node for the JavaScript core."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.capsvc.console.chromium import chromium, context, tab
from tests.capsvc.console.javascript import Core
from tests.capsvc.http.conftest import service
from tests.interop import packages

__all__ = ["chromium", "context", "core", "node", "service", "tab"]


@pytest.fixture(scope="session")
def node() -> str:
    """Where node is. Under CI it is installed, or the run fails; elsewhere a sentence says why a test is skipped."""
    if not shutil.which("node"):
        packages.install()
    found = shutil.which("node")
    if not found:
        pytest.skip("node is not here: as root, `make interop-packages` installs it")
    return found


@pytest.fixture
def core(node: str) -> Iterator[Core]:
    """The core, ready to be asked."""
    core = Core(node)
    yield core
    core.close()
