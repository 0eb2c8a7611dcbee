"""The fine-tune's trainer: what the oracle costs it, and what kept reference log-probabilities save it.

Both need what trainings are made with (the extra `train`); the first needs the engine and the sandbox image too. A
small model, 2 layers of width 128, on pairs of drawn tokens, 8 a step, one thread, in float32. For the oracle's share
of a step there is a larger one too, 4 layers of width 256: what a call costs does not grow with the model.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
from typing import TYPE_CHECKING

from bench.measure import Figure, ratio

if TYPE_CHECKING:
    from types import ModuleType

STEPS = 20
#: Where a hundredth is looked for.
LONGER = 30
LARGER = (4, 256)


def step(times: int, steps: int = LONGER) -> Figure:
    """The larger model's step; see `_step`."""
    what = "a step of the fine-tune, 4 layers of width 256, oracle / in-process"
    return _step("finetune-step", what, LARGER, times, steps)


def small_step(times: int, steps: int = LONGER) -> Figure:
    """The small model's step, of a tenth of a second; see `_step`."""
    what = "a step of the fine-tune, 2 layers of width 128, oracle / in-process"
    return _step("finetune-small-step", what, (), times, steps)


def _step(name: str, what: str, size: tuple[int, ...], times: int, count: int) -> Figure:
    """A step through the oracle (socket, relay, sandbox, spot checks) over a step with the same loss in this process.

    Steps differ by their tokens more than the sides do, so each is held against the other side's step on the same
    pairs; a turn gives the median of these ratios. The weights after both trainings have to be the same bits.
    """
    parts = _parts()
    ratios: list[float] = []
    seconds: dict[str, list[float]] = {"oracle": [], "in-process": []}
    with parts.world(*size) as world, parts.oracle(world) as oracle:
        losses = {"oracle": oracle, "in-process": parts.in_process()}
        for loss in losses.values():
            parts.steps_of(world, loss, min(STEPS, count))
        for turn in range(times):
            order = ("oracle", "in-process", "in-process", "oracle")[2 * (turn % 2) :][:2]
            taken = {side: parts.steps_of(world, losses[side], count) for side in order}
            pairs = zip(taken["oracle"], taken["in-process"], strict=True)
            ratios.append(statistics.median(ours / theirs for ours, theirs in pairs))
            for side, steps in taken.items():
                seconds[side] += steps
            print(f"  turn {turn + 1}: {ratios[-1]:.4f}", file=sys.stderr)
        world.must_agree()
    middle = tuple((side, statistics.median(steps)) for side, steps in seconds.items())
    return Figure(name, what, tuple(ratios), 1.01 if size else None, parts=middle)


def cached(times: int, steps: int = STEPS) -> Figure:
    """Our trainer with kept reference log-probabilities over trl's as it comes, with a live reference."""
    parts = _parts()
    with parts.world() as world:
        loss = parts.in_process()
        sides = (
            ("kept reference", lambda: parts.median_step(world, loss, steps)),
            ("stock trl", lambda: parts.median_stock_step(world, steps)),
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
