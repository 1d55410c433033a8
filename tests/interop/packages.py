"""Which foreign libraries are on this machine. What is missing is installed, or said in a sentence."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.libmacaroons import LIBRARY

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("CAPSVC_INTEROP_CACHE") or Path(sys.prefix) / "interop").absolute()
"""Where npm's packages and Go's compiled objects stay between runs: never in the repository's own tree."""
_GO_LIBRARY = Path("/usr/share/gocode/src/gopkg.in/macaroon.v2/macaroon.go")


def missing() -> list[str]:
    """Name the libraries that are not here."""
    found = {
        "libmacaroons": _loads(LIBRARY),
        "Go": bool(shutil.which("go")) and _GO_LIBRARY.exists(),
        "JavaScript": bool(shutil.which("node")) and (CACHE / "js/node_modules/macaroon/package.json").exists(),
    }
    return [name for name, here in found.items() if not here]


def install() -> None:
    """Install what is missing: always under CI, and for root where there is apt; anybody else goes without."""
    under_ci = os.environ.get("CI") == "true"
    with alone():
        if missing() and (under_ci or (os.geteuid() == 0 and shutil.which("apt-get"))):
            subprocess.run(["make", "-s", "interop-packages", f"INTEROP={CACHE}"], cwd=ROOT, check=under_ci)
    if under_ci and missing():
        raise RuntimeError(f"under CI nothing is skipped, and these cannot be installed: {', '.join(missing())}")


@contextmanager
def alone() -> Iterator[None]:
    """Keep the other worker waiting."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
