"""The gate for effects of single prompts: valid at every look, and about one trained model only.

An effect is a number in [-1, 1] for one prompt: +1 where a judge prefers the candidate's model in both orders, -1 where
it prefers the baseline's, or a difference of rewards. The gate may look after each prompt, and the prompts may come in
any order; with probability 1 - alpha it never decides wrongly, however often it looked. That says nothing about another
training run: whether the *loss* is better is asked with seeds as the unit (`harness.ladder.gate`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.ladder.e_process import by_bets, interval_by_bets
from harness.ladder.gate_message import comparison, falls_short, left_open, suffices
from harness.ledger.records import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.core.verdict import Json


@dataclass(frozen=True)
class PromptGate:
    """Promote where the mean effect is above -margin, reject where it is below, each with error `alpha` / 2.

    `most` is the number of prompts after which there are no more; `undecided` says what follows when they leave it
    open. `metric` names the effect and `against` the baseline, for the sentence.
    """

    margin: float
    alpha: float
    most: int
    undecided: str = "reject"
    metric: str = "preference"
    against: str = "the baseline"

    def decide(self, effects: Sequence[float] | NDArray[np.float64]) -> Decision | None:
        """The decision on the effects so far, or None while it is open and more prompts are to come.

        Raises ValueError for an effect outside [-1, 1], and for a margin that is not within -1 and 1.
        """
        values = np.asarray(effects, dtype=np.float64)
        for_it = by_bets(values, -self.margin)
        against_it = by_bets(-values, self.margin)
        needed = 2.0 / self.alpha
        # What was enough once stays enough: the guarantee is about ever crossing.
        crossed = _first(for_it, needed), _first(against_it, needed)
        if not len(values) or (min(crossed) > len(values) and len(values) < self.most):
            return None
        low, high = interval_by_bets(values, self.alpha)
        found, confidence = (float(values.mean()), low, high), 1.0 - self.alpha
        told = comparison(
            self.metric,
            self.against,
            found,
            confidence=confidence,
            units=f"{len(values)} prompts of one trained model",
        )
        detail: dict[str, Json] = {
            "metric": self.metric,
            "prompts": len(values),
            "difference": float(values.mean()),
            "low": low,
            "high": high,
            "margin": self.margin,
            "against": self.against,
            "alpha": self.alpha,
            "evidence_for": float(for_it.max()),
            "evidence_against": float(against_it.max()),
        }
        if crossed[0] < crossed[1]:
            return Decision("promote", f"{told}: {suffices(self.margin, self.against, confidence, found)}", detail)
        if crossed[1] < crossed[0]:
            return Decision("reject", f"{told}: {falls_short(self.margin, self.against, confidence)}", detail)
        end = left_open(self.margin, self.against, self.undecided, "prompt")
        return Decision(self.undecided, f"{told}: {end}", detail)


def _first(evidence: NDArray[np.float64], needed: float) -> int:
    """How many prompts it took to get there; one more than there are where it never did."""
    reached = np.flatnonzero(evidence >= needed)
    return int(reached[0]) + 1 if reached.size else evidence.size + 1
