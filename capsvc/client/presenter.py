"""The presenter: holds a token, and writes for one request after another the header that presents a copy."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from capsvc.client.binding import WINDOW_SECONDS, bind_request
from capsvc.client.clock import Clocks
from capsvc.client.origin import Origin, origins_of
from caveats import decode, encode
from caveats.wire import format_of

_REFUSED = (401, 403)
_CLOCK = re.compile(r'error_description="(?:expired|unbound)"')


class Presenter:
    """What the authentication classes share. Its token goes to its origins alone, and only as bound copies."""

    def __init__(
        self,
        token: str,
        origins: str | Collection[str],
        discharges: Collection[str],
        bind_body: bool,
        window: int,
        clocks: Clocks | None,
    ) -> None:
        decode(token)
        if not 1 <= window <= WINDOW_SECONDS:
            raise ValueError(f"a window is 1 to {WINDOW_SECONDS} seconds")
        self._token = token
        self._discharges = [(decode(each), format_of(each)) for each in discharges]
        self._origins = origins_of(origins)
        self._window = window
        self._clocks = clocks or Clocks()
        self.binds_body = bind_body

    def serves(self, url: str) -> bool:
        """Tell whether the token may go to the origin of a URL."""
        try:
            return Origin.of(url) in self._origins
        except ValueError:
            return False

    def authorization(
        self, url: str, method: str, host: str, path: bytes, query: bytes, body: bytes | str | None
    ) -> str:
        """Write the Authorization header of one request: a copy bound to it, with its discharges bound to that."""
        origin = Origin.of(url)
        bound = bind_request(
            self._token, method, host, path, query, body if self.binds_body else None, self._clocks.now(origin),
            self._window, scheme=origin.scheme,
        )  # fmt: skip
        if not self._discharges:
            return f"Bearer {bound}"
        narrowed = decode(bound)
        return f"Macaroon {','.join([bound, *(encode(narrowed.bind(each), how) for each, how in self._discharges)])}"

    def sees_other_time(self, url: str, status: int, challenge: str, date: str | None) -> bool:
        """Tell, of an answer, whether it refused a copy for its time and has just taught us the right one."""
        return status == _REFUSED[0] and bool(_CLOCK.search(challenge)) and self._clocks.learn(Origin.of(url), date)

    def is_stale(self, status: int, urls: Iterable[str]) -> bool:
        """Tell whether an answer that came by a redirect may be asked for again with a copy of its own.

        ``urls`` are all that the way led over: where one of them is somebody else's, it was perhaps he who
        chose what to ask for in our name.
        """
        return status in _REFUSED and all(map(self.serves, urls))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {len(self._origins)} origins>"
