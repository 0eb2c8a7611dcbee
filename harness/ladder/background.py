"""The seeds of a rung on two cores: what will be needed is begun while the candidate trains.

Data and the baseline's seeds need no candidate, and the seeds of one look are all needed, unless a rail stops the
candidate before. Every seed is measured as it would be alone, and taken in its order: nothing that comes of it depends
on what was done beside it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from harness.ladder.rungs import TRAINED

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence
    from concurrent.futures import Future

    from harness.checks.checker import Checker
    from harness.checks.static import Screened
    from harness.ladder.context import ClimbContext
    from harness.ladder.measuring import Measured, Measuring
    from harness.ladder.plan import RungPlan

T = TypeVar("T")


class BackgroundTasks(contextlib.AbstractContextManager["BackgroundTasks"]):
    """Chores in the order that they are given in, in one thread beside the caller's. Used in a `with`.

    Its end sets `closing`, drops what has not begun, and waits for what has.
    """

    def __init__(self) -> None:
        self.closing = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._begun: dict[Hashable, Future[Any]] = {}

    def __exit__(self, *_: object) -> None:
        """End."""
        self.closing.set()
        self._pool.shutdown(cancel_futures=True)

    def begin(self, chore: Callable[[], object]) -> None:
        """Do something whose fault, if there is one, will be met again by whoever needs it done."""
        self._pool.submit(chore)

    def promise(self, key: Hashable, chore: Callable[[], object]) -> None:
        """Do something whose result will be taken."""
        self._begun[key] = self._pool.submit(chore)

    def take(self, key: Hashable, chore: Callable[[], T]) -> T:
        """Give what was promised, or raise what it raised; what nobody has begun is done here and now."""
        promised = self._begun.pop(key, None)
        if promised is None or promised.cancel():
            return chore()
        result: T = promised.result()
        return result


@dataclass(frozen=True)
class Seeds:
    """What a candidate and the baseline reach at the seeds of a rung. `beside` is the context of the other core."""

    plan: RungPlan
    evaluation: str
    one: Screened
    labels: dict[str, str]
    here: ClimbContext
    measure: Measuring
    ahead: BackgroundTasks
    beside: ClimbContext | None

    def foresee(self, seeds: Sequence[int]) -> None:
        """These will be needed, in this order: begin with them where there is a core for it.

        The caller begins with the first by itself, and with its data.
        """
        if self.beside is None:
            return
        missing = [seed for seed in seeds if not self.here.baselines.known(self.evaluation, seed)]
        for seed, following in zip_longest(missing, missing[1:]):
            if following is not None:
                self.ahead.begin(partial(self.beside.prepare, self.plan, following))
            self.ahead.promise(("baseline", seed), partial(self._baseline, self.beside, seed))
        for seed in seeds[1:]:
            self.ahead.promise(("candidate", seed), partial(self._candidate, self.beside, seed))

    def baseline(self, seed: int) -> dict[str, float]:
        """The baseline's metrics at a seed."""
        return self.ahead.take(("baseline", seed), partial(self._baseline, self.here, seed))

    def candidate(self, seed: int) -> Measured:
        """What the candidate's training at a seed came to. Raises its faults, and ours, as they are."""
        tell = self.here.tell(self.plan, seed, "candidate")
        return self.ahead.take(("candidate", seed), lambda: self.measure(seed, tell))

    def _baseline(self, context: ClimbContext, seed: int) -> dict[str, float]:
        return context.baselines.scores(self.plan, self.evaluation, seed)

    def _candidate(self, context: ClimbContext, seed: int) -> Measured:
        with context.measuring(self.plan, self.one, self.labels) as measure:
            return measure(seed, context.tell(self.plan, seed, "candidate"))


@contextlib.contextmanager
def seeds_of(
    context: ClimbContext, plan: RungPlan, evaluation: str, one: Screened, labels: dict[str, str]
) -> Iterator[Seeds]:
    """A candidate's seeds at a rung. A GPU is not shared, and a rung of several processes has the cores itself."""
    with contextlib.ExitStack() as stack:
        measure = stack.enter_context(context.measuring(plan, one, labels))
        beside = None
        # Its end comes first, so that nobody is left who would use what the others close.
        ahead = BackgroundTasks()
        if _has_a_core(context.checker, plan):

            def stopping() -> bool:
                return ahead.closing.is_set() or context.stopping()

            checker = stack.enter_context(context.checker.connected())
            checker = replace(checker, recipe=replace(checker.recipe, stopping=stopping))
            beside = replace(context, checker=checker, stopping=stopping)
        stack.enter_context(ahead)
        yield Seeds(plan, evaluation, one, labels, context, measure, ahead, beside)


def _has_a_core(checker: Checker, plan: RungPlan) -> bool:
    alone = dict(plan.settings).get("processes", 1) == 1
    return plan.kind in TRAINED and alone and checker.recipe.gpu is None and (os.cpu_count() or 1) > 1
