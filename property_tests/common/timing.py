"""How long a call takes of the candidate's own time, whatever else the host has to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.oracle.overdue import FREE, host_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.oracle.oracle import Oracle


def too_slow(oracle: Oracle, ask: Callable[[int], object], *, allowed: float, tries: int) -> str:
    """Ask twice `tries` times, by number: why the best is more than `allowed` seconds, empty where it is not.

    Always as often, however quick: how many calls a candidate had is no matter of how busy the host was, and the report
    is the same each time. The clock says at most how much of a processor was used. Where it says too much, the engine
    is asked what the sandbox used; only a host that is free makes the time of a candidate that waits its own.
    """
    free, quick = True, False
    for number in range(tries):
        started = time.perf_counter()
        ask(number)
        if time.perf_counter() - started <= allowed:
            quick = True
        else:
            free = free and host_share() >= FREE
    before = None if quick else oracle.cpu()
    for number in range(tries, 2 * tries):
        ask(number)
    if quick:
        return ""
    after = oracle.cpu()
    if before is not None and after is not None and after - before > tries * allowed:
        return f"takes more than {allowed:g} s of a processor"
    return f"takes more than {allowed:g} s, and most of it waits" if free and host_share() >= FREE else ""
