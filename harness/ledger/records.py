"""What the ledger hands out, as plain frozen values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.ledger.states import State
    from harness.verdict import Json


@dataclass(frozen=True)
class Run:
    """One candidate on its way up one profile's ladder. Times are seconds since 1970, by the database's clock."""

    id: int
    candidate: str
    name: str
    path: str
    profile: str
    profile_digest: str
    state: State
    rung: int
    needs: str
    priority: int
    attempt: int
    faults: int
    owner: str | None
    lease: float | None
    not_before: float
    approved: int
    reason: str
    same_as: int | None
    fingerprint: str | None
    submitted: float
    changed: float


@dataclass(frozen=True)
class Claim:
    """A worker's hold on a run: `attempt` is the fencing token that everything it writes is checked against."""

    run: Run
    attempt: int
    owner: str
    slot: str


@dataclass(frozen=True)
class Score:
    """One metric of one rung for one seed; `value` may be NaN or infinite."""

    seed: int
    metric: str
    value: float

    def stored(self) -> tuple[float | None, str]:
        """As databases keep it: NaN and infinities as words."""
        return (self.value, "") if math.isfinite(self.value) else (None, repr(self.value))


@dataclass(frozen=True)
class Decision:
    """What a gate said about one rung: "promote", "reject" or "hold", why, and the figures behind it."""

    decision: str
    reason: str
    detail: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Something that happened to a run."""

    time: float
    kind: str
    detail: Mapping[str, Json]


@dataclass(frozen=True)
class Submission:
    """What became of a submission: `fresh` is false where the run was there already."""

    run: int
    fresh: bool
