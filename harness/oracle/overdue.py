"""Whose time it was: of a request that has gone on for longer than it may.

Time is the candidate's where its own processor says so, which the engine measures from outside. Where the host is free,
time that goes by is the candidate's too: it waits for something. On a busy host neither is known: nobody is at fault.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CANDIDATE, HOST, NOBODY = "candidate", "host", ""
#: Share of a processor that whoever wants one gets on a host that is free.
FREE = 0.75
#: So much processor time is taken to find the share, in seconds.
_TASTE = 0.02


def host_share() -> float:
    """Which share of a processor this process gets when it wants one, from 0 to 1."""
    started, used = time.perf_counter(), time.thread_time()
    while time.thread_time() - used < _TASTE:
        pass
    return min(1.0, _TASTE / max(time.perf_counter() - started, 1e-9))


class Overdue:
    """A request that was allowed `allowed` seconds and has had them by the clock; asked from time to time.

    It ends as the candidate's where `allowed` seconds of processor were used, or went by once more on a free host, and
    as the host's where it took `patience` times as long by the clock.
    """

    def __init__(
        self,
        allowed: float,
        patience: float,
        *,
        clock: Callable[[], float] | None = None,
        share: Callable[[], float] | None = None,
    ) -> None:
        self._allowed, self._patience = allowed, patience
        self._clock, self._share = clock or time.monotonic, share or host_share
        self._since = self._last = self._clock()
        self._first: float | None = None
        self._free = 0.0

    def whose(self, used: float | None, least: float) -> str:
        """Whose time it was; NOBODY's as long as that is open.

        `used` is what the sandbox has used of its processor in all, in seconds, None where nobody can tell; `least` is
        what it has used for this request at the least.
        """
        if used is not None:
            self._first = used if self._first is None else self._first
            if max(least, used - self._first) >= self._allowed:
                return CANDIDATE
        free, now = self._share() >= FREE, self._clock()
        self._free += now - self._last if free else 0.0
        self._last = now
        if self._free >= self._allowed:
            return CANDIDATE
        return HOST if now - self._since >= self._allowed * (self._patience - 1.0) else NOBODY
