"""Settings: from ``CAPSVC_*`` in the environment, else from ``capsvc.toml`` in the home, else defaults.

Everything is checked at start, and what is wrong is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from capsvc.errors import SettingsError
from capsvc.identity.issuer import Issuer, check_issuers
from capsvc.names import RESERVED_AUDIENCES, check_audiences
from caveats import BUILTIN, DECLARABLE, Limits, Vocabulary
from caveats.encoding import HALF_CHARACTER
from caveats.predicate import printable

FILE_NAME = "capsvc.toml"
DEFAULT_HOME = "var"
_PREFIX = "CAPSVC_"
_LISTS = ("trusted_proxies", "exported_audiences")
_ONLY_IN_THE_FILE = ("vocabulary", "identity")
_DAY = 24 * 3600
_OWASP_MEMORY_KIB = 19456
_OWASP_TIME = 2

Seconds = Annotated[int, msgspec.Meta(ge=1, le=3650 * _DAY)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of one installation. Lengths are in bytes or characters, spans in seconds."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8000
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    url: str = ""
    """The public URL, the location in what is minted; empty for ``http://host:port``."""

    audience: str = ""
    """The audience that ``/v1/auth`` and ``/v1/verify`` accept; empty for none."""

    exported_audiences: tuple[str, ...] = ()
    """The audiences whose keys may be exported: each has a feed of changes, and its tokens take nothing back here."""

    store: str = ""
    """The address of a PostgreSQL database; empty for the SQLite file in the home. May hold a password."""

    freshness: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 5
    """How long after its acknowledgement a revocation may go unseen by a node that follows a PostgreSQL database."""

    lifetime: Seconds = 30 * _DAY
    max_lifetime: Seconds = 30 * _DAY
    max_login_age: Seconds = 90 * _DAY
    clock_skew: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 30
    """At least one second, so that a window begun in the second of a panic began before it."""

    discharge_lifetime: Seconds = 300
    max_discharge_lifetime: Seconds = 3600
    """How long a discharge that this service makes lives, and at most."""

    open_verify: bool = False
    """Whether anybody may ask ``/v1/verify``, without a capability for ``capsvc.verify``."""

    access_log: bool = False
    """Whether each request is a line in the log: its method, route, status and time, and nothing of its address."""

    replay_guard: bool = False
    """Whether the service's own guarded routes take request-bound copies alone, and each of them once."""

    replay_window: Annotated[int, msgspec.Meta(ge=1, le=300)] = 30
    """How far ahead a request-bound copy may expire, beside ``clock_skew``."""

    console_lifetime: Seconds = 8 * 3600
    """How long after a login a session of the console ends, whatever is done in it."""

    console_idle: Seconds = 1800
    """How long a session of the console lasts in which nothing is done."""

    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    forwarded: Literal["X-Forwarded", "X-Original"] = "X-Forwarded"

    argon2_memory_kib: Annotated[int, msgspec.Meta(ge=_OWASP_MEMORY_KIB, le=4 * 1024 * 1024)] = _OWASP_MEMORY_KIB
    argon2_time: Annotated[int, msgspec.Meta(ge=_OWASP_TIME, le=100)] = _OWASP_TIME
    argon2_parallelism: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1

    rate_window: Annotated[int, msgspec.Meta(ge=1, le=_DAY)] = 900
    """Over how many seconds the four below are counted; with several workers each has its share."""

    wrong_passwords: Count = 20
    """How often the password of one user may be wrong from one address (of IPv6, from one /64)."""

    wrong_passwords_by_user: Count = 200
    """How often from everywhere together, before each address has but three tries for that user."""

    wrong_passwords_by_network: Count = 200
    """How often from one address, for all users together."""

    leak_reports: Count = 100
    """How many tokens may be reported as leaked from one address."""

    token_characters: Count = 8192
    header_characters: Count = 16384
    caveats: Count = 64
    discharges: Count = 8
    depth: Count = 4
    body_bytes: Count = 65536
    """How large a JSON body of the service's own routes may be."""

    connections: Count = 4096
    """How many connections a worker has open at most; beyond that those that wait longest make way."""

    head_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1_000_000)] = 65536
    head_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 10
    body_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 30
    send_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 30
    """How long a client may take to send the head and the body of a request, and to take what was answered."""

    idle_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60
    """How long a connection may stay open without a request."""

    identity: tuple[Issuer, ...] = ()
    """Providers whose ID tokens log users in."""

    vocabulary: dict[str, str] = {}
    """An application's own attributes: a name and one of text, tokens, path, number, network."""

    def __repr__(self) -> str:
        return f"<Settings of {self.address}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("address", self.address)]

    @property
    def address(self) -> str:
        """Where this service listens, as a URL."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def limits(self) -> Limits:
        """The caps on what strangers send."""
        return Limits(self.token_characters, self.caveats, self.discharges, self.depth)

    @property
    def words(self) -> Vocabulary:
        """The built-in vocabulary with the application's attributes."""
        return BUILTIN.extend(**{name: DECLARABLE[type] for name, type in self.vocabulary.items()})

    @property
    def skew(self) -> timedelta:
        """The clock skew allowed between nodes."""
        return timedelta(seconds=self.clock_skew)


