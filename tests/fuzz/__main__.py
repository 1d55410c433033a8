"""``python -m tests.fuzz``: fuzz every target for its share of the time, guided by coverage; or run inputs again.

    python -m tests.fuzz --seconds 3600     every target, one after another
    python -m tests.fuzz body               one target
    python -m tests.fuzz body FILE          an input once more, without a fuzzer

What is found goes below ``.fuzz``, and so does what reaches new code. The last line sums up, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import NamedTuple

CORPUS = Path(__file__).parent / "corpus"
LONGEST_INPUT, MEGABYTES, HUNG_SECONDS = 16384, 2048, 100
_SLOW_SECONDS, _SLOW_SECONDS_A_BYTE, _TRIES = 0.1, 20e-6, 3
_GRACE_SECONDS = 200
_PROGRESS = re.compile(r"^#(\d+)\s.*?cov: (\d+)", re.MULTILINE)


class TooSlow(Exception):
    """An input takes more of the processor than its length accounts for."""


class Fuzzed(NamedTuple):
    """What became of one target: inputs run, branches seen at first and at last, the inputs that were findings."""

    executions: int
    first: int
    last: int
    findings: tuple[str, ...]


def main() -> None:
    """Fuzz, or run inputs again. Exit code 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("target", nargs="?", help="one target; all where none is named")
    parser.add_argument("inputs", nargs="*", type=Path, help="files to run once more, without a fuzzer")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together, at least one for each")
    parser.add_argument("--seed", type=int, default=0, help="of chance; 0 for another one each time")
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="where findings and new inputs go")
    given = parser.parse_args()
    if given.inputs:
        from tests.fuzz.targets import TARGETS

        for each in given.inputs:
            TARGETS[given.target](each.read_bytes())
        return
    sys.exit(1 if fuzz(given.target, given.seconds, given.seed, given.keep) else 0)


def fuzz(only: str | None, seconds: int, seed: int, keep: Path) -> int:
    """Fuzz one target, or all in turn; print what became of each; return how many inputs were findings."""
    import atheris

    with redirect_stderr(StringIO()), atheris.instrument_imports(include=["caveats", "capsvc"]):
        from tests.fuzz.targets import TARGETS

    os.nice(19)
    names = [only] if only else list(TARGETS)
    begin, executions, findings = time.monotonic(), 0, 0
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - made with mkdtemp, of mode 0700
    tempfile.tempdir = tempfile.mkdtemp(prefix="fuzz-", dir=memory)  # for all that targets write: no fuzzer cleans up
    for number, name in enumerate(names):
        left = seconds - (time.monotonic() - begin)
        found = _fuzz_one(name, TARGETS[name], max(1, int(left / (len(names) - number))), seed, keep)
        executions, findings = executions + found.executions, findings + len(found.findings)
        print(f"{name:12} {found.executions:9} runs, branches {found.first} to {found.last}", flush=True)
        for each in found.findings:
            print(f"    found: python -m tests.fuzz {name} {each}", flush=True)
    shutil.rmtree(tempfile.tempdir)
    spent = round(time.monotonic() - begin)
    print(json.dumps({"targets": len(names), "executions": executions, "findings": findings, "seconds": spent}))
    return findings


def _fuzz_one(name: str, target: Callable[[bytes], None], seconds: int, seed: int, keep: Path) -> Fuzzed:
    """Fuzz a target in a process of its own: a fuzzer never returns, and ends at the first finding."""
    corpus, found, log = keep / "corpus" / name, keep / "found", keep / "logs" / f"{name}.log"
    for each in (corpus, found, log.parent):
        each.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    child = os.fork()
    if not child:
        _become_fuzzer(
            target, log,
            f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={LONGEST_INPUT}", f"-rss_limit_mb={MEGABYTES}",
            # By the clock, which goes on while others have the processor; what is slow is found by _held_to_time.
            f"-timeout={HUNG_SECONDS}", f"-report_slow_units={HUNG_SECONDS}",
            f"-artifact_prefix={found}/{name}-", str(corpus), str(CORPUS / name),
        )  # fmt: skip
    code = _wait(child, time.monotonic() + seconds + _GRACE_SECONDS)
    progress = _PROGRESS.findall(log.read_text("utf-8", "replace")) or [("0", "0")]
    inputs = tuple(str(each) for each in sorted(set(found.iterdir()) - before))
    return Fuzzed(
        int(progress[-1][0]), int(progress[0][1]), int(progress[-1][1]),
        inputs or ((f"(exit code {code}, see {log})",) if code else ()),
    )  # fmt: skip


def _become_fuzzer(target: Callable[[bytes], None], log: Path, *arguments: str) -> None:
    import atheris

    with log.open("wb") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    atheris.Setup([sys.argv[0], *arguments], _held_to_time(target))
    atheris.Fuzz()


def _held_to_time(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Make a target raise TooSlow for an input that takes too long, three times in a row."""

    def run(data: bytes) -> None:
        for _ in range(_TRIES):
            begin = time.process_time()
            target(data)
            if time.process_time() - begin < _SLOW_SECONDS + _SLOW_SECONDS_A_BYTE * len(data):
                return
        raise TooSlow(f"{len(data)} bytes take more than {_SLOW_SECONDS + _SLOW_SECONDS_A_BYTE * len(data):.2f} s")

    return run


def _wait(child: int, deadline: float) -> int:
    """Wait for a process; end it at a deadline. Return its exit code."""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
