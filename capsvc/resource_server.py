"""A resource server on its own: it verifies the capabilities of one audience, in its own process.

It is given a file of exported keys and the address of a feed of changes, and needs no database and no home.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from capsvc.errors import SettingsError, StoreUnavailable
from capsvc.exported import ExportedKeys
from capsvc.follower import Follower
from capsvc.logs import logger
from capsvc.node import Node
from capsvc.relay import Relay
from capsvc.settings import Settings
from capsvc.stores import Column
from caveats import KeyName

_FIRST_SECONDS = 10.0
_NEVER = -1
"""The count of a ring that nobody has told of yet."""


@dataclass(frozen=True, slots=True)
class AudienceRing:
    """The root keys of one audience, of those keys of the ring that are not retired."""

    count: int
    root_keys: Mapping[KeyName, bytes] = field(repr=False)

    def root_key(self, name: KeyName) -> bytes | None:
        """Return the root key of a name; None for another audience's, and for one that is unknown or retired."""
        return self.root_keys.get(name)


class AudienceKeys:
    """Exported keys, where a node looks for its ring."""

    def __init__(self, exported: ExportedKeys) -> None:
        self._exported = exported
        self._missed: set[str] = set()

    def ring(self, column: Column, *, patient: bool = True) -> AudienceRing:
        """Take the exported keys that a column names. While it names none, nothing is verified."""
        try:
            count, stored = column.keys(patient=patient)
        except StoreUnavailable:
            return AudienceRing(_NEVER, {})
        held, audience = self._exported.keys, self._exported.audience
        missing = {key.key_id for key in stored} - held.keys() - self._missed
        if missing:
            self._missed |= missing
            logger().warning("keys are not exported to here: export them again", keys=sorted(missing))
        found = {KeyName(key.key_id, audience): held[key.key_id].root_key for key in stored if key.key_id in held}
        return AudienceRing(count, found)


def follow(
    key_file: Path | str, feed_url: str, audience: str, *, freshness: float = 5.0, settings: Settings | None = None
) -> Node[AudienceRing]:
    """Make the node of a resource server from its key file, and follow the feed of changes on a thread.

    ``feed_url`` is the issuer's public URL or a relay's. ``freshness`` is Δ, in seconds: what it cannot prove to be
    as fresh, it refuses with StoreUnavailable, which middleware answers with 503. So it does from the start, where
    nothing comes from the feed. Raises SettingsError for a key file that is missing, damaged or another audience's,
    and for an address that is none. Call it in each process that verifies, after any fork.
    """
    exported = ExportedKeys.read(Path(key_file))
    if exported.audience != audience:
        raise SettingsError(
            f"the exported key {key_file} is for {exported.audience}, and not for {audience}:"
            f" export one with `capsvc keys export --audience {audience} --to {key_file}`"
        )
    if not freshness > 0:
        raise SettingsError("freshness is a number of seconds above 0")
    follower = Follower(exported, Relay(feed_url, min(max(freshness, 1.0), 10.0)), freshness)
    follower.start(_FIRST_SECONDS)
    return Node(follower, AudienceKeys(exported), settings or Settings())
