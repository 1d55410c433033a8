"""An issuer for the tests, on joserfc alone and over real HTTP: it says and publishes whatever a test wants it to."""

from __future__ import annotations

import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

CLIENT_ID = "capsvc-tests"
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")
_CURVES = {"ES256": "P-256", "ES384": "P-384"}


class _Registry(jws.JWSRegistry):
    """Signs by whatever algorithm, without advice, and with any header."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]

    def check_header(self, header: Any) -> None:
        pass


def new_key(algorithm: str = "ES256") -> Any:
    """A key that signs by an algorithm."""
    if algorithm[:2] in ("RS", "PS"):
        return RSAKey.generate_key(2048)
    return OKPKey.generate_key("Ed25519") if algorithm.startswith("Ed") else ECKey.generate_key(_CURVES[algorithm])


def b64(raw: bytes) -> str:
    """URL-safe base64 without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(payload: bytes, key: Any, header: dict[str, Any]) -> str:
    """Sign bytes as a JWS in compact form."""
    return jws.serialize_compact(header, payload, key, registry=_Registry())


def sign_by_secret(payload: bytes, secret: bytes, header: dict[str, Any]) -> str:
    """Sign bytes by HS256 with whatever bytes; joserfc would not take a public key for that."""
    text = f"{b64(json.dumps({**header, 'alg': 'HS256'}).encode())}.{b64(payload)}"
    return f"{text}.{b64(hmac.digest(secret, text.encode(), 'sha256'))}"


class HostileIssuer:
    """An issuer that behaves, until a test has it do otherwise.

    ``documents`` are what it publishes by path: bytes, a redirect to a text, or None for what hangs.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.asked: list[str] = []
        self.documents: dict[str, bytes | str | None] = {}
        self.leaving = threading.Event()
        self.rotate()
        self.describe()

    def describe(self, **changed: Any) -> None:
        """Publish the discovery document, with some members changed."""
        told = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **changed}
        self.documents["/.well-known/openid-configuration"] = json.dumps(told).encode()

    def rotate(self, algorithm: str = "ES256") -> None:
        """Sign with a new key from now on, and publish it alone."""
        self.algorithm, self.key, self.key_id = algorithm, new_key(algorithm), token_hex(4)
        self.publish(self.public)

    @property
    def public(self) -> dict[str, Any]:
        """The public key, as it is published."""
        return {**self.key.as_dict(private=False), "kid": self.key_id}

    def publish(self, *keys: dict[str, Any]) -> None:
        """Publish some keys."""
        self.documents["/keys"] = json.dumps({"keys": keys}).encode()

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What a good ID token says, of a subject that nobody knows, with some claims changed; None leaves one out."""
        now = int(time.time())
        said = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": token_hex(8),
            "jti": token_hex(8),
            "iat": now,
            "exp": now + 300,
        }
        said |= changed
        return {name: value for name, value in said.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, payload: bytes | None = None, **claims: Any) -> str:
        """Sign an ID token. ``payload`` is instead of claims; a header's None leaves a parameter out."""
        said = {"alg": self.algorithm, "kid": self.key_id, "typ": "JWT", **(header or {})}
        said = {name: value for name, value in said.items() if value is not None}
        return sign(json.dumps(self.claims(**claims)).encode() if payload is None else payload, self.key, said)


@contextmanager
def issuing() -> Iterator[HostileIssuer]:
    """Run an issuer until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            answer = issuer.documents.get(self.path, b"")
            if answer is None:
                issuer.leaving.wait(60)
                return
            self.send_response(302 if isinstance(answer, str) else 200 if answer else 404)
            if isinstance(answer, str):
                self.send_header("Location", answer)
            body = answer if isinstance(answer, bytes) else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = HostileIssuer(server)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield issuer
        finally:
            issuer.leaving.set()
            server.shutdown()
            thread.join()
