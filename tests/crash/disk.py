"""A disk that forgets what was not synced: what a power cut could have left of one directory.

It is made of the directory as it was, and of what processes have noted since (``unsynced.c``). What was synced
is there: the bytes of a file once the file was synced, the name of a file once its directory was. Of everything
else each operation survives by chance, in the order in which they were made, a write perhaps torn at sectors.
That is what POSIX promises and no more: a file system may order metadata, but nothing here counts on it.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

_SOURCE = Path(__file__).with_name("unsynced.c")
_NOTE = struct.Struct("=QQQQII")
_SECTOR = 512
CREATE, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MKDIR = range(1, 8)


def compiled(directory: Path) -> Path:
    """Compile the shim into a directory; return the library to preload."""
    library = directory / "unsynced.so"
    options = ["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-pthread"]
    subprocess.run(["cc", *options, "-o", str(library), str(_SOURCE)], check=True)
    return library


def preloading(library: Path, home: Path, log: Path) -> dict[str, str]:
    """The environment in which processes note into a directory of logs what they write under a home."""
    return {"LD_PRELOAD": str(library), "UNSYNCED_HOME": str(home), "UNSYNCED_LOG": str(log)}


class Note(NamedTuple):
    """One operation, as the shim noted it. ``instant`` is in nanoseconds of one clock."""

    instant: int
    kind: int
    inode: int
    offset: int
    path: bytes
    data: bytes


def notes(log: Path) -> list[Note]:
    """Read what all processes noted, in the order of its instants. What was cut off by a kill was not done."""
    return sorted((note for path in sorted(log.iterdir()) for note in _notes(path)), key=lambda note: note.instant)


def _notes(path: Path) -> Iterator[Note]:
    text, position = path.read_bytes(), 0
    while position + _NOTE.size <= len(text):
        instant, inode, offset, data_bytes, kind, path_bytes = _NOTE.unpack_from(text, position)
        middle = position + _NOTE.size + path_bytes
        position = middle + data_bytes
        if position <= len(text):
            yield Note(instant, kind, inode, offset, text[middle - path_bytes : middle], text[middle:position])


@dataclass(eq=False, slots=True)
class _File:
    """A file's synced bytes, and what was done to it since."""

    synced: bytes = b""
    mode: int = 0o600
    pending: list[Note] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Directory:
    """A directory's synced names, and the changes of names since: each the names that it sets, None for none."""

    mode: int = 0o700
    synced: dict[str, _Node] = field(default_factory=dict)
    pending: list[dict[str, _Node | None]] = field(default_factory=list)


_Node = _File | _Directory


class Chance(NamedTuple):
    """How much of what was not synced survives: each operation with probability ``kept``, half of these torn."""

    random: Random
    kept: float
    torn: float = 0.5

    def keeps(self) -> bool:
        """Draw whether one operation survives."""
        return self.random.random() < self.kept


class Disk:
    """One directory, as a disk knows it."""

    def __init__(self, directory: Path) -> None:
        """Take a directory as it stands for synced."""
        self._root = _Directory(directory.stat().st_mode & 0o777)
        self._inodes: dict[int, _Node] = {}
        self._now: dict[str, _Node] = {"": self._root}  # by path, as running processes see it
        self._take(directory, "", self._root)

    def _take(self, directory: Path, name: str, node: _Directory) -> None:
        self._inodes[directory.stat().st_ino] = node
        for path in directory.iterdir():
            status = path.stat()
            child: _Node = _Directory() if path.is_dir() else _File(path.read_bytes())
            child.mode = status.st_mode & 0o777
            node.synced[path.name] = self._now[_join(name, path.name)] = self._inodes[status.st_ino] = child
            if isinstance(child, _Directory):
                self._take(path, _join(name, path.name), child)

    def apply(self, note: Note) -> None:
        """Let one operation happen."""
        paths = [os.fsdecode(path) for path in note.path.split(b"\0")]
        if note.kind in (CREATE, MKDIR):
            if note.kind == CREATE and self._now.get(paths[0]) is self._inodes.get(note.inode, self):
                return  # two processes saw that it was not there, and one of them made it
            made = self._inodes[note.inode] = _File() if note.kind == CREATE else _Directory()
            self._rename({paths[0]: made})
        elif note.kind == UNLINK:
            self._rename({paths[0]: None})
        elif note.kind == RENAME:
            self._rename({paths[0]: None, paths[1]: self._now[paths[0]]})
        elif note.kind == SYNC:
            _sync(self._inodes[note.inode])
        else:
            file = self._inodes[note.inode]
            assert isinstance(file, _File)
            file.pending.append(note)

    def _rename(self, names: dict[str, _Node | None]) -> None:
        for path, node in names.items():
            if node is None:
                self._now.pop(path, None)
            else:
                self._now[path] = node
        (parent,) = {path.rpartition("/")[0] for path in names}
        directory = self._now[parent]
        assert isinstance(directory, _Directory)
        directory.pending.append({path.rpartition("/")[2]: node for path, node in names.items()})

    def write(self, directory: Path, chance: Chance) -> None:
        """Cut the power, and put what the disk kept in the place of a directory."""
        shutil.rmtree(directory)
        _write(directory, self._root, chance)


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _sync(node: _Node) -> None:
    if isinstance(node, _File):
        node.synced = _content(node.synced, node.pending)
    else:
        node.synced = _names(node.synced, node.pending)
    node.pending = []


def _write(path: Path, node: _Node, chance: Chance) -> None:
    if isinstance(node, _File):
        parts = [part for note in node.pending if chance.keeps() for part in _torn(note, chance)]
        path.write_bytes(_content(node.synced, parts))
    else:
        path.mkdir()
        changes = [change for change in node.pending if chance.keeps()]
        for name, child in _names(node.synced, changes).items():
            _write(path / name, child, chance)
    path.chmod(node.mode)


def _content(synced: bytes, changes: list[Note]) -> bytes:
    content = bytearray(synced)
    for change in changes:
        if change.kind == TRUNCATE:
            del content[change.offset :]
        content.extend(bytes(max(0, change.offset - len(content))))
        content[change.offset : change.offset + len(change.data)] = change.data
    return bytes(content)


def _names(synced: dict[str, _Node], changes: list[dict[str, _Node | None]]) -> dict[str, _Node]:
    names: dict[str, _Node | None] = dict(synced)
    for change in changes:
        names |= change
    return {name: node for name, node in names.items() if node is not None}


def _torn(note: Note, chance: Chance) -> Iterator[Note]:
    """Tear a write, by chance: each of its sectors gets to the disk or does not."""
    if note.kind != WRITE or chance.random.random() >= chance.torn:
        yield note
        return
    start, end = note.offset, note.offset + len(note.data)
    while start < end:
        stop = min(end, (start // _SECTOR + 1) * _SECTOR)
        if chance.random.random() < 0.5:
            yield note._replace(offset=start, data=note.data[start - note.offset : stop - note.offset])
        start = stop
