"""While a candidate trains on one core, another does what needs no candidate: data, and the baseline's seeds."""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.ladder.measuring import connected
from harness.ladder.rungs import TRAINED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from harness.judge.pipeline import Bench
    from harness.ladder.climb import Ground
    from harness.ladder.profile import RungPlan

T = TypeVar("T")


class Ahead(Generic[T]):
    """Chores in the order that they are given in, in one thread beside the caller's. Used in a `with`.

    Its end sets `closing`, drops what has not begun, and waits for what has.
    """

    def __init__(self) -> None:
        self.closing = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._begun: dict[int, Future[T]] = {}

    def __enter__(self) -> Ahead[T]:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.closing.set()
        self._pool.shutdown(cancel_futures=True)

    def begin(self, chore: Callable[[], object]) -> None:
        """Do something whose fault, if there is one, will be met again by whoever needs it done."""
        self._pool.submit(chore)

    def promise(self, key: int, chore: Callable[[], T]) -> None:
        """Do something whose result will be taken."""
        self._begun[key] = self._pool.submit(chore)

    def take(self, key: int, chore: Callable[[], T]) -> T:
        """Give what was promised, or raise what it raised; what nobody has begun is done here and now."""
        promised = self._begun.pop(key, None)
        if promised is None or promised.cancel():
            return chore()
        return promised.result()


@contextlib.contextmanager
def ahead_of(
    ground: Ground, plan: RungPlan, evaluation: str, seeds: Sequence[int]
) -> Iterator[Ahead[dict[str, float]]]:
    """What the baseline reaches at the seeds that will be needed, under way where there is a core for it.

    A GPU is not shared, and a rung of several processes has the cores itself. A baseline that is known costs nothing.
    """
    missing = [seed for seed in seeds if not ground.baselines.known(evaluation, seed)]
    with contextlib.ExitStack() as stack:
        if not (missing and _has_a_core(ground.bench, plan)):
            yield stack.enter_context(Ahead())
            return
        bench = stack.enter_context(connected(ground.bench))
        ahead: Ahead[dict[str, float]] = stack.enter_context(Ahead())
        beside = replace(ground, bench=bench, stopping=lambda: ahead.closing.is_set() or ground.stopping())
        # The caller begins with the first seed's data by itself.
        for seed, following in zip_longest(missing, missing[1:]):
            if following is not None:
                ahead.begin(partial(beside.prepare, plan, following))
            ahead.promise(seed, partial(beside.baselines.scores, plan, evaluation, seed))
        yield ahead


def _has_a_core(bench: Bench, plan: RungPlan) -> bool:
    alone = dict(plan.settings).get("processes", 1) == 1
    return plan.kind in TRAINED and alone and bench.recipe.gpu is None and (os.cpu_count() or 1) > 1
