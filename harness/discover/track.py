"""What a run knows of itself: one row for each attempt, what was spent, where it is. Derived from the journal alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from harness.discover.archive import Archive
from harness.discover.proposers.base import Known, Outcome
from harness.llm.account import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Json
    from harness.discover.templates import Pull


@dataclass(frozen=True)
class Row:
    """One attempt and what came of it. `reply` is the reply's class, `code` the candidate's text fit to be shown.

    `fate` and the scores are those of `Outcome`; `answer` is what the proposer was told, `told` the same in short.
    `same_as` is the id of the loss of this run that is the same function.
    """

    generation: int
    attempt: int
    template: str
    reply: str
    fate: str
    rung: str
    name: str = ""
    id: str = ""
    code: str = ""
    told: str = ""
    answer: str = ""
    rules: tuple[str, ...] = ()
    score: float | None = None
    low: float | None = None
    high: float | None = None
    gain: float | None = None
    place: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    learning: tuple[tuple[int, float], ...] = ()
    parents: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    run: int = 0
    answered: bool = False
    same_as: str = ""

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Row:
        """A row as the journal has it."""
        values = {key: value for key, value in entry.items() if key in cls.__dataclass_fields__}
        for key in ("score", "low", "high", "gain"):
            values[key] = None if values[key] is None else float(values[key])  # infinities are words there
        for key in ("rules", "parents"):
            values[key] = tuple(values[key])
        values["metrics"] = {key: float(value) for key, value in values["metrics"].items()}
        values["learning"] = tuple((int(step), float(value)) for step, value in values["learning"])
        return cls(**values)

    def entry(self) -> dict[str, Any]:
        """The row as the journal keeps it."""
        return asdict(self)

    def known(self) -> Known | None:
        """The loss, where it was measured."""
        if self.score is None or self.low is None or self.high is None:
            return None
        return Known(
            id=self.id,
            name=self.name,
            code=self.code,
            score=self.score,
            low=self.low,
            high=self.high,
            metrics=self.metrics,
            facts=self.facts,
            gain=self.gain,
            place=self.place,
            learning=self.learning,
            generation=self.generation,
            parents=self.parents,
        )

    def outcome(self, note: Json) -> Outcome:
        """What the proposer is told."""
        return Outcome(
            generation=self.generation,
            attempt=self.attempt,
            fate=self.fate,
            told=self.answer,
            id=self.id,
            rung=self.rung,
            score=self.score,
            low=self.low,
            high=self.high,
            gain=self.gain,
            place=self.place,
            metrics=self.metrics,
            facts=self.facts,
            rules=self.rules,
            same_as=self.same_as,
            note=note,
        )


@dataclass(frozen=True)
class Duel:
    """The best loss against baselines on seeds that nothing was chosen by; values by seed.

    `against` has those of the ladder's baseline and of `best`, the best baseline: the one of the burn-in that stands
    highest, or the ladder's own where none of them stands above it.
    """

    id: str
    seeds: tuple[int, ...]
    own: tuple[float, ...]
    against: Mapping[str, tuple[float, ...]]
    best: str


@dataclass
class Track:
    """A run so far. `doing` is for the display; `uncertain` counts calls that a kill left without an answer."""

    archive: Archive = field(default_factory=Archive)
    burn_in: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    pulls: list[Pull] = field(default_factory=list)
    spent: Usage = field(default_factory=Usage)
    gpu_seconds: float = 0.0
    asking_seconds: float = 0.0
    uncertain: int = 0
    generation: int = 0
    attempt: int = 0
    template: str = ""
    doing: str = ""
    ended: str = ""
    duel: Duel | None = None

    @property
    def kinds(self) -> Counter[str]:
        """Replies by class."""
        return Counter(row.reply for row in self.rows)

    def deaths(self) -> Counter[str]:
        """Proposals by where they ended; those that came to the top under "measured"."""
        out: Counter[str] = Counter()
        for row in self.rows:
            if row.fate in {"measured", "known", "undecided"}:
                out[row.fate] += 1
            else:
                out["reading" if row.fate == "unreadable" else row.rung] += 1
        return out

    def seconds(self) -> dict[str, float]:
        """What was spent at each rung, by everything that was judged, in seconds."""
        out: dict[str, float] = {}
        for row in [*self.burn_in, *self.rows]:
            for rung, seconds in row.seconds.items():
                out[rung] = out.get(rung, 0.0) + seconds
        return out

    def unique_name(self, wanted: str) -> str:
        """A name that no loss of the archive has."""
        taken = {loss.name for loss in self.archive.known}
        names = [wanted, *(f"{wanted}_{number}" for number in range(2, len(taken) + 3))]
        return next(name for name in names if name not in taken)
