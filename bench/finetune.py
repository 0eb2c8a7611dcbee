"""The fine-tune's trainer: what the oracle costs it, and what kept reference log-probabilities save it.

Both need what trainings are made with (the extra `train`); the first needs the engine and the sandbox image too. A
small model, 2 layers of width 128, on pairs of drawn tokens, 8 a step, one thread, in float32.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from bench.measure import Figure, ratio

if TYPE_CHECKING:
    from types import ModuleType

STEPS = 20


def step(times: int) -> Figure:
    """A step through the oracle (socket, relay, sandbox) over a step with the same loss in this process.

    The weights after both trainings have to be the same bits, in every turn.
    """
    parts = _parts()
    with parts.world() as world, parts.oracle(world) as oracle:
        inside = parts.in_process()
        sides = (
            ("oracle", lambda: parts.median_step(world, oracle, STEPS)),
            ("in-process", lambda: parts.median_step(world, inside, STEPS)),
        )
        for _, side in sides:
            side()
        out = ratio("finetune-step", "a step of the fine-tune, oracle / in-process", 1.01, sides, times)
        world.must_agree()
    return out


def cached(times: int) -> Figure:
    """Our trainer with kept reference log-probabilities over trl's as it comes, with a live reference."""
    parts = _parts()
    with parts.world() as world:
        loss = parts.in_process()
        sides = (
            ("kept reference", lambda: parts.median_step(world, loss, STEPS)),
            ("stock trl", lambda: parts.median_stock_step(world, STEPS)),
        )
        for _, side in sides:
            side()
        what = "a step of the fine-tune, kept reference log-probabilities / stock trl with a live reference"
        return ratio("finetune-cached", what, round(1 / 1.3, 3), sides, times)


def _parts() -> ModuleType:
    """What imports torch and trl, only once it is asked for."""
    if importlib.util.find_spec("trl") is None:
        raise RuntimeError('this figure trains: install the extra first (`pip install -e ".[train]"`)')
    from bench import finetune_parts  # noqa: PLC0415 - see above

    return finetune_parts
