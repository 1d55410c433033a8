"""Disks that fail as real ones do: small ones that fill up, and places where nothing can be written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    """Mount a disk of that size at a path that is made for it, until the end of the block."""
    path.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path))
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Let nothing be written to a file or a disk, until the end of the block. Nobody may have it open for writing."""
    _mount("--bind", str(path), str(path))
    try:
        _mount("-o", "remount,ro,bind", str(path))
        yield
    finally:
        subprocess.run(["umount", path], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Take all room that a disk has left, until the end of the block."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(64 * 1024)):
                pass
        except OSError:
            pass
    yield
    filler.unlink()


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"a disk cannot be mounted here: {done.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
