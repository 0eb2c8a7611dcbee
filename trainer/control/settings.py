"""What the control task is set up with: sizes, environment, preference sets, training."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.protocol.job import ANY, COUNT, SHARE, Declared, StepError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Setting

#: The preference sets, in the order in which they are shown. `expert` (expert over reference) is an axis of its own:
#: its log-ratios reach hundreds of nats, and every contrastive loss saturates on it.
SETS = ("on_policy", "noisy", "mixed", "expert")
#: The metric of the short training that comes first.
QUICK = "quick"


@dataclass(frozen=True)
class Settings:
    """Sizes of the task. Steps are the environment's; rates are Adam's; betas are per nat.

    `segment` is the length of the trajectories that are compared, `horizon` that of the episodes that are scored.
    `lead_in` lets the medium controller act for up to so many steps before a segment begins, so that the segments of
    a long episode do not all lie at its start. `noise` is the SD of the controllers' actions in units of the action's
    bound. `quick_steps` = 0 leaves the quick gate out; a quick training that scores below `quick_least` is the last.
    """

    environment: str = "Reacher-v5"
    prompts: int = 1000
    segment: int = 50
    horizon: int = 50
    lead_in: int = 0
    bins: int = 11
    bound: float = 0.5
    hidden: int = 64
    noise: float = 0.2
    clone_steps: int = 1500
    flipped: float = 0.3
    sets: tuple[str, ...] = ("on_policy", "noisy", "mixed")
    betas: tuple[float, ...] = (0.1, 0.3, 1.0)
    steps: int = 500
    batch: int = 32
    rate: float = 3e-4
    clip: float = 1.0
    quick_steps: int = 200
    quick_beta: float = 0.3
    quick_least: float = 0.03
    evaluations: int = 128
    search_steps: int = 200

    @classmethod
    def of(cls, given: Mapping[str, Setting]) -> Settings:
        """Take a job's settings. A list of words may be written as one text with commas.

        Raises StepError (the user's) for a name that is not known and for a value that cannot be.
        """
        fields = {f.name: f for f in dataclasses.fields(cls)}
        if unknown := sorted(set(given) - set(fields)):
            raise StepError(
                f"the control task has no setting {unknown[0]!r}", fault="user", remedy=f"one of {', '.join(fields)}"
            )
        try:
            settings = cls(**{name: _as(fields[name].default, value) for name, value in given.items()})
        except (TypeError, ValueError) as error:
            raise StepError(f"a setting of the control task is wrong: {error}", fault="user") from error
        return settings

    def declared(self) -> Declared:
        """What is measured. A quick training that learned nothing is the last, and has few metrics."""
        early = {"score": ANY, "worst": ANY, "finite": SHARE}
        late = {f"score_{name}": ANY for name in self.sets}
        late |= {f"score_{name}_beta_{plain(beta)}": ANY for name in self.sets for beta in self.betas}
        late |= {"sd": COUNT, "accuracy": SHARE, "kl": COUNT, "drift": ANY, "overoptimised": SHARE}
        if not self.quick_steps:
            return Declared(early | late)
        only_where = dict.fromkeys(late, (QUICK, self.quick_least))
        return Declared(early | {QUICK: ANY} | late, only_where=only_where)

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        counts = "prompts segment horizon hidden clone_steps steps batch evaluations search_steps"
        for name in counts.split():
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be at least 1")
        for name in ("bound", "noise", "rate", "clip", "quick_beta", *(f"betas[{i}]" for i in range(len(self.betas)))):
            value = self.betas[int(name[6:-1])] if name.startswith("betas") else getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} has to be a positive number, and is {value}")
        if not self.betas or not self.sets or set(self.sets) - set(SETS):
            raise ValueError(f"sets are some of {', '.join(SETS)}, and there is at least one beta")
        if len(set(self.sets)) < len(self.sets) or len(set(self.betas)) < len(self.betas):
            raise ValueError("a set and a beta is named once")
        if not math.isfinite(self.quick_least):
            raise ValueError(f"quick_least has to be a finite number, and is {self.quick_least}")
        if not 0 <= self.flipped <= 1 or self.bins < 2 or self.lead_in < 0 or self.quick_steps < 0:
            raise ValueError("flipped lies between 0 and 1, there are two bins at least, and no count is negative")


def plain(beta: float) -> str:
    """A beta in a metric's name."""
    return f"{beta:g}".replace(".", "_")


#: What `prepare` does not look at: data made with other values of these are the same data.
TRAINING_ONLY = frozenset(
    {"sets", "betas", "steps", "batch", "rate", "clip", "quick_steps", "quick_beta", "quick_least"}
)


def _as(example: Any, value: Setting) -> Any:
    if isinstance(example, tuple):
        parts = value.split(",") if isinstance(value, str) else value if isinstance(value, tuple) else (value,)
        return tuple(_as(example[0], part.strip() if isinstance(part, str) else part) for part in parts)
    if isinstance(value, bool) or (isinstance(example, str) is not isinstance(value, str)):
        raise ValueError(f"{value!r} stands where something like {example!r} is due")
    if isinstance(example, int) and isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value!r} has to be a whole number")
    return type(example)(value)
