"""Constants tuned by CMA-ES, one proposal at a time: what the ladder says of one decides where the next is drawn.

A task is plain data: where it began, its seed, and what came of each draw. The optimizer is built anew from them
whenever the next draw is wanted, so a task that was saved and restored goes on to the bit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from cmaes import CMA
from pydantic import BaseModel, ConfigDict, Field

from harness.discover.evolve.tree import Node, places, read_tree, with_places

if TYPE_CHECKING:
    from harness.discover.proposers import Outcome

#: Most constants that are tuned at once: with more, the proposals that one task may cost say little.
MOST_CONSTANTS = 8
#: CMA-ES generations that a task is given.
_GENERATIONS = 4
#: Its first standard deviation, in each range's own measure.
_SIGMA = 0.2
#: A rung that was passed outweighs any gain.
_RUNG = 100.0
#: What a draw is worth that was not handed in, since it would have been refused: worse than all others.
REFUSED = _RUNG


class Task(BaseModel):
    """The tuning of one tree. `values` holds what came of each draw (smaller is better), None where nothing did.

    `parent` is the id of the loss that it began with.
    """

    model_config = ConfigDict(extra="forbid")
    tree: list[Any]
    parent: str
    seed: int = Field(ge=0, lt=2**32)
    values: list[float | None] = []

    def next(self) -> Node | None:
        """The next draw; None where the task has used up what it was given."""
        base = read_tree(self.tree)
        start = np.array(places(base))
        optimizer = CMA(
            mean=start,
            sigma=_SIGMA,
            bounds=np.array([[0.0, 1.0]] * len(start)),
            seed=self.seed,
        )
        told: list[tuple[np.ndarray, float]] = []
        rounds = 0
        for value in self.values:
            drawn = optimizer.ask()
            if value is None:
                continue
            told.append((drawn, value))
            if len(told) == optimizer.population_size:
                optimizer.tell(told)
                told, rounds = [], rounds + 1
        # Draws that nothing came of count too, or a task whose range holds nothing new would never end.
        spent = len(self.values) >= 2 * _GENERATIONS * optimizer.population_size
        if rounds >= _GENERATIONS or spent or optimizer.should_stop():
            return None
        return with_places(base, [float(place) for place in optimizer.ask()])

    def told(self, value: float | None) -> None:
        """What came of the last draw."""
        self.values.append(value)


def tunable(tree: Node) -> bool:
    """Whether a tree has constants, and no more than can be tuned."""
    return 0 < len(places(tree)) <= MOST_CONSTANTS


def value_of(outcome: Outcome) -> float | None:
    """An outcome as CMA-ES is told it: by rungs, then by gain, the smaller the better. None for what says nothing."""
    if outcome.fate == "undecided":
        return None
    if outcome.score is None:
        return 0.9 * REFUSED - outcome.place
    gain = outcome.gain if outcome.gain is not None and math.isfinite(outcome.gain) else -_RUNG / 2
    return -_RUNG * outcome.place - min(max(gain, -_RUNG / 2), _RUNG / 2)
