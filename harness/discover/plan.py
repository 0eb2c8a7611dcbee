"""What a run is told at its beginning, and where it has to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.core.errors import UserError

if TYPE_CHECKING:
    from harness.discover.proposers.base import Usage

#: The burn-in of the DiscoPOP paper (arXiv 2406.08414).
BURN_IN = ("dpo", "slic", "ipo", "kto_pair")


@dataclass(frozen=True)
class Budget:
    """What may be spent; None where it does not matter. `gpu_hours` counts climbs of ladders that need a GPU."""

    tokens: int | None = None
    dollars: float | None = None
    gpu_hours: float | None = None

    def over(self, spent: Usage, gpu_seconds: float) -> str:
        """What is used up, in words; empty while nothing is.

        Raises UserError where money is limited and its price is not known.
        """
        if self.tokens is not None and spent.tokens_in + spent.tokens_out >= self.tokens:
            return f"the budget of {self.tokens} tokens is used up"
        if self.dollars is not None:
            if spent.dollars is None:
                raise UserError("a budget in dollars needs a price", remedy="give --price-in and --price-out")
            if spent.dollars >= self.dollars:
                return f"the budget of {self.dollars:g} dollars is used up"
        if self.gpu_hours is not None and gpu_seconds / 3600.0 >= self.gpu_hours:
            return f"the budget of {self.gpu_hours:g} GPU hours is used up"
        return ""


@dataclass(frozen=True)
class Plan:
    """A run's settings. Those of `fixed` may not change when it is resumed; the others say how far it goes.

    `proposer` is how it was spelt on the command line. `resamples` is how often a failed proposal is sent back with its
    findings. `patience` ends the run after so many generations without a better loss (0: never). `confirm` is the
    number of fresh seeds on which the best loss meets the baseline at the end. `shown` losses of the archive and
    `lessons` failures go into a context.
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
