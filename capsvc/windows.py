"""Moving windows: when things happened, by key, in memory that is bounded whatever comes.

A storage for the ``limits`` library. Its own in memory never forgets the key of a moving window, and looks
through all of them on a thread, a hundred times a second: 90 ms each time for 20,000 keys.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from zlib import crc32

from limits.storage import MovingWindowSupport, Storage

KEYS = 20_000
"""So many keys have a window of their own."""

SHARED = 1024
"""So many windows are shared by all keys beyond."""


class Windows(Storage, MovingWindowSupport):
    """The windows of one kind, all ``span`` seconds long; ``clock`` tells seconds and never goes back.

    A key is forgotten once nothing in its window counts any more. When there are too many, new ones share
    windows: what is turned away then is too much, never too little.
    """

    STORAGE_SCHEME = None

    def __init__(self, span: float, clock: Callable[[], float], keys: int = KEYS, shared: int = SHARED) -> None:
        super().__init__()
        self._span = span
        self._clock = clock
        self._keys = keys
        self._sharing = shared
        self._own: dict[str, array[float]] = {}  # the key in whose window something happened last stands last
        self._shared: dict[int, array[float]] = {}

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count that something happened, unless it has happened ``limit`` times already."""
        window = self._window(key)
        if len(window) + amount > limit:
            return False
        window.extend([self._clock()] * amount)
        if self._own.pop(key, None) is not None or not self._is_full():
            self._own[key] = window
        else:
            self._shared[self._place(key)] = window
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return when the first thing happened that still counts (now, if nothing does), and how many do."""
        window = self._window(key)
        return (window[0] if window else self._clock()), len(window)

    def give_back(self, key: str) -> None:
        """Take one thing back that was counted."""
        window = self._window(key)
        if window:
            window.pop()
            if not window:
                self._own.pop(key, None)

    def __len__(self) -> int:
        """How many keys have a window of their own."""
        return len(self._own)

    def _window(self, key: str) -> array[float]:
        """The window of a key, without what does not count any more; a new one where there is none."""
        window = self._own.get(key)
        if window is None:
            window = (self._shared.get(self._place(key)) if self._is_full() else None) or array("d")
        del window[: bisect_right(window, self._clock() - self._span)]
        return window

    def _is_full(self) -> bool:
        """Tell whether there are as many keys as may be, after those are forgotten in whose windows nothing counts."""
        oldest = self._clock() - self._span
        while self._own:
            key = next(iter(self._own))
            window = self._own[key]
            if window and window[-1] > oldest:
                break
            del self._own[key]
        return len(self._own) >= self._keys

    def _place(self, key: str) -> int:
        return crc32(key.encode()) % self._sharing

    def clear(self, key: str) -> None:
        """Forget the window of a key."""
        self._own.pop(key, None)

    def reset(self) -> int:
        """Forget everything; return how many keys had a window."""
        count = len(self._own)
        self._own.clear()
        self._shared.clear()
        return count

    def check(self) -> bool:
        """Tell that memory is there."""
        return True

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What goes wrong in a storage elsewhere, and nothing here."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Refuse: this is of fixed windows, as are the next two."""
        raise NotImplementedError("these windows move")

    def get(self, key: str) -> int:
        """Refuse."""
        raise NotImplementedError("these windows move")

    def get_expiry(self, key: str) -> float:
        """Refuse."""
        raise NotImplementedError("these windows move")
