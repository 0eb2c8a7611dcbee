"""State, judged over fresh containers: what one answered late in a long life, another is asked first.

A fork that says it is fresh, and the beginning and end of a fork, are a sandbox's own word, and a candidate that the
screen does not hold may forge them. A second container that has been asked nothing is no word of anybody's. It is
started while the properties run, and asked what the first one answered: the latest first, alone what went in a bundle,
and in a bundle what went alone. The bits have to be the same.

Covered: a candidate that changes with its calls, its batches, its process, its time or what it leaves in files, within
what one check makes of them. Not covered: one that waits for more than that; training asks again for that reason.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias, cast

from harness.core.errors import InfrastructureError
from harness.property_tests.common.same import difference
from harness.protocol.batch import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from harness.checks.bench import Bench
    from harness.containers.request import Recipe
    from harness.core.rules import Rule
    from harness.core.verdict import Finding, Json
    from harness.oracle.again import Exchange
    from harness.oracle.oracle import Oracle
    from harness.oracle.sandbox import Sandbox
    from harness.protocol.batch import Answer
    from harness.subject.subject import Subject

#: Batches in one request.
TOGETHER = 256
#: So many calls of the first container before the second one is started: what is broken has shown it by then.
STARTED_AFTER = 5000
#: One in so many of those that went in a bundle is asked alone in the second container.
_ALONE = 8
#: What was answered, what came in its place, and what differs between the two.
_Differing: TypeAlias = "tuple[Exchange, Answer | Complaint, str]"


class Waiting:
    """The second container: started in a thread of its own, taken once, closed in any case."""

    def __init__(self, bench: Bench, recipe: Recipe) -> None:
        self._bench, self._recipe = bench, recipe
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="witness")
        self._ready: Future[Sandbox] | None = None
        self._made = contextlib.ExitStack()

    def start(self) -> None:
        """Begin, unless that was done."""
        if self._ready is None:
            self._ready = self._thread.submit(self._work)

    def _work(self) -> Sandbox:
        # A connection is not to be shared between threads.
        engine = self._bench.engine.another()
        self._made.callback(engine.close)
        sandbox = self._bench.opened(engine, self._recipe)
        self._made.callback(sandbox.dismiss)
        sandbox.wait_ready()
        return sandbox

    def sandbox(self) -> Sandbox:
        """The container, ready. Raises InfrastructureError."""
        self.start()
        return cast("Future[Sandbox]", self._ready).result()

    def close(self) -> None:
        """Have it removed: the first connection's `settle` waits for that."""
        self._thread.shutdown()
        self._made.close()


def hear(subject: Subject, second: Oracle, state: Rule, noise: Rule) -> tuple[list[Finding], dict[str, Json]]:
    """Ask a fresh container again: what is found (by `state`, or by `noise` where it contradicts itself), and how much.

    Raises what the oracle raises.
    """
    plan, kept = subject.witnessing, subject.oracle.kept
    if plan is None or kept is None or not subject.late:
        raise InfrastructureError("nothing was kept to be asked again in a fresh container")
    again = kept.latest_first()
    differing = [*_otherwise(second, subject.late, alone=1), *_otherwise(second, again, alone=_ALONE)]
    told: dict[str, Json] = {
        "calls_of_one_life": subject.aged,
        "never_asked_before": len(subject.late),
        "asked_again": len(again),
        "one_in": kept.every,
    }
    if subject.oracle.in_company:
        told["in_company"] = subject.oracle.in_company
    if not subject.oracle.program.guarded:
        told["seconds_of_one_life"] = plan.seconds
    if not differing:
        return [], told
    one, first, what = min(differing, key=lambda d: d[0].batch.numbers)
    if _word(second.ask([one.batch])[0], first):
        fault = subject.broken(
            noise, f"the same batch gave different {what} when a container was asked again", one.batch
        )
    else:
        message = f"the same batch gave different {what} in a fresh container than after {one.number} calls in another"
        fault = subject.broken(state, message, one.batch)
    return list(fault.findings), told


def _otherwise(second: Oracle, asked: Sequence[Exchange], *, alone: int) -> Iterator[_Differing]:
    """Ask in another grouping: alone what went in a bundle (one in `alone` of them), and the rest in bundles."""
    bundle: list[Exchange] = []
    for place, one in enumerate(asked):
        if not one.alone and place % alone == 0:
            yield from _differing(second, [one])
            continue
        bundle.append(one)
        if len(bundle) == TOGETHER:
            yield from _differing(second, bundle)
            bundle = []
    if bundle:
        yield from _differing(second, bundle)


def _differing(second: Oracle, asked: Sequence[Exchange]) -> list[_Differing]:
    answers = second.ask([one.batch for one in asked])
    return [(one, got, what) for one, got in zip(asked, answers, strict=True) if (what := _word(one.answer, got))]


def _word(one: Answer | Complaint, other: Answer | Complaint) -> str:
    """What differs between two answers; empty where nothing does."""
    if isinstance(one, Complaint) or isinstance(other, Complaint):
        same = isinstance(one, Complaint) and isinstance(other, Complaint) and one.type == other.type
        return "" if same else "outcomes"
    return difference(one, other)
