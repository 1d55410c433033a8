"""The house: which way imports go, what a plain import loads, how large modules are and what they are called."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
ORDER = [
    "errors",
    "encoding",
    "chain",
    "attribute",
    "prefixes",
    "path",
    "number",
    "network",
    "opaque",
    "predicate",
    "vocabulary",
    "request",
    "macaroon",
    "wire",
    "pieces",
    "interchange",
    "proof",
    "authority",
    "capability",
    "proven",
    "memo",
    "root",
    "verifier",
    "mint",
    "attenuation",
    "scope",
    "explanation",
    "suggestion",
    "span",
    "markup",
    "drawing",
    "page",
    "display",
]
HEAVY = ("starlette", "uvicorn", "msgspec", "nacl", "pymacaroons", "ipaddress")
NOT_AT_THE_EDGE = (
    "argon2", "jinja2", "sqlite_utils", "sqlite3", "uvicorn", "limits", "prometheus_client", "structlog", "httpx2",
    "psycopg", "typer", "rich", "pymacaroons", "nacl", "anyio", "asyncio", "starlette.responses", "capsvc.keyring",
)  # fmt: skip
LONGEST_MODULE = 300
NOT_A_NOUN = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"}


def _modules(package: str) -> list[Path]:
    found = sorted((REPOSITORY / package).rglob("*.py"))
    assert found, f"no modules in {package}"
    return found


def _name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _package(path: Path) -> str:
    name = _name(path)
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


def _is_module(name: str) -> bool:
    path = REPOSITORY.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _imported(source: str, package: str) -> set[str]:
    """Name all modules that a source imports: at its top, in functions, and for type checking."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            inner = {f"{base}.{alias.name}" for alias in node.names}
            modules = {each for each in inner if _is_module(each)}
            found |= modules | ({base} if modules != inner else set())
    return found


def _imports(path: Path) -> set[str]:
    return _imported(path.read_text("utf-8"), _package(path))


def test_the_walk_sees_every_kind_of_import() -> None:
    source = """
import json, caveats.wire as wire
from caveats import chain, Macaroon
from . import predicate
from .errors import DecodeError
if TYPE_CHECKING:
    from caveats.verifier import Verifier
def late():
    import capsvc.settings
    from caveats.request import Request
"""
    assert _imported(source, "caveats") == {
        "json",
        "caveats.wire",
        "caveats.chain",
        "caveats",
        "caveats.predicate",
        "caveats.errors",
        "caveats.verifier",
        "capsvc.settings",
        "caveats.request",
    }


def test_every_module_of_caveats_stands_in_the_order() -> None:
    names = {path.relative_to(REPOSITORY / "caveats").as_posix() for path in _modules("caveats")}
    assert names == {f"{name}.py" for name in ORDER} | {"__init__.py"}


@pytest.mark.parametrize("path", _modules("caveats"), ids=_name)
def test_caveats_never_imports_the_service(path: Path) -> None:
    assert not {name for name in _imports(path) if name.split(".")[0] == "capsvc"}


def test_only_the_application_imports_the_console_which_never_imports_the_application() -> None:
    for path in _modules("capsvc"):
        names, is_console = _imports(path), "console" in path.parts
        if is_console:
            assert "capsvc.http.app" not in names, path
        elif _name(path) != "capsvc.http.app":
            assert not {name for name in names if name.startswith("capsvc.console")}, path


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_those_before_it(name: str) -> None:
    inside = {each for each in _imports(REPOSITORY / "caveats" / f"{name}.py") if each.split(".")[0] == "caveats"}
    assert inside <= {f"caveats.{each}" for each in ORDER[: ORDER.index(name)]}


def test_a_plain_import_loads_nothing_heavy() -> None:
    program = f"import sys; import caveats; import json; print(json.dumps([n for n in {HEAVY!r} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert json.loads(done.stdout) == []


def test_a_resource_server_loads_nothing_that_it_may_never_need() -> None:
    """Nor the database, nor what the service alone stands on: it has 300 ms to its first verdict."""
    program = (
        "import sys, json; import capsvc.middleware, capsvc.resource_server, capsvc.wsgi;"
        f" print(json.dumps([n for n in {NOT_AT_THE_EDGE!r} if n in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert json.loads(done.stdout) == []


def test_what_is_heavy_is_loaded_where_it_is_needed() -> None:
    program = (
        "import sys, caveats; caveats.BUILTIN.parse('ip in 10.0.0.0/8'); m = caveats.Macaroon.mint(b'k', 'k1');"
        "m.entrust('there', b'k', b'ask'); caveats.to_pymacaroons(m);"
        "print('ipaddress' in sys.modules, 'nacl' in sys.modules, 'pymacaroons' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.split() == ["True", "True", "True"]


@pytest.mark.parametrize("path", _modules("caveats") + _modules("capsvc"), ids=_name)
def test_a_module_is_one_noun_of_fewer_than_300_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < LONGEST_MODULE
    assert not NOT_A_NOUN & set(path.relative_to(REPOSITORY).with_suffix("").parts)
