"""Acts: what somebody did that lets somebody in or keeps somebody out. Nothing in one is a secret."""

from __future__ import annotations

import os
import pwd
from typing import Self

import msgspec

from caveats import Capability

MINT, RENEW, REVOKE, DISCHARGE, PASSWORD, ADD_USER, CHANGE_USER = ACTS = (
    "mint",
    "renew",
    "revoke",
    "discharge",
    "change password",
    "add user",
    "change user",
)
"""What is done over HTTP; the command line has some of its own."""

API, CONSOLE, COMMAND_LINE, LEAK_REPORT = "api", "console", "command line", "leak report"
OIDC = "oidc:"
"""Stands before the name of the identity provider by which somebody logged in."""
ANYBODY = ""
"""Who acted where nobody said: a leak is reported without a capability."""

_SALT = b"salt = "


class Presented(msgspec.Struct, frozen=True):
    """The capability that somebody acted with: its nonce, and what its holders appended."""

    nonce: str
    narrowed: list[str]

    @classmethod
    def of(cls, capability: Capability) -> Self:
        """Describe a proven capability without its salts."""
        return cls(capability.nonce, [_without_salt(each) for each in capability.holders])


class Act(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One act. Whatever does not belong to it is left out.

    ``who`` is the user who acted, or on the command line the operating system's; ``whom`` the user whose
    capabilities or record it changed; ``name`` a salt's name, without its salt. ``narrowed`` are predicates that were
    appended at once, ``begins`` and ``ends`` the window of what was minted. ``subject`` is as whom an identity provider
    knows the user who acted.
    """

    act: str
    who: str
    via: str = API
    whom: str | None = None
    audience: str | None = None
    name: str | None = None
    nonce: str | None = None
    all: bool = False
    before: str | None = None
    narrowed: list[str] | None = None
    begins: str | None = None
    ends: str | None = None
    disabled: bool | None = None
    audiences: list[str] | None = None
    password: bool = False
    key: str | None = None
    leaked: bool = False
    added: int | None = None
    left_out: int | None = None
    revision: int | None = None
    subject: str | None = None
    presented: Presented | None = None


def operator() -> str:
    """Name the operating system's user who runs this process, by number where it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _without_salt(caveat: bytes | None) -> str:
    if caveat is None:
        return "a third party's caveat"
    if caveat.startswith(_SALT):
        caveat = caveat.partition(b"/")[0]
    return caveat.decode("utf-8", "replace")