def load(home: Path, environment: Mapping[str, str]) -> Settings:
    """Read the settings of a home. Raises SettingsError, which names the setting."""
    given = _from_file(home / FILE_NAME)
    names = {field.encode_name: field.type for field in msgspec.structs.fields(Settings)}
    for variable, value in environment.items():
        name = variable.removeprefix(_PREFIX).lower()
        if not variable.startswith(_PREFIX) or name in ("home", "profiles"):
            continue
        if name not in names or name in _ONLY_IN_THE_FILE:
            raise SettingsError(f"{printable(variable)} is not a setting that the environment can give")
        if HALF_CHARACTER.search(value):  # how Python reads bytes that are not UTF-8
            raise SettingsError(f"{variable} is not UTF-8")
        given[name] = [part for part in re.split(r"[,\s]+", value) if part] if name in _LISTS else value
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as wrong:
        raise SettingsError(f"a setting is wrong: {_named(str(wrong))}") from None
    return _checked(settings)


def _from_file(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        raise SettingsError(
            f"{path.parent} is not a directory: set CAPSVC_HOME to a home, or to where one can be made"
        ) from None
    except OSError as wrong:
        raise SettingsError(f"{path} cannot be read: {wrong.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} cannot be read: it is not UTF-8") from None
    except RecursionError:
        raise SettingsError(f"{path} cannot be read: its values are nested too deep") from None
    except ValueError as wrong:
        raise SettingsError(f"{path} cannot be read: {wrong}") from None


def _named(message: str) -> str:
    """Say where msgspec's ``$.port`` comes from."""
    found = re.search(r" - at `\$\.([a-z0-9_]+)(.*)`$", message)
    if not found:
        return message
    if found[1] in _ONLY_IN_THE_FILE:
        return f"{found[1]}{found[2]} in {FILE_NAME}: {message[: found.start()]}"
    return f"{found[1]} ({_PREFIX}{found[1].upper()}, or {found[1]} in {FILE_NAME}): {message[: found.start()]}"


def _checked(settings: Settings) -> Settings:
    if settings.lifetime > settings.max_lifetime:
        raise SettingsError("lifetime is longer than max_lifetime")
    if settings.lifetime > settings.max_login_age:
        raise SettingsError("lifetime is longer than max_login_age")
    if settings.discharge_lifetime > settings.max_discharge_lifetime:
        raise SettingsError("discharge_lifetime is longer than max_discharge_lifetime")
    if settings.url and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", settings.url):
        raise SettingsError("url is like https://caps.example.org, without query")
    if settings.store and not settings.store.startswith(("postgresql://", "postgres://")):
        raise SettingsError("store is like postgresql://user@host/database; leave it out for the file in the home")
    for network in settings.trusted_proxies:
        try:
            ip_network(network)
        except ValueError:
            raise SettingsError(f"trusted_proxies holds {network!r}, which is no network like 10.0.0.0/8") from None
    for name, type in settings.vocabulary.items():
        if type not in DECLARABLE:
            raise SettingsError(f"vocabulary.{name} is one of {', '.join(DECLARABLE)}")
    _demand_ordinary("audience", [settings.audience] if settings.audience else [])
    _demand_ordinary("exported_audiences", settings.exported_audiences)
    try:
        _ = settings.words
    except ValueError as wrong:
        raise SettingsError(f"vocabulary: {wrong}") from None
    check_issuers(settings.identity, settings.words, settings.max_lifetime, settings.caveats)
    return settings


def _demand_ordinary(setting: str, audiences: Sequence[str]) -> None:
    try:
        if not set(check_audiences(audiences)).isdisjoint(RESERVED_AUDIENCES):
            raise ValueError("the reserved ones are for the service's own routes")
    except ValueError as wrong:
        raise SettingsError(f"{setting}: {wrong}") from None
