"""What the ledger hands out, as plain frozen values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.ledger.states import State


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
