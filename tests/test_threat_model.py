"""The threat model names the tests that show it: each of them is there, and each law has one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_PAGE = (_ROOT / "docs" / "threat-model.md").read_text("utf-8")
_DEFINED = {
    name
    for module in (_ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^\s*(?:async )?def (test_\w+)", module.read_text("utf-8"), re.MULTILINE)
}
_NAMED = sorted(set(re.findall(r"`(test_\w+)`", _PAGE)))


@pytest.mark.parametrize("name", _NAMED)
def test_every_test_that_the_threat_model_names_is_there(name: str) -> None:
    assert name in _DEFINED


@pytest.mark.parametrize("law", range(1, 10))
def test_every_law_has_its_test_by_name(law: int) -> None:
    (row,) = (line for line in _PAGE.splitlines() if line.startswith(f"| {law}. "))
    assert re.search(rf"`test_law_{law}_\w+`", row)


def test_every_row_of_an_attack_names_a_test_or_what_is_lost() -> None:
    rows = [line for line in _PAGE.splitlines() if re.match(r"\| (?!-)(?!.*shown by \|$)", line)]
    assert len(rows) > 40
    assert [row for row in rows if not re.search(r"`test_\w+`", row) and "---" not in row] == []
