"""Roots as services mint them, proven at once: format 2, authority's five caveats, one pattern.

This module owns the hot loop. It decides nothing of its own: what it does not take, it leaves to
:mod:`caveats.wire`, :mod:`caveats.proof` and :mod:`caveats.authority`, and a property test holds that
both ways come to the same verdict. Each choice was measured by ``make bench`` (docs/performance.md).
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Callable
from hmac import compare_digest

from caveats import chain
from caveats.authority import AUTHORITY_CAVEATS, KeyName
from caveats.encoding import decode_base64
from caveats.errors import DecodeError, InvalidMacaroon
from caveats.memo import NOTHING, ROOT_ALONE, Memo, Tally
from caveats.opaque import SALT_NAME
from caveats.pieces import read_header, split_first_party
from caveats.proven import Proven, narrowed, proven_root
from caveats.vocabulary import BUILTIN, Vocabulary
from caveats.wire import Limits

KeyLookup = Callable[[KeyName], bytes | None]
"""Finds the root key of a name, or None when there is none or it is retired."""

# One pattern over authority's bytes, and no object for each caveat: half of the time of a tidy loop.
# The 29th of February takes the general way, and so do users whose names are not plain ASCII.
_TIME = (
    rb"[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8]|(?<!02-)(?:29|30)|(?:(?<=0[13578]-)|(?<=1[02]-))31)"
    rb"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
)
_UNIQUE = rb"[A-Za-z0-9_-]{21}[AQgw]"
ROOT = re.compile(
    rb"\x02\x1e(nonce = " + _UNIQUE + rb")\x00"
    rb"\x02([\x08-\x7f])(user = [!-$&-.0-~]{1,120})\x00"
    rb"\x02([\x1f-\x7f])(salt = " + SALT_NAME.encode() + rb"/" + _UNIQUE + rb")\x00"
    rb"\x02\x1c(time >= " + _TIME + rb")\x00"
    rb"\x02\x1b(time < " + _TIME + rb")\x00"
    rb"(?:\x00\x06\x20(.{32})\Z)?",
    re.DOTALL,
)
_FROM_URL, _TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!"), bytes.maketrans(b"-_", b"+/")
_STARTS = 64
_LONGEST_TEXT = 1024
"""Longer texts are not remembered: who holds a root can cut as many and as long copies of it as she likes."""

_ONCE = b"request = "
"""How the last caveat of a copy begins that is bound to one request: it will not be seen again."""

Texts = Memo[str, tuple[Proven, Vocabulary, KeyName, bytes]]
"""What was proven, by its text: with the vocabulary that it was read in, and the root key and its name."""

_Start = tuple[bytes, KeyName, bytes, bytes]
"""How the bytes of some macaroons start, up to their identifier; its key's name, the key, and the signature
before any caveat."""

_NO_START: _Start = (b"none", KeyName(""), b"", b"")


class Roots:
    """Proves macaroons that begin as a service mints them, and remembers the roots."""

    __slots__ = (
        "_audience", "_characters", "_further", "_keys", "_proofs", "_remembered", "_roots", "_start", "_starts",
        "texts",
    )  # fmt: skip

    def __init__(self, keys: KeyLookup, audience: str | None, limits: Limits, remembered: int, proofs: Tally) -> None:
        self._keys = keys
        self._audience = audience
        self._characters = limits.characters
        self._further = limits.caveats - AUTHORITY_CAVEATS
        self._start = _NO_START
        self._starts: Memo[bytes, _Start] = Memo(min(remembered, _STARTS))
        self._remembered = remembered
        self._roots: Memo[bytes, Proven] = Memo(remembered)
        self._proofs = proofs
        self.texts: Texts = Memo(remembered)

    def prove(self, token: str, vocabulary: Vocabulary) -> Proven | None:
        """Prove a whole chain and read it; None for what is not spelled as services mint it.

        A text is remembered from the second time on, since most come once, and never one that is bound
        to a request. Raises InvalidMacaroon.
        """
        if len(token) > self._characters:
            return None
        try:
            if len(token) % 4:
                raw = decode_base64(token)
            else:  # where nothing is to pad, written out: 0.97 of the whole
                raw = a2b_base64(token.encode().translate(_FROM_URL), strict_mode=True)
        except (ValueError, DecodeError):
            return None
        start = self._start  # the last one that was proven: a fleet has one location, and signs with one key
        header, key_name, root_key, first = start
        if raw[: len(header)] != header or self._keys(key_name) != root_key:
            found_start = self._find_start(raw)
            if found_start is None:
                return None
            header, key_name, root_key, first = start = found_start
        at = len(header)
        root = self._roots.get(raw[at + 2 : at + 32])  # by its nonce: shorter to look for than all of its bytes
        if root is not None and root[1] == first and root[0] and raw.startswith(root[0]):
            return self._continued(token, vocabulary, root, raw, start)
        found = ROOT.match(raw, at)
        if found is None:
            return None
        nonce, user_size, user, salt_size, salt, begins, ends, presented = found.groups()
        if user_size[0] != len(user) or salt_size[0] != len(salt):
            return None
        minted = (nonce, user, salt, begins, ends)
        if root is not None and root[1] == first and root[-1].minted == minted:
            root = self._roots[nonce] = (raw[: found.end(7) + 1], *root[1:])
            return self._continued(token, vocabulary, root, raw, start)
        holders: tuple[bytes, ...] = ()
        if presented is None:
            rest = split_first_party(raw, found.end(), self._further)
            if rest is None:
                return None
            holders, presented = rest
        signature = chain.sign(first, minted)
        if not compare_digest(chain.sign(signature, holders) if holders else signature, presented):
            raise InvalidMacaroon()
        salt_bytes = a2b_base64(salt[-22:].translate(_TO_STANDARD) + b"==")
        root = proven_root(first, signature, key_name, minted, user[7:].decode(), salt[7:-23].decode(), salt_bytes)
        if self._remembered:  # Memo.remember, written out: 0.98 of the whole
            roots = self._roots
            if len(roots) >= self._remembered:
                roots.clear()
            roots[nonce] = root
        self._proofs[NOTHING] += 1
        if start is not self._start:
            self._start = start
            self._starts.remember(header, start)
        return narrowed(root, holders, (), vocabulary) if holders or vocabulary is not BUILTIN else root

    def _continued(self, token: str, vocabulary: Vocabulary, root: Proven, raw: bytes, start: _Start) -> Proven | None:
        """Prove what follows a known root, and nothing again of the root itself."""
        rest = split_first_party(raw, len(root[0]), self._further)
        if rest is None:
            return None
        holders, presented = rest
        if not compare_digest(chain.sign(root[2], holders), presented):
            raise InvalidMacaroon()
        self._proofs[ROOT_ALONE] += 1
        proven = narrowed(root, holders, (), vocabulary) if holders or vocabulary is not BUILTIN else root
        if len(token) <= _LONGEST_TEXT and not (holders and holders[-1].startswith(_ONCE)):
            _, key_name, root_key, _ = start
            self.texts.remember(token, (proven, vocabulary, key_name, root_key))
        return proven

    def _find_start(self, raw: bytes) -> _Start | None:
        """The start of some bytes; None where they have none, or no key that this verifier looks up."""
        header = read_header(raw)
        if header is None:
            return None
        size, identifier = header
        try:
            key_name = KeyName.unverified(identifier)
        except InvalidMacaroon:
            return None
        root_key = self._keys(key_name) if key_name.audience == self._audience else None
        if root_key is None:
            return None
        start = self._starts.get(raw[:size])
        if start is None or start[2] != root_key:
            start = raw[:size], key_name, root_key, chain.start(chain.derive_key(root_key), identifier)
        return start
