"""The libraries that take part, one of each in every worker; and the table that `make interop` prints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product

import pytest

from tests.interop import packages
from tests.interop.actors import CELL, NAMES, Actor, Ours, Pymacaroons
from tests.interop.libmacaroons import LibMacaroons
from tests.interop.processes import Go, JavaScript


@pytest.fixture(scope="session")
def actors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Actor]]:
    """Every library that is here, by name."""
    packages.install()
    absent = packages.missing()
    here: list[Actor] = [Ours(), Pymacaroons()]
    if "libmacaroons" not in absent:
        here.append(LibMacaroons())
    if "Go" not in absent:
        with packages.alone():
            here.append(Go(Go.compile(packages.CACHE, tmp_path_factory.mktemp("go"))))
    if "JavaScript" not in absent:
        here.append(JavaScript(packages.CACHE))
    yield {actor.name: actor for actor in here}
    for actor in here:
        actor.close()


@pytest.fixture
def cast(request: pytest.FixtureRequest, actors: dict[str, Actor]) -> tuple[Actor, ...]:
    """The libraries that a test names, or a sentence on why it is skipped."""
    names = request.param if isinstance(request.param, tuple) else (request.param,)
    for name in names:
        if name not in actors:
            pytest.skip(f"{name} is not here: as root, `make interop-packages` installs it")
    return tuple(actors[name] for name in names)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrix: who minted, who narrowed, who verified, and how many macaroons that were."""
    if not os.environ.get("INTEROP_TABLE"):
        return
    cells: dict[tuple[str, str, str], str] = {}
    for outcome, shown in (("passed", "{}"), ("failed", "FAILED"), ("skipped", "-")):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == CELL:
                    minter, narrower, verifier, macaroons = value
                    cells[minter, narrower, verifier] = shown.format(macaroons)
    write = terminalreporter.write_line
    terminalreporter.section("macaroons, all verified with one verdict and the same bytes")
    write("".join(f"{each:<14}" for each in ("minted by", "narrowed by", *NAMES)))
    for minter, narrower in product(NAMES, repeat=2):
        row = [cells.get((minter, narrower, verifier), "-") for verifier in NAMES]
        write("".join(f"{each:<14}" for each in (minter, narrower, *row)))
    numbers = [int(each) for each in cells.values() if each.isdigit()]
    write(f"{sum(numbers)} macaroons in {len(numbers)} of {len(NAMES) ** 3} combinations")
