"""A run: what it is told at its beginning, where it has to stop, and what it knows of itself.

That is one row for each attempt, what was spent, where it is; derived from the journal alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from harness.discover.archive import Archive
from harness.discover.proposers import Known, Outcome
from harness.ledger.records import plain
from harness.llm.account import Budget, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Json
    from harness.discover.templates import Pull


#: The burn-in of the DiscoPOP paper (arXiv 2406.08414).
BURN_IN = ("dpo", "slic", "ipo", "kto_pair")
#: The losses that a search for classification begins with, the baseline first.
CLASSIFICATION_BURN_IN = ("cross_entropy", "label_smoothing", "squared_error")


@dataclass(frozen=True)
class Plan:
    """A run's settings. Those of `fixed` may not change when it is resumed; the others say how far it goes.

    `proposer` is how it was spelt on the command line. `resamples` is how often a failed proposal is sent back with its
    findings. `patience` ends the run after so many generations without a better loss (0: never). `confirm` is the
    number of fresh seeds on which the best loss meets the baseline at the end. `shown` losses of the archive and
    `lessons` failures go into a context. `gpu_hours` counts climbs of ladders that need a
    GPU (None: it does not matter).
    """

    generations: int
    proposer: str = ""
    seed: int = 0
    contract: str = "preference"
    resamples: int = 3
    patience: int = 0
    tune: bool = False
    burn_in: tuple[str, ...] = BURN_IN
    confirm: int = 8
    shown: int = 6
    lessons: int = 4
    budget: Budget = field(default_factory=Budget)
    gpu_hours: float | None = None

    def over(self, spent: Usage, gpu_seconds: float) -> str:
        """What is used up of the budgets, in words; empty while nothing is. Raises UserError as `Budget.over`."""
        over = self.budget.over(spent)
        if not over and self.gpu_hours is not None and gpu_seconds / 3600.0 >= self.gpu_hours:
            return f"the budget of {self.gpu_hours:g} GPU hours is used up"
        return over

    def fixed(self) -> dict[str, object]:
        """What the journal's head holds, and a resumed run has to have again."""
        kept = ("seed", "contract", "resamples", "tune", "burn_in", "shown", "lessons")
        return {key: plain(getattr(self, key)) for key in kept}

    def loose(self) -> dict[str, object]:
        """What the head holds too, and a resumed run takes from it unless it is told otherwise."""
        return {key: getattr(self, key) for key in ("generations", "patience", "confirm")}


def shared(one: object, kind: type[Any]) -> dict[str, Any]:
    """What a record says under the names of another kind's fields, which mean the same in both."""
    return {each.name: getattr(one, each.name) for each in fields(kind) if hasattr(one, each.name)}


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
        return Known(**shared(self, Known))

    def outcome(self, note: Json) -> Outcome:
        """What the proposer is told."""
        return Outcome(**{**shared(self, Outcome), "told": self.answer, "note": note})


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
