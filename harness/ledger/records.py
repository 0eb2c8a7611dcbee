"""What the ledger hands out, as plain frozen values; and the states of a run with the ways between them.

A run is one candidate on its way up the ladder of one profile. This is the one place that says what may follow what.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.core.verdict import Json


class State(StrEnum):
    """Where a run stands."""

    #: Waits for a worker; perhaps not before a certain time, after a fault of ours.
    QUEUED = "queued"
    #: A worker holds the lease.
    RUNNING = "running"
    #: A gate asks for a person before the next rung.
    HELD = "held"
    #: Climbed every rung of its profile.
    COMPLETED = "completed"
    #: The candidate's fault, or a gate said no.
    REJECTED = "rejected"
    #: Answered from the ledger: the same function, in these or in other words, has a run already.
    DUPLICATE = "duplicate"
    #: A fault of ours that was still there after the last attempt. Nothing is known of the candidate.
    FAILED = "failed"
    #: A person took it out.
    CANCELLED = "cancelled"


#: What may follow each state.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset(
        {
            State.QUEUED,
            State.HELD,
            State.COMPLETED,
            State.REJECTED,
            State.DUPLICATE,
            State.FAILED,
            State.CANCELLED,
        }
    ),
    State.HELD: frozenset({State.QUEUED, State.REJECTED, State.CANCELLED}),
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED}),
    #: A person wants it run again.
    State.COMPLETED: frozenset({State.QUEUED}),
    State.REJECTED: frozenset({State.QUEUED}),
    #: As these, and where a person took the run out that was to answer for it.
    State.DUPLICATE: frozenset({State.QUEUED}),
}
#: Nothing more happens by itself.
FINAL = frozenset({State.COMPLETED, State.REJECTED, State.DUPLICATE, State.FAILED, State.CANCELLED})


def sources(after: State) -> tuple[State, ...]:
    """The states from which a run may come to this one."""
    return tuple(state for state, following in TRANSITIONS.items() if after in following)


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
    function: str | None
    alone: bool
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
        value = float(self.value)  # numpy's numbers are spelt otherwise
        return (value, "") if math.isfinite(value) else (None, repr(value))


@dataclass(frozen=True)
class Decision:
    """What a gate said about one rung: "promote" or "reject", why, and the figures behind it."""

    decision: str
    reason: str
    detail: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a word that nobody would act on."""
        if self.decision not in {"promote", "reject"}:
            raise ValueError(f"a gate promotes or rejects, and does not {self.decision!r}")


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


def clean(text: str) -> str:
    """A text that every database keeps: no NUL, and no half of a character. Candidates have a say in some of them."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def plain(value: object) -> Json:
    """A document as strict JSON has it: NaN and infinities as the words "nan", "inf" and "-inf", no half characters.

    Raises TypeError for what is not JSON: the ledger keeps no objects.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"a key of a document is a text, and not {odd[0]!r}")
        return {clean(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not JSON")
