"""C libmacaroons as Debian has it, called through ctypes. It knows format 1 and no other."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from typing import Any

from caveats import Format
from tests.interop.actors import Actor, Refused

LIBRARY = "libmacaroons.so.0"
_BYTES = (c_char_p, c_size_t)
_ERROR = POINTER(c_int)
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "create": (c_void_p, (*_BYTES, *_BYTES, *_BYTES, _ERROR)),
    "deserialize": (c_void_p, (c_char_p, _ERROR)),
    "serialize_size_hint": (c_size_t, (c_void_p,)),
    "serialize": (c_int, (c_void_p, c_char_p, c_size_t, _ERROR)),
    "add_first_party_caveat": (c_void_p, (c_void_p, *_BYTES, _ERROR)),
    "add_third_party_caveat": (c_void_p, (c_void_p, *_BYTES, *_BYTES, *_BYTES, _ERROR)),
    "prepare_for_request": (c_void_p, (c_void_p, c_void_p, _ERROR)),
    "verifier_create": (c_void_p, ()),
    "verifier_satisfy_exact": (c_int, (c_void_p, *_BYTES, _ERROR)),
    "verify": (c_int, (c_void_p, c_void_p, *_BYTES, c_void_p, c_size_t, _ERROR)),
    "verifier_destroy": (None, (c_void_p,)),
    "destroy": (None, (c_void_p,)),
}


def _sized(*values: bytes) -> list[bytes | int]:
    return [part for value in values for part in (value, len(value))]


class LibMacaroons(Actor):
    """C libmacaroons 0.3.0."""

    name = "libmacaroons"
    reads = mints = takes_any_bytes = (Format.V1,)

    def __init__(self) -> None:
        library = ctypes.CDLL(LIBRARY)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, "macaroon_" + name)
            function.restype, function.argtypes = result, arguments
        self._c = library

    def mint(self, key: bytes, identifier: bytes, location: str, format: Format) -> str:
        return self._written(self._made("create", *_sized(location.encode(), key, identifier)))

    def narrow(self, token: str, predicates: Sequence[bytes]) -> str:
        macaroon = self._read(token)
        for each in predicates:
            narrowed = self._made("add_first_party_caveat", macaroon, *_sized(each))
            self._c.macaroon_destroy(macaroon)
            macaroon = narrowed
        return self._written(macaroon)

    def entrust(self, token: str, location: str, key: bytes, identifier: bytes) -> str:
        macaroon = self._read(token)
        entrusted = self._made("add_third_party_caveat", macaroon, *_sized(location.encode(), key, identifier))
        self._c.macaroon_destroy(macaroon)
        return self._written(entrusted)

    def bind(self, token: str, discharge: str) -> str:
        root, loose = self._read(token), self._read(discharge)
        bound = self._made("prepare_for_request", root, loose)
        self._c.macaroon_destroy(root)
        self._c.macaroon_destroy(loose)
        return self._written(bound)

    def verify(self, token: str, key: bytes, met: Collection[bytes], discharges: Sequence[str]) -> bool:
        error = c_int()
        read: list[int] = []
        verifier = self._c.macaroon_verifier_create()
        try:
            for text in (token, *discharges):
                read.append(self._read(text))
            for each in met:
                self._c.macaroon_verifier_satisfy_exact(verifier, *_sized(each), byref(error))
            sent = (c_void_p * len(discharges))(*read[1:])
            return not self._c.macaroon_verify(verifier, read[0], *_sized(key), sent, len(discharges), byref(error))
        except Refused:
            return False
        finally:
            self._c.macaroon_verifier_destroy(verifier)
            for macaroon in read:
                self._c.macaroon_destroy(macaroon)

    def _made(self, function: str, *arguments: object) -> int:
        error = c_int()
        made: int | None = getattr(self._c, "macaroon_" + function)(*arguments, byref(error))
        if made is None:
            raise Refused(f"libmacaroons: {function} ends with {error.value}")
        return made

    def _read(self, token: str) -> int:
        return self._made("deserialize", token.encode())

    def _written(self, macaroon: int) -> str:
        """Write a macaroon and free it."""
        error = c_int()
        size = self._c.macaroon_serialize_size_hint(macaroon)
        text = ctypes.create_string_buffer(size)
        failed = self._c.macaroon_serialize(macaroon, text, size, byref(error))
        self._c.macaroon_destroy(macaroon)
        if failed:
            raise Refused(f"libmacaroons: serialize ends with {error.value}")
        return text.value.decode("ascii")
