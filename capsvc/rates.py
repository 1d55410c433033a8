"""Rates: how often a password may be wrong, an ID token refused, a leak reported, before somebody has to wait.

What counts is what went wrong, by user and network together, by user, and by network. Whether there is such a user
is never asked. Nobody is locked out by what others do elsewhere: where a user has had too many wrong passwords
from everywhere, each network still has a few tries for her.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address, ip_network
from math import floor
from secrets import token_bytes

from limits import RateLimitItemPerSecond
from limits.strategies import MovingWindowRateLimiter

from capsvc.errors import CredentialsRefused, TooMany
from capsvc.settings import Settings
from capsvc.windows import Windows

TRIES_WHEN_GUESSED_AT = 3
"""What each network has for a user whose password was wrong too often from everywhere together."""

_DIGEST_BYTES = 16
_IPV6_PREFIX = 64
"""What one customer has; addresses below it are hers to choose."""


class Rates:
    """The rates of one process. With several workers each has its share, and at least one.

    ``clock`` tells seconds and never goes back.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        def at_most(amount: int) -> _Limit:
            return _Limit(-(-amount // settings.workers), settings.rate_window, clock)

        self._secret = token_bytes(_DIGEST_BYTES)
        self._by_both = at_most(settings.wrong_passwords)
        self._by_both_when_guessed_at = at_most(TRIES_WHEN_GUESSED_AT)
        self._by_user = at_most(settings.wrong_passwords_by_user)
        self._by_network = at_most(settings.wrong_passwords_by_network)
        self._reports = at_most(settings.leak_reports)

    @contextmanager
    def password_try(self, user: str, address: str | None) -> Iterator[None]:
        """Let a password be tried within the block. Raises TooMany before it.

        A try counts from its beginning, so that many at once are no more than one after the other. It is
        taken back unless the block raises CredentialsRefused, or is left before it is known what came out.
        """
        network = network_of(address)
        both, user, network = (self._digest(each) for each in (f"{network}\0{user}", user, network))
        all_four = (
            (self._by_both, both),
            (self._by_both_when_guessed_at, both),
            (self._by_user, user),
            (self._by_network, network),
        )
        with _counted(all_four) as full:
            if full.pop(self._by_user, None) is None:  # only a user who is guessed at has few tries from each network
                full.pop(self._by_both_when_guessed_at, None)
            _demand_none(full, "wrong passwords")
            yield

    @contextmanager
    def id_token_try(self, address: str | None) -> Iterator[None]:
        """Let an ID token be tried within the block, as a password is, but for no user: none is known before."""
        with _counted([(self._by_network, self._digest(network_of(address)))]) as full:
            _demand_none(full, "refused ID tokens")
            yield

    def report(self, address: str | None) -> None:
        """Count a report of a leak from an address. Raises TooMany."""
        network = self._digest(network_of(address))
        if not self._reports.count(network):
            raise TooMany("reports", self._reports.wait(network))

    def _digest(self, text: str) -> str:
        """What stands for a name or a network, of one length, and the same to nobody outside this process."""
        raw = text.encode("utf-8", "surrogatepass")
        return blake2b(raw, key=self._secret, digest_size=_DIGEST_BYTES).hexdigest()


class _Item(RateLimitItemPerSecond):
    """An amount in a storage of its own, where a key needs nothing to tell it from another limit's."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """Return the one identifier that there is."""
        return str(identifiers[0])


class _Limit:
    """So many in so many seconds, for each key."""

    def __init__(self, amount: int, span: int, clock: Callable[[], float]) -> None:
        self._item = _Item(amount, span)
        self._clock = clock
        self._windows = Windows(span, clock)
        self._limiter = MovingWindowRateLimiter(self._windows)

    def wait(self, key: str) -> int:
        """Whole seconds until there is room where there is none, never too few."""
        return floor(self._limiter.get_window_stats(self._item, key).reset_time - self._clock()) + 1

    def count(self, key: str) -> bool:
        """Count one, where there is room."""
        return self._limiter.hit(self._item, key)

    def give_back(self, key: str) -> None:
        """Take one back that was counted."""
        self._windows.give_back(key)


@contextmanager
def _counted(limits: Iterable[tuple[_Limit, str]]) -> Iterator[dict[_Limit, str]]:
    """Count a try from its beginning, and tell in which limits there is no room for it.

    It is taken back unless the block raises CredentialsRefused, or is left.
    """
    counted, full = [], {}
    for limit, key in limits:
        if limit.count(key):
            counted.append((limit, key))
        else:
            full[limit] = key
    try:
        yield full
    except CredentialsRefused:
        raise
    except Exception:
        _give_back(counted)
        raise
    else:
        _give_back(counted)


def _demand_none(full: Mapping[_Limit, str], what: str) -> None:
    """Raise TooMany where a limit has no room."""
    if full:
        raise TooMany(what, max(limit.wait(key) for limit, key in full.items()))


def _give_back(counted: list[tuple[_Limit, str]]) -> None:
    for limit, key in counted:
        limit.give_back(key)


def network_of(address: str | None) -> str:
    """Name whose an address is: an IPv4 address itself, of an IPv6 address its /64; all that say none are one."""
    if address is None:
        return ""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return str(ip_network((found, _IPV6_PREFIX), strict=False))
        found = found.ipv4_mapped
    return str(found)
