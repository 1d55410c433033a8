"""``python -m benchmarks``: measure, print, and write docs/performance.md with its picture."""

from __future__ import annotations

import argparse
import platform
import ssl
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import http, http_worker
from benchmarks.http_load import has_wrk
from benchmarks.library import figures
from benchmarks.measure import Figure
from benchmarks.picture import bars

_DOCS = Path(__file__).parents[1] / "docs"
_PEERS = ("pymacaroons", "joserfc", "PyJWT", "itsdangerous", "biscuit-python")


def main() -> None:
    """Run every figure; with ``--strict``, exit code 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="interleaved rounds")
    parser.add_argument("--tokens", type=int, default=300, help="distinct tokens a round")
    parser.add_argument("--rotations", type=int, default=8, help="rotations of load over HTTP; 0 for none")
    parser.add_argument("--seconds", type=int, default=2, help="how long a burst of load lasts")
    parser.add_argument("--memory", action="store_true", help="verify a million tokens and see what a worker keeps")
    parser.add_argument("--strict", action="store_true", help="fail where a bar does not hold")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its picture")
    given = parser.parse_args()
    results, times, left_out = figures(given.rounds, given.tokens)
    table = _table(results)
    print(table)
    if left_out:
        print("left out, since they are not on this machine:", ", ".join(left_out))
    over_http, further = _over_http(given.rotations, given.seconds, given.memory)
    print(further)
    if given.write:
        (_DOCS / "performance.svg").write_text(bars(times), "utf-8")
        (_DOCS / "performance.md").write_text(_page(table, given.rounds, given.tokens, left_out, further), "utf-8")
    if given.strict and not all(result.holds for result in (*results, *over_http)):
        sys.exit("a bar does not hold")


def _table(results: list[Figure]) -> str:
    lines = ["| figure | ratio | spread | at most | | ours | theirs |", "|---|---|---|---|---|---|---|"]
    for each in results:
        held = "holds" if each.holds else "does not hold yet"
        lines.append(
            f"| {each.what} / {each.against} | {each.ratio:.3f} | {each.low:.3f} to {each.high:.3f} | {each.bar}"
            f" | {held} | {each.ours:.1f} | {each.theirs:.1f} |"
        )
    return "\n".join(lines)


def _over_http(rotations: int, seconds: int, memory: bool) -> tuple[list[http.Throughput | Figure], str]:
    """Measure the service; return the figures, and what the page says of them."""
    results: list[http.Throughput] = []
    if rotations and has_wrk():
        results = http.figures(rotations, seconds)
        said = (
            f"Throughput of one worker, driven by wrk on another core with 64 connections that stay open: the median"
            f"\nof {rotations} rotations of {seconds} s for each contender, with 300 distinct tokens of 10 users.\n\n"
            + _throughput(results)
        )
    else:
        said = "Throughput was left out: wrk is not on this machine, or no rotation was asked for."
    users = http_worker.users_ratio()
    start = http_worker.start_seconds()
    lines = [said, "", _table([users]), "", f"- `capsvc serve` answers {start:.2f} s after its start (at most 1.5 s)."]
    if memory:
        first, growth = http_worker.memory_growth()
        lines.append(
            f"- A process that verifies holds {first:.1f} MB after 100,000 distinct tokens, and {growth:.1f} MB more"
            " after a million."
        )
    return [*results, users], "\n".join(lines)


def _throughput(results: list[http.Throughput]) -> str:
    lines = ["| figure | ratio | spread | at least | | ours, 1/s | theirs, 1/s |", "|---|---|---|---|---|---|---|"]
    for each in results:
        bar, held = ("", "") if each.bar is None else (f"{each.bar}", "holds" if each.holds else "does not hold yet")
        lines.append(
            f"| {each.what} / {each.against} | {each.ratio:.2f} | {each.low:.2f} to {each.high:.2f} | {bar}"
            f" | {held} | {each.ours:.0f} | {each.theirs:.0f} |"
        )
    return "\n".join(lines)


def _page(table: str, rounds: int, tokens: int, left_out: list[str], further: str) -> str:
    peers = ", ".join(f"{name} {_version(name)}" for name in _PEERS)
    missing = f"\nLeft out, since not on this machine: {', '.join(left_out)}.\n" if left_out else ""
    return f"""# What verification costs

Written by `make bench`, not by hand. A ratio is the median of the ratios of {rounds} interleaved rounds of
{tokens} distinct tokens each, the spread its quartiles; times are medians in µs (sizes are characters).
Every contender gets the same content and checks all of it: who, from when, until when, the nonce, the salt.

![from text to decision, in µs]({"performance.svg"})

{table}
{missing}
Measured on {_processor()}, {platform.system()} {platform.machine()}, Python {platform.python_version()},
{ssl.OPENSSL_VERSION}; {peers}.

## What it costs over HTTP

{further}

## What is remembered, and why that leaks nothing

A verifier remembers a bounded number of proven chains: the text of a token from its second time on, and the
bytes of a root, with what they say. Only what was proven gets in, and an entry counts only while its root
key is still the one that its name leads to. Salts, times, the predicates of a request, discharges and their
binding are looked at every time. `Verifier(…, remembered=0)` switches it off, and never changes a verdict.

A remembered token is found by its hash and then compared as a whole. So an answer that comes sooner tells
that this very text was here lately, which nobody can ask about without having the text.

A store remembers the salts of a bounded number of users for as long as nobody commits. Each look compares 82
bytes of the database's header, mapped, that every commit by any process changes before it is acknowledged
(`capsvc/stores/counter.py` says why that is enough): no statement and no system call, also for a token that was
never seen. After a commit each user costs one SELECT. In WAL mode nothing is remembered.
"""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _processor() -> str:
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{len(names)} cores of {names[0]}" if names else "an unnamed processor"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
