"""The targets: what reads bytes of strangers, by name. Each takes any bytes, and raises only what is a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tests.fuzz import connections, files, identities, parties, tokens, words

Target = Callable[[bytes], None]

_TARGETS: tuple[Target, ...] = (
    tokens.binary, tokens.text, tokens.json, tokens.identifier, tokens.pieces, tokens.changed, tokens.narrowed,
    tokens.discharged, tokens.attenuated, tokens.displayed,
    words.predicate, words.item, words.path, words.number, words.network, words.time, words.opaque, words.words,
    connections.facts, connections.lengths, connections.body, connections.form, connections.cookie,
    connections.environ, connections.service,
    files.settings, files.shares, files.exported, files.profiles, files.user_line, files.log_line, files.phc,
    files.name,
    identities.id_token, identities.key_set,
    parties.address, parties.answer, parties.ticket, parties.sealed, parties.date, parties.page,
)  # fmt: skip

TARGETS: Mapping[str, Target] = MappingProxyType({each.__name__: each for each in _TARGETS})
assert len(TARGETS) == len(_TARGETS), "two targets of one name"
