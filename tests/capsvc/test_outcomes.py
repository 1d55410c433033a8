"""Outcomes: counted by a node, kept by the minute for a day, summed over processes, and of nobody."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from capsvc.console.picture import MINUTES, draw
from capsvc.node import Presentation
from capsvc.outcomes import KEPT_MINUTES, OUTCOMES, OutcomeFile, no_counts
from caveats import MacaroonError
from caveats.wire import encode_text
from tests.capsvc.installation import Clock, Installation, installed, one_bit_off

START = 1_795_327_200.0
MINUTE = int(START) // 60


@pytest.fixture
def house() -> Iterator[Installation]:
    with installed() as house:
        yield house


def _counted(house: Installation, token: str, *discharges: str, **facts: object) -> dict[str, int]:
    before = dict(house.node.outcomes)
    with suppress(MacaroonError):
        house.node.verify(Presentation(token, discharges), house.node.request(**facts))
    return {each: count - before[each] for each, count in house.node.outcomes.items() if count != before[each]}


def test_each_verification_is_counted_once_by_how_it_ended(house: Installation) -> None:
    macaroon = house.log_in().macaroon
    token = encode_text(macaroon)
    narrowed = encode_text(macaroon.append(b"path ^= /docs"))
    assert _counted(house, token) == {"accepted": 1}
    assert _counted(house, narrowed, path="/docs/1") == {"accepted": 1}
    assert _counted(house, narrowed, path="/pub") == {"unmet": 1}
    assert _counted(house, encode_text(macaroon.append(b"time < 2026-11-01T00:00:00Z"))) == {"expired": 1}
    for nonsense in (one_bit_off(token), "x", "{}", "", encode_text(house.log_in(audience="billing").macaroon)):
        assert _counted(house, nonsense) == {"invalid": 1}, nonsense
    assert _counted(house, token, "x") == {"invalid": 1}
    house.store.revoke_all("alice", house.now)
    assert _counted(house, token) == {"revoked": 1}


def test_what_waits_for_the_body_alone_has_not_ended_yet(house: Installation) -> None:
    macaroon = house.log_in().macaroon.append(b"body = sha-256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU")
    assert _counted(house, encode_text(macaroon)) == {}
    assert _counted(house, encode_text(macaroon), body=b"") == {"accepted": 1}
    assert _counted(house, encode_text(macaroon), body=b"other") == {"unmet": 1}
    assert _counted(house, encode_text(macaroon.append(b"path ^= /docs"))) == {"unmet": 1}


def _file(directory: Path) -> tuple[OutcomeFile, dict[str, int], Clock]:
    counts, clock = no_counts(), Clock()
    return OutcomeFile(directory, counts, clock), counts, clock


def test_what_was_counted_goes_into_the_minute_in_which_it_is_written(tmp_path: Path) -> None:
    kept, counts, clock = _file(tmp_path / "outcomes")
    counts["accepted"] += 3
    kept.write()
    counts["accepted"] += 2
    counts["unmet"] += 1
    kept.write()
    clock.forward(60)
    counts["accepted"] += 1
    kept.write()
    assert kept.read() == {
        MINUTE: {**no_counts(), "accepted": 5, "unmet": 1},
        MINUTE + 1: {**no_counts(), "accepted": 1},
    }


def test_where_nothing_happened_nothing_is_written(tmp_path: Path) -> None:
    kept, counts, _ = _file(tmp_path / "outcomes")
    kept.write()
    assert kept.read() == {}
    assert not (tmp_path / "outcomes").exists()
    counts["accepted"] += 1
    kept.write()
    (path,) = (tmp_path / "outcomes").iterdir()
    before = path.stat().st_ino
    kept.write()
    assert path.stat().st_ino == before


def test_the_files_of_all_processes_are_summed_and_broken_ones_left_out(tmp_path: Path) -> None:
    first, counts, _ = _file(tmp_path)
    second, others, _ = _file(tmp_path)
    counts["expired"], others["expired"] = 2, 5
    first.write()
    second.write()
    for number, text in enumerate(("{", "[]", '{"x":[1]}', '{"29922120":[1]}', '{"29922120":7}', "\x00", '"a"')):
        (tmp_path / f"broken{number}.json").write_text(text, "utf-8")
    assert {each: count for each, count in first.read()[MINUTE].items() if count} == {"expired": 7}
    assert second.read() == first.read()


def test_a_day_is_kept_and_no_more_however_long_it_runs(tmp_path: Path) -> None:
    kept, counts, clock = _file(tmp_path)
    for _ in range(KEPT_MINUTES + 100):
        counts["accepted"] += 10_000_000
        kept.write()
        clock.forward(60)
    minutes = kept.read()
    assert KEPT_MINUTES - 2 <= len(minutes) <= KEPT_MINUTES
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size < 64 * 1024
    clock.forward(2 * 24 * 3600)
    assert kept.read() == {}


def test_files_of_processes_that_are_long_gone_are_forgotten(tmp_path: Path) -> None:
    kept, counts, clock = _file(tmp_path)
    counts["accepted"] += 1
    kept.write()
    for name, age in (("old.json", KEPT_MINUTES * 60 + 60), ("new.json", 60), ("old.new", KEPT_MINUTES * 60 + 60)):
        (tmp_path / name).write_text(json.dumps({MINUTE: [1, 0, 0, 0, 0]}), "utf-8")
        os.utime(tmp_path / name, (clock() - age, clock() - age))
    kept.forget()
    assert {each.name for each in tmp_path.iterdir()} - {"new.json"} == {kept.path.name}


def test_a_picture_stacks_what_happened_and_lists_the_same_numbers() -> None:
    minutes = {MINUTE: {**no_counts(), "accepted": 30, "invalid": 10}, MINUTE - 1: {**no_counts(), "accepted": 20}}
    minutes[MINUTE - MINUTES] = {**no_counts(), "revoked": 5}
    picture = draw(minutes, MINUTE)
    assert picture.highest == 40
    assert picture.bars["accepted"] == "M714 160.0v-80.0M718 160.0v-120.0"
    assert picture.bars["invalid"] == "M718 40.0v-40.0"
    assert picture.bars["revoked"] == "", "too long ago for the picture"
    assert picture.day["revoked"] == 5
    for outcome in OUTCOMES:
        assert sum(span.counts[outcome] for span in picture.quarters) == picture.total[outcome]
    assert picture.quarters[0].counts["accepted"] + picture.quarters[1].counts["accepted"] == 50
    assert [said for _, said in picture.ticks] == sorted(said for _, said in picture.ticks)
    assert all(said.endswith((":00", ":30")) for _, said in picture.ticks)


def test_a_picture_of_nothing_is_empty() -> None:
    picture = draw({}, MINUTE)
    assert set(picture.bars.values()) == {""}
    assert picture.highest == 0
