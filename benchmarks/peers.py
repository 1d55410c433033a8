"""Other libraries, as their documentation says to use them. One that is not here is left out, by name."""

from __future__ import annotations

import ctypes
import ctypes.util
import subprocess
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.tokens import ENDS, KEY, LOCATION, NOW, SALT, at, claims, root
from caveats import Format, encode
from caveats.encoding import encode_base64
from caveats.wire import encode_text


def joserfc() -> tuple[Callable[[int], list[Any]], Callable[[Any], object]]:
    """joserfc HS256: decode, then validate the claims."""
    from joserfc import jwt
    from joserfc.jwk import OctKey

    key = OctKey.import_key(KEY)
    registry = jwt.JWTClaimsRegistry(
        now=int(at().timestamp()), iss={"essential": True, "value": LOCATION}, sub={"essential": True},
        exp={"essential": True}, jti={"essential": True}, salt={"essential": True},
    )  # fmt: skip

    def run(text: str) -> object:
        token = jwt.decode(text, key, algorithms=["HS256"])
        registry.validate(token.claims)
        return token

    return lambda n: [jwt.encode({"alg": "HS256"}, claims(), key) for _ in range(n)], run


def pyjwt() -> tuple[Callable[[int], list[Any]], Callable[[Any], object]]:
    """PyJWT HS256, with the claims that it checks by itself. Its clock is the machine's, so exp is far off."""
    import jwt

    def prepare(n: int) -> list[Any]:
        return [jwt.encode(claims() | {"iat": 1, "exp": 4_000_000_000}, KEY, "HS256") for _ in range(n)]

    return prepare, lambda text: jwt.decode(text, KEY, ["HS256"], {"require": ["exp", "sub", "jti"]}, issuer=LOCATION)


def itsdangerous() -> tuple[Callable[[int], list[Any]], Callable[[Any], object]]:
    """itsdangerous: a timed, signed serialisation of the same claims."""
    from itsdangerous import URLSafeTimedSerializer

    signing = URLSafeTimedSerializer(KEY)
    return lambda n: [signing.dumps(claims()) for _ in range(n)], lambda text: signing.loads(text, max_age=3600)


def biscuit() -> tuple[Callable[[int], list[Any]], Callable[[Any], object]]:
    """biscuit-python: one block with the user and an expiry; public-key signatures, so more for its time."""
    import biscuit_auth

    pair = biscuit_auth.KeyPair()

    def prepare(n: int) -> list[Any]:
        made = biscuit_auth.BiscuitBuilder(
            "user({user}); check if time($time), $time < {end}", {"user": "alice", "end": _end()}
        )
        return [made.build(pair.private_key).to_base64() for _ in range(n)]

    def run(text: str) -> object:
        token = biscuit_auth.Biscuit.from_base64(text, pair.public_key)
        authorizer = biscuit_auth.AuthorizerBuilder(
            "time({now}); allow if user({user});", {"now": at(), "user": "alice"}
        )
        limits = authorizer.limits()
        limits.max_time = timedelta(seconds=5)  # its millisecond runs out on a busy machine
        authorizer.set_limits(limits)
        return authorizer.build(token).authorize()

    return prepare, run


def _end() -> Any:
    return at().fromisoformat(ENDS)


def libmacaroons() -> tuple[Callable[[int], list[Any]], Callable[[Any], object]] | None:
    """C libmacaroons as Debian has it, format 1, called through ctypes: deserialise, then verify."""
    path = ctypes.util.find_library("macaroons")
    if path is None:
        return None
    c = ctypes.CDLL(path)
    c.macaroon_deserialize.restype = ctypes.c_void_p
    c.macaroon_deserialize.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_int)]
    c.macaroon_verifier_create.restype = ctypes.c_void_p
    c.macaroon_destroy.argtypes = [ctypes.c_void_p]
    c.macaroon_verifier_satisfy_exact.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int),
    ]  # fmt: skip
    c.macaroon_verify.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_int),
    ]  # fmt: skip
    error = ctypes.c_int()

    def prepare(n: int) -> list[Any]:
        # Its callbacks would be timed as Python, so that every predicate is exact for it: one verifier a token.
        made = []
        for _ in range(n):
            macaroon = root()
            checking = c.macaroon_verifier_create()
            for caveat in macaroon.unverified_caveats:
                text = caveat.identifier
                c.macaroon_verifier_satisfy_exact(checking, text, len(text), ctypes.byref(error))
            made.append((encode_text(macaroon, Format.V1).encode(), checking))
        return made

    def run(made: Any) -> object:
        text, checking = made
        macaroon = c.macaroon_deserialize(text, ctypes.byref(error))
        failed = c.macaroon_verify(checking, macaroon, KEY, len(KEY), None, 0, ctypes.byref(error))
        c.macaroon_destroy(macaroon)
        if failed:
            raise AssertionError("libmacaroons refuses what it should take")
        return macaroon

    return prepare, run


_GO = """
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"time"

	macaroon "gopkg.in/macaroon.v2"
)

func main() {
	key := []byte{%s}
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(make([]byte, 1<<20), 1<<26)
	for scanner.Scan() {
		texts := strings.Fields(scanner.Text())
		start := time.Now()
		for _, text := range texts {
			raw, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil { panic(err) }
			var m macaroon.Macaroon
			if err := m.UnmarshalBinary(raw); err != nil { panic(err) }
			err = m.Verify(key, func(caveat string) error {
				parts := strings.SplitN(caveat, " ", 3)
				ok := false
				switch parts[0] {
				case "time":
					ok = (parts[1] == "<" && "%s" < parts[2]) || (parts[1] == ">=" && "%s" >= parts[2])
				case "user":
					ok = parts[2] == "alice"
				case "salt":
					ok = parts[2] == "default/%s"
				case "nonce":
					ok = true
				}
				if !ok { return fmt.Errorf("unmet") }
				return nil
			}, nil)
			if err != nil { panic(err) }
		}
		fmt.Println(time.Since(start).Nanoseconds())
	}
}
"""


class Go:
    """Go's macaroon.v2 as Debian has it, in a process of its own that times itself; None where it is not."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a process that is talked to needs both pipes")
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout

    @classmethod
    def build(cls) -> Go | None:
        """Compile the contender. None where there is no Go or no library."""
        if not Path("/usr/share/gocode/src/gopkg.in/macaroon.v2").exists():
            return None
        folder = Path(tempfile.mkdtemp())
        source = _GO % (", ".join(map(str, KEY)), NOW, NOW, encode_base64(SALT))
        (folder / "main.go").write_text(source)
        environment = {
            "GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOCACHE": str(folder / "cache"),
            "HOME": str(folder), "PATH": "/usr/bin:/bin:/usr/local/go/bin",
        }  # fmt: skip
        command = ["/usr/bin/go", "build", "-o", str(folder / "contender"), str(folder / "main.go")]
        try:
            subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
        except (OSError, subprocess.CalledProcessError):
            return None
        process = subprocess.Popen(
            [str(folder / "contender")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return cls(process)

    def seconds(self, n: int) -> float:
        """Verify n distinct macaroons; the seconds for one."""
        self._stdin.write(" ".join(encode(root()) for _ in range(n)) + "\n")
        self._stdin.flush()
        return int(self._stdout.readline()) / 1e9 / n

    def close(self) -> None:
        """End the process."""
        self._stdin.close()
        self._process.wait(timeout=10)
        self._stdout.close()
