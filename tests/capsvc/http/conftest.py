"""One running service for all the tests of a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.capsvc.http.serving import Serving, make_home, serving

SETTINGS = """
clock_skew = 30
wrong_passwords = 1000
wrong_passwords_by_user = 1000
wrong_passwords_by_network = 1000
leak_reports = 1000
exported_audiences = ["ledger"]
[vocabulary]
amount = "number"
team = "text"
"""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The shared service. It knows the attributes ``amount`` and ``team``, has no audience, and exports ``ledger``."""
    home = make_home(tmp_path_factory.mktemp("shared") / "home", SETTINGS)
    with serving(home) as running:
        yield running
    assert "Traceback" not in running.stderr()
