"""Profiles: tokens kept for reuse, one named profile for each service, in a file that only its owner reads.

The file is ``profiles.json`` under ``$XDG_CONFIG_HOME/capsvc``, by default ``~/.config/capsvc``, or
whatever ``CAPSVC_PROFILES`` names. A profile holds no salt: of what was handed on it remembers names.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from capsvc.errors import CapsvcError

DEFAULT_PROFILE = "default"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Profile:
    """What is kept for one service.

    ``revocable`` maps a name that the holder chose to the names of salts that stand for it: the name with
    a random suffix, one for each copy that was made with it.
    """

    url: str = ""
    token: str = field(default="", repr=False)
    revocable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def names_of(self, name: str) -> tuple[str, ...]:
        """Find the names of salts that a name stands for: one that was chosen, or a whole one."""
        return tuple(each for chosen, names in self.revocable.items() for each in names if name in (chosen, each))


@dataclass(frozen=True, slots=True)
class Profiles:
    """The file with all profiles."""

    path: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Profiles:
        """Find the file. It need not be there."""
        named = environment.get("CAPSVC_PROFILES")
        if named:
            return cls(Path(named))
        config = environment.get("XDG_CONFIG_HOME", "")
        base = Path(config) if config.startswith("/") else Path.home() / ".config"
        return cls(base / "capsvc" / "profiles.json")

    def all(self) -> dict[str, Profile]:
        """Read all profiles, by name. Raises CapsvcError for a file that others can read, or that holds none."""
        try:
            with self.path.open(encoding="utf-8") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise CapsvcError(
                        f"{self.path} holds tokens and others can read it: chmod 600 it, and revoke what was in it"
                    )
                return {name: _read(told) for name, told in json.load(file).items()}
        except FileNotFoundError:
            return {}
        except OSError as wrong:
            raise CapsvcError(f"{self.path} cannot be read: {wrong.strerror}") from None
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            raise CapsvcError(
                f"{self.path} is damaged and holds no profiles: move it away and log in anew, but keep it: the names"
                " of --revocable-as in it are needed to revoke"
            ) from None

    def token_of(self, name: str) -> Profile:
        """Find a profile that holds a token. Raises CapsvcError."""
        profile = self.all().get(check_profile_name(name))
        if profile is None or not profile.token:
            raise CapsvcError(f"profile {name} holds no token: `capsvc login USER --profile {name}`")
        return profile

    def keep(self, name: str, url: str, token: str) -> None:
        """Keep a token, and where it is for; the names stay."""
        self._change(name, lambda old: Profile(url, token, old.revocable))

    def forget(self, name: str) -> None:
        """Forget a profile's token; where it is for and the names stay, so that they can be taken back."""
        self._change(name, lambda old: Profile(old.url, "", old.revocable))

    def remember(self, name: str, chosen: str, salt_name: str) -> None:
        """Remember a name to take back by: the one that was chosen, and the salt's."""

        def remembering(old: Profile) -> Profile:
            names = (*old.revocable.get(chosen, ()), salt_name)
            return Profile(old.url, old.token, {**old.revocable, chosen: names})

        self._change(name, remembering)

    def _change(self, name: str, change: Callable[[Profile], Profile]) -> None:
        check_profile_name(name)
        # A link is followed and stays one: whoever keeps the file elsewhere keeps it there.
        path = Path(os.path.realpath(self.path))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(path.parent):
                profiles = self.all()
                profiles[name] = change(profiles.get(name, Profile()))
                _write(path, profiles)
        except OSError as wrong:
            raise CapsvcError(f"{self.path} cannot be written: {wrong.strerror}") from None


def check_profile_name(name: str) -> str:
    """Return a profile's name if it is one. Raises CapsvcError."""
    if not _NAME.fullmatch(name):
        raise CapsvcError("a profile's name is 1 to 64 ASCII letters, digits, '.', '_' or '-', a letter or digit first")
    return name


def _read(told: dict[str, Any]) -> Profile:
    url, token = told["url"], told["token"]
    if not isinstance(url, str) or not isinstance(token, str):
        raise TypeError
    return Profile(url, token, {str(name): tuple(map(str, each)) for name, each in told["revocable"].items()})


def _write(path: Path, profiles: Mapping[str, Profile]) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({name: asdict(each) for name, each in profiles.items()}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    # Two commands that remember a name at once must not lose one: it could not be taken back by it.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
