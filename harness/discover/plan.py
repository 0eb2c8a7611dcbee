"""What a run is told at its beginning, and where it has to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.llm.account import Budget

if TYPE_CHECKING:
    from harness.llm.account import Usage

#: The burn-in of the DiscoPOP paper (arXiv 2406.08414).
BURN_IN = ("dpo", "slic", "ipo", "kto_pair")


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
        return {
            "seed": self.seed,
            "contract": self.contract,
            "resamples": self.resamples,
            "tune": self.tune,
            "burn_in": list(self.burn_in),
            "shown": self.shown,
            "lessons": self.lessons,
        }

    def loose(self) -> dict[str, object]:
        """What the head holds too, and a resumed run takes from it unless it is told otherwise."""
        return {
            "spec": self.proposer,
            "generations": self.generations,
            "patience": self.patience,
            "confirm": self.confirm,
        }
