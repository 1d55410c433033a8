"""Go's and JavaScript's libraries, each in a process of its own that is spoken to in lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64encode
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from caveats import Format
from tests.interop.actors import Actor, Refused

HERE = Path(__file__).parent


def _text(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


class Process(Actor):
    """A library on the other end of two pipes."""

    def __init__(self, *command: str | Path) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Send one command; return the answer to it. Raises Refused."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        if "error" in answer:
            raise Refused(f"{self.name}: {answer['error']}")
        return answer

    def _token(self, do: str, **arguments: object) -> str:
        return str(self.ask(do, **arguments)["token"])

    def mint(self, key: bytes, identifier: bytes, location: str, format: Format) -> str:
        return self._token("mint", key=_text(key), identifier=_text(identifier), location=location, format=format.value)

    def narrow(self, token: str, predicates: Sequence[bytes]) -> str:
        return self._token("narrow", token=token, predicates=[*map(_text, predicates)])

    def entrust(self, token: str, location: str, key: bytes, identifier: bytes) -> str:
        return self._token("entrust", token=token, location=location, key=_text(key), identifier=_text(identifier))

    def bind(self, token: str, discharge: str) -> str:
        return self._token("bind", token=token, discharges=[discharge])

    def verify(self, token: str, key: bytes, met: Collection[bytes], discharges: Sequence[str]) -> bool:
        try:
            answer = self.ask(
                "verify", token=token, key=_text(key), predicates=[*map(_text, met)], discharges=list(discharges)
            )
        except Refused:
            return False
        return bool(answer["permits"])

    def close(self) -> None:
        self._process.communicate(timeout=60)


class Go(Process):
    """Go's gopkg.in/macaroon.v2, as Debian packages it."""

    name = "Go"
    reads = mints = (Format.V1, Format.V2, Format.JSON)
    takes_any_bytes = (Format.V2, Format.JSON)

    def __init__(self, program: Path) -> None:
        super().__init__(program)

    @staticmethod
    def compile(cache: Path, folder: Path) -> Path:
        """Compile the program into a folder. Objects already compiled are found in the cache again."""
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "GOCACHE": str(cache / "go"),
            "GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0",
        }  # fmt: skip
        program = folder / "macaroons"
        command: list[str | Path] = ["go", "build", "-o", program, HERE / "go/main.go"]
        subprocess.run(command, env=environment, check=True, timeout=240)
        return program


class JavaScript(Process):
    """npm's macaroon. It reads formats 2 and 2-JSON; what it writes is 2-JSON."""

    name = "JavaScript"
    reads = (Format.JSON, Format.V2)
    mints = (Format.JSON,)

    def __init__(self, cache: Path) -> None:
        super().__init__("node", HERE / "js/macaroons.mjs", cache / "js")
