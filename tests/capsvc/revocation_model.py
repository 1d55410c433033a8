"""What the model of revocations knows, who holds what and why it must be refused; and what steps choose from."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from capsvc.settings import Settings
from caveats import Macaroon
from tests.capsvc.installation import PASSWORD

DAY = 24 * 3600
HELD_AT_MOST = 2
"""So many holder's names instead of a thousand, so that they do make way now and then."""

USERS = st.sampled_from(["alice", "alice", "alice", "bob"])
HOLDERS_NAMES = st.sampled_from(["h0", "h1", "h2", "h3"])
AUDIENCES = st.sampled_from([(), ("billing",), ("billing", "docs")])
RESTARTS = st.sampled_from(
    [
        Settings(),
        Settings(lifetime=60, max_lifetime=60),
        Settings(lifetime=3600, max_lifetime=DAY, max_login_age=2 * DAY),
        Settings(clock_skew=0, max_login_age=DAY),
    ]
)


@dataclass(eq=False)
class Held:
    """A macaroon that somebody holds, and why it must be refused, once it must."""

    macaroon: Macaroon
    user: str
    audience: str | None
    salt_name: str
    nonce: str
    key_id: str
    begins: str
    ends: str
    holders_names: frozenset[str] = frozenset()
    taken_back: str = ""
    was_refused: bool = False


@dataclass
class Person:
    """What the model knows of a user. ``revoked`` holds names and nonces that have a null row."""

    password: str = PASSWORD
    audiences: tuple[str, ...] = ("billing",)
    disabled: bool = False
    issued: set[str] = field(default_factory=lambda: {"default"})
    revoked: set[str] = field(default_factory=set)
