"""The console's JavaScript core is small modules without a DOM, a network, state, or a way to run text."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.capsvc.console.javascript import CORE, MODULES

PUBLIC = {
    "BUILTIN", "DecodeError", "FactError", "InvalidMacaroon", "LIMITS", "MacaroonError", "PredicateError",
    "ValueError", "Vocabulary", "attenuate", "authority", "decode", "digest", "encode", "encodeItem", "explain",
    "isNarrowerThan", "newSalt", "parse", "prove", "scope", "shown", "suggestSaltName", "timeText",
}  # fmt: skip
NEVER = re.compile(
    r"\b(eval|Function|innerHTML|outerHTML|insertAdjacentHTML|document|window|fetch|XMLHttpRequest|WebSocket"
    r"|localStorage|sessionStorage|indexedDB|navigator|postMessage|setTimeout|console|process|require"
    r"|Math\.random|__proto__|setPrototypeOf|with)\s*[(.=]"
)
NAMES = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)


def code(module: Path) -> str:
    """A module without its comments."""
    return re.sub(r"/\*\*.*?\*/|^\s*//.*?$", "", module.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


@NAMES
def test_a_module_is_read_by_node(node: str, module: Path) -> None:
    subprocess.run([node, "--check", module], check=True, timeout=60)


@NAMES
def test_a_module_runs_no_text_and_touches_no_page_network_storage_or_prototype(module: Path) -> None:
    assert not NEVER.search(code(module))
    assert "import(" not in code(module)


@NAMES
def test_a_module_is_one_noun_of_fewer_than_300_lines_of_120_characters(module: Path) -> None:
    lines = module.read_text("utf-8").splitlines()
    assert len(lines) < 300
    assert max(map(len, lines)) <= 120
    assert module.stem not in {"util", "utils", "helper", "helpers", "manager", "common", "misc"}


@NAMES
def test_every_export_says_what_it_does(module: Path) -> None:
    text = module.read_text("utf-8")
    exported = re.findall(r"^(.*)\nexport (?:async )?(?:function|class) (\w+)", text, re.MULTILINE)
    assert not [name for before, name in exported if not before.endswith("*/")]


@NAMES
def test_a_module_imports_only_modules_of_the_core(module: Path) -> None:
    imported = re.findall(r'from "(.*?)"', module.read_text("utf-8"))
    assert {CORE / each for each in imported} <= set(MODULES)


def test_no_module_changes_what_another_one_holds() -> None:
    assert not [module.stem for module in MODULES if re.search(r"^(export )?(let|var) ", code(module), re.MULTILINE)]


def test_all_modules_together_are_small_and_no_page_needs_more(node: str) -> None:
    assert sum(module.stat().st_size for module in MODULES) < 81_000
    program = f"console.log(JSON.stringify(Object.keys(await import({json.dumps(str(CORE / 'index.js'))}))))"
    command = [node, "--input-type=module", "--eval", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert set(json.loads(done.stdout)) == PUBLIC
