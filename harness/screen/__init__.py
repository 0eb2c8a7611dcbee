"""The screen: it reads a candidate, never executes it, and makes the program that the sandbox gets.

A courtesy and a first layer: what it refuses, it explains with a line and a way out. It is never the
boundary. The parser runs in a process of its own, because a parser can be made to die; that process imports
this package as well, and nothing of the host's half, which would double the time of its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.core.candidate import Candidate
    from harness.core.program import Program

__all__ = ["screen"]


def screen(
    candidate: Candidate,
    *,
    entry: str | None = None,
    policy: bool = True,
    contract: str = "preference",
    binding: str = "names",
) -> Program:
    """Give the program of a candidate; see `harness.screen.front.screen`."""
    from harness.screen import front  # noqa: PLC0415 - see above

    return front.screen(candidate, entry=entry, policy=policy, contract=contract, binding=binding)
