"""Progress on its way to the ledger: seldom, thinned out, and never waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from harness.ladder.context import Progress, Training
from harness.ladder.worker import BETWEEN, ProgressWriter
from harness.ledger.failures import LedgerError
from harness.ledger.records import Decision
from harness.protocol.job import Progress as At
from harness.protocol.job import Step

if TYPE_CHECKING:
    from harness.ledger.progress import Underway


class Ledger:
    def __init__(self) -> None:
        self.told: list[Underway] = []
        self.over_with: list[int | None] = []

    def tell(self, held: object, one: Underway) -> None:
        del held
        self.told.append(one)

    def over(self, held: object, seed: int | None = None) -> None:
        del held
        self.over_with.append(seed)


class Away(Ledger):
    def tell(self, held: object, one: Underway) -> None:
        del held, one
        raise LedgerError("the database is away", passing=True)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def trains(done: int, *, whose: str = "candidate", seed: int = 0, step: Step = Step.TRAIN) -> Progress:
    return Progress(
        "reviews", training=Training(whose, seed, step, At(done, 1000, "trains", {"loss": 1.0 / (1 + done)}))
    )


def telling(ledger: Ledger) -> tuple[ProgressWriter, Clock]:
    clock = Clock()
    return ProgressWriter(cast("Any", ledger), cast("Any", None), clock), clock


def test_it_is_told_at_once_and_then_every_few_seconds_with_the_whole_curve() -> None:
    ledger = Ledger()
    hand, clock = telling(ledger)
    for step in range(1000):
        hand.watch(trains(step))
        clock.now += BETWEEN / 128  # exact
    assert [one.done for one in ledger.told] == list(range(0, 1000, 128))
    last = ledger.told[-1]
    assert last.elapsed == 7 * BETWEEN
    assert last.left is not None
    points = last.curve["loss"]
    assert points[0] == (0, 1.0)
    assert points[-1][0] == 896
    assert len(points) < 100
    assert points == tuple(sorted(points))


def test_another_step_seed_or_training_is_told_of_at_once() -> None:
    ledger = Ledger()
    hand, _ = telling(ledger)
    for progress in (
        trains(1),
        trains(2),
        trains(1, whose="dpo"),
        trains(1, step=Step.SCORE),
        trains(5, seed=1),
    ):
        hand.watch(progress)
    assert [(one.whose, one.seed, one.step, one.done) for one in ledger.told] == [
        ("candidate", 0, "train", 1),
        ("dpo", 0, "train", 1),
        ("candidate", 0, "score", 1),
        ("candidate", 1, "train", 5),
    ]


def test_what_is_done_is_taken_out() -> None:
    ledger = Ledger()
    hand, _ = telling(ledger)
    done = Progress("reviews", 0, {"reward": 1.0}, {"reward": 0.5})
    hand.watch(done)
    assert ledger.over_with == [], "nothing was there"
    hand.watch(trains(1))
    hand.watch(done)
    hand.watch(Progress("reviews", decision=Decision("promote", "better")))
    assert ledger.over_with == [0, None]


def test_a_ledger_that_is_away_holds_nothing_up() -> None:
    hand, _ = telling(Away())
    hand.watch(trains(1))
