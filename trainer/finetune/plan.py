"""Which pairs come when: the whole order of a training, made beforehand from its seed."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.core.digests import json_digest

if TYPE_CHECKING:
    from harness.trainer.finetune.settings import Settings


@dataclass(frozen=True)
class Plan:
    """`order` holds the index of every pair in the order of training, `rows` of them for each optimizer step.

    `steps` are all steps of the training, `begun` those that a checkpoint has already, `warmup` the first ones in
    which the rate grows.
    """

    order: tuple[int, ...]
    rows: int
    warmup: int
    begun: int = 0

    @property
    def steps(self) -> int:
        """All steps of the training."""
        return len(self.order) // self.rows

    @property
    def left(self) -> int:
        """Steps that are still to be taken."""
        return self.steps - self.begun

    @property
    def rest(self) -> tuple[int, ...]:
        """Indices of the pairs that are still to come."""
        return self.order[self.begun * self.rows :]

    def progress(self, taken: int) -> float:
        """The training fraction, from 0 to 1, when `taken` steps were taken since the training went on."""
        return min((self.begun + taken) / self.steps, 1.0)


def plan(pairs: int, settings: Settings, seed: int) -> Plan:
    """Each epoch is a new shuffle of all pairs; what does not fill a step at the end is left out."""
    draw = random.Random(seed)  # noqa: S311 - a draw that can be repeated, nothing secret
    rows = settings.step_pairs
    wanted = int(pairs * settings.epochs)
    order: list[int] = []
    while len(order) < wanted:
        epoch = list(range(pairs))
        draw.shuffle(epoch)
        order += epoch
    steps = wanted // rows
    return Plan(tuple(order[: steps * rows]), rows, math.ceil(settings.warmup * steps))


def identity(settings: Settings, key: dict[str, str], seed: int, ranks: int) -> str:
    """SHA-256 of what a training depends on besides its loss: a checkpoint of another one is no use."""
    what = {"settings": asdict(settings), "key": key, "seed": seed, "ranks": ranks}
    return json_digest(what)
