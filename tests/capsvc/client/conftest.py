"""A running service, and one with the replay guard on, for the tests of clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.capsvc.http.serving import Serving, make_home, serving


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service as it is by default: the replay guard is off."""
    with serving(make_home(tmp_path_factory.mktemp("open") / "home")) as running:
        yield running
    assert "Traceback" not in running.stderr()


@pytest.fixture(scope="session")
def guarding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service of two workers that lets each request in once."""
    home = make_home(tmp_path_factory.mktemp("guarding") / "home", "replay_guard = true\nworkers = 2\n")
    with serving(home) as running:
        yield running
    assert "Traceback" not in running.stderr()
