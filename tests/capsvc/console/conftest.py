"""The service of these tests, as the tests over HTTP have it, and the JavaScript core, one process of node for a test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.capsvc.console.javascript import Core
from tests.capsvc.http.conftest import service
from tests.interop import packages

__all__ = ["core", "node", "service"]


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
