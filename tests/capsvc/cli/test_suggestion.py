"""``capsvc suggest``: from an access log to the predicates that it needed."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from caveats import Macaroon, decode, encode
from tests.forks import run


def _line(number: int, method: str = "GET", path: str = "/docs/2026", status: int = 200) -> str:
    return f'10.0.0.{number} - - [25/Nov/2026:12:00:{number:02} +0000] "{method} {path}/{number} HTTP/1.1" {status} 1'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Nine requests that were served, one that was not, and a line that is none."""
    path = tmp_path / "access.log"
    path.write_text("\n".join([*(_line(each) for each in range(1, 10)), _line(1, "PUT", status=403), "hello"]))
    return path


def _suggest(path: Path, *arguments: str, stdin: str = "") -> CompletedProcess[str]:
    return run(path / "nowhere", "suggest", *arguments, stdin=stdin)


def test_what_it_prints_can_be_appended(tmp_path: Path, log: Path) -> None:
    done = _suggest(tmp_path, str(log), "--most", "4", "--attribute", "path", "--attribute", "ip")
    assert done.stdout.splitlines() == ["path ^= /docs/2026", "ip in 10.0.0.1/32 10.0.0.2/31 10.0.0.4/30 10.0.0.8/31"]
    assert done.stderr.splitlines() == [f"warning: 1 line of {log} could not be read, line 11 first"]
    token = encode(Macaroon.mint(b"a root key", "k1"))
    narrowed = run(tmp_path / "nowhere", "attenuate", token, *done.stdout.splitlines()).stdout.strip()
    assert [each.identifier.decode() for each in decode(narrowed).unverified_caveats] == done.stdout.splitlines()


def test_it_tells_what_of_another_log_it_would_have_refused(tmp_path: Path, log: Path) -> None:
    other = tmp_path / "other.log"
    other.write_text("\n".join([_line(3), "", _line(4, "DELETE"), _line(5, path="/pub")]))
    done = _suggest(tmp_path, str(log), "--most", "4", "--against", str(other))
    assert done.stdout.splitlines() == ["method = GET", "path ^= /docs/2026"]
    assert done.stderr.splitlines()[1:] == [
        "refuses 2 of 3 requests",
        "  line 3: method = GET: the request needs DELETE",
        "  line 4: path ^= /docs/2026: it is /pub/5",
    ]
    told = json.loads(_suggest(tmp_path, str(log), "--most", "4", "--against", str(other), "--json").stdout)
    assert (told["requests"], told["against"], [each["line"] for each in told["refused"]]) == (9, 3, [3, 4])


def test_what_is_left_open_is_said_with_its_reason(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"method": method, "amount": 3}) for method in ("GET", "PUT"))
    told = ["--most", "1", "--attribute", "amount", "--attribute", "method", "--attribute", "host"]
    done = _suggest(tmp_path, "-", *told, "--declare", "amount=number", stdin=lines)
    assert done.stdout.splitlines() == ["amount = 3"]
    assert done.stderr.splitlines() == [
        "left open: method: 2 values, and no predicate of 1 items is met by all",
        "left open: host: no request says it",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.log"], "missing.log cannot be read"),
        (["-"], "holds no request that can be read"),
        (["-", "--attribute", "amount"], "--declare amount=TYPE"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = _suggest(tmp_path, *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert said in done.stderr
