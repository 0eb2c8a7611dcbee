"""What is done on a second core while a candidate trains, and baselines that several workers want at once."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.containers.request import Recipe
from harness.core.errors import CandidateFault, InfrastructureError, StoppedError
from harness.core.limits import Limits
from harness.ladder.background import BackgroundTasks, Seeds, seeds_of
from harness.ladder.baselines import Baselines
from harness.ladder.measuring import Measured
from harness.ladder.plan import RungPlan
from harness.protocol.rules import RAISED_ON_LOAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.core.candidate import Candidate

PLAN = RungPlan("reviews", "reviews", "cpu", "dpo", (), None, ask_a_person=False)
HERE = threading.get_ident


def test_a_promise_is_kept_by_the_other_thread() -> None:
    with BackgroundTasks() as ahead:
        ahead.promise(3, HERE)
        begun = threading.Event()
        ahead.begin(begun.set)
        assert begun.wait(120)
        assert ahead.take(3, HERE) != HERE()


def test_what_nobody_has_begun_is_done_here_and_once() -> None:
    done: list[str] = []
    held = threading.Event()
    with BackgroundTasks() as ahead:
        ahead.begin(lambda: held.wait(120))
        ahead.promise(0, lambda: done.append("there"))
        ahead.take(0, lambda: done.append("here"))
        held.set()
    assert done == ["here"]


def test_what_was_never_promised_is_done_here() -> None:
    with BackgroundTasks() as ahead:
        assert ahead.take(0, HERE) == HERE()


def test_a_fault_is_met_where_the_result_is_taken() -> None:
    def fails() -> int:
        raise InfrastructureError("no engine")

    begun = threading.Event()
    with BackgroundTasks() as ahead:
        ahead.begin(fails)
        ahead.promise(0, fails)
        ahead.begin(begun.set)
        assert begun.wait(120)
        with pytest.raises(InfrastructureError, match="no engine"):
            ahead.take(0, HERE)


def test_its_end_stops_what_runs_and_drops_the_rest() -> None:
    dropped: list[int] = []

    def drop() -> int:
        dropped.append(1)
        return 0

    begun = threading.Event()
    with BackgroundTasks() as ahead:
        ahead.begin(begun.set)
        ahead.begin(lambda: ahead.closing.wait(120))
        ahead.promise(0, drop)
        assert begun.wait(120)
    assert ahead.closing.is_set()
    assert not dropped


@dataclass(frozen=True)
class Checker:
    recipe: Recipe = field(default_factory=lambda: Recipe("image", Limits()))
    engine: Any = field(default_factory=lambda: FakeEngine("unix:///nowhere"))

    @contextmanager
    def connected(self) -> Iterator[Checker]:
        yield replace(self, engine=self.engine.another())


@dataclass
class ClimbContext:
    """As much of `ClimbContext` as is used."""

    checker: Any
    stopping: Callable[[], bool]
    measured: list[tuple[str, int, int]]
    folder: Path
    fails: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.baselines = Baselines(self.folder, self._baseline, self.stopping)

    def prepare(self, plan: RungPlan, seed: int) -> None:
        del plan
        self.measured.append(("data", seed, HERE()))

    def tell(self, *_: object) -> Callable[..., None]:
        return lambda *_: None

    @contextmanager
    def measuring(self, plan: RungPlan, one: object, labels: object) -> Iterator[ClimbContext]:
        del plan, one, labels
        yield self

    def __call__(self, seed: int, say: object) -> Measured:
        del say
        self.measured.append(("candidate", seed, HERE()))
        if seed in self.fails:
            raise CandidateFault(RAISED_ON_LOAD.finding(f"at {seed}"))
        return Measured({"score": 10.0 + seed}, b"", b"")

    def _baseline(self, candidate: Candidate, plan: RungPlan, seed: int) -> dict[str, float]:
        del candidate, plan
        self.measured.append(("baseline", seed, HERE()))
        return {"score": float(seed)}


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClimbContext:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    return ClimbContext(Checker(), lambda: False, [], tmp_path)


class FakeEngine:
    def __init__(self, url: str) -> None:
        self.url = url

    def another(self) -> FakeEngine:
        return self

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def opened(context: ClimbContext, plan: RungPlan = PLAN) -> Iterator[Seeds]:
    with seeds_of(cast("Any", context), plan, "e" * 64, cast("Any", None), {}) as seeds:
        yield seeds


def through(context: ClimbContext, plan: RungPlan = PLAN) -> list[tuple[str, int, bool]]:
    """What was done for three seeds, in order, and whether beside this thread, which waits for the other one."""
    with opened(context, plan) as seeds:
        seeds.foresee([0, 1, 2])
        last = threading.Event()
        seeds.ahead.begin(last.set)
        assert last.wait(120)
        for seed in range(3):
            assert seeds.candidate(seed).metrics == {"score": 10.0 + seed}
            assert seeds.baseline(seed) == {"score": float(seed)}
    return [(what, seed, thread != HERE()) for what, seed, thread in context.measured]


def test_data_come_before_baselines_and_those_before_the_candidates_further_seeds(context: ClimbContext) -> None:
    assert through(context) == [
        ("data", 1, True),
        ("baseline", 0, True),
        ("data", 2, True),
        ("baseline", 1, True),
        ("baseline", 2, True),
        ("candidate", 1, True),
        ("candidate", 2, True),
        ("candidate", 0, False),
    ]


def test_a_baseline_that_is_known_is_not_measured_again(context: ClimbContext) -> None:
    for seed in range(3):
        context.baselines.scores(PLAN, "e" * 64, seed)
    context.measured.clear()
    assert through(context) == [("candidate", 1, True), ("candidate", 2, True), ("candidate", 0, False)]


def test_a_fault_at_a_later_seed_is_met_when_that_seed_is_due(context: ClimbContext) -> None:
    context.fails = (1,)
    with opened(context) as seeds:
        seeds.foresee([0, 1, 2])
        last = threading.Event()
        seeds.ahead.begin(last.set)
        assert last.wait(120)
        assert seeds.candidate(0).metrics == {"score": 10.0}
        with pytest.raises(CandidateFault, match="at 1"):
            seeds.candidate(1)


def test_a_candidate_that_has_fallen_is_not_trained_further(context: ClimbContext) -> None:
    """What runs beside is told to stop, and what has not begun never does."""
    held = threading.Event()
    with opened(context) as seeds:
        assert seeds.beside is not None
        stopping, waits = seeds.beside.stopping, seeds.beside.checker.recipe.stopping
        assert not stopping()
        seeds.ahead.begin(lambda: held.wait(120))
        seeds.foresee([0, 1, 2])
        seeds.ahead.closing.set()
        assert stopping()
        assert waits(), "nor does it wait for an answer of the candidate's"
        held.set()
        seeds.ahead._pool.shutdown(cancel_futures=True)
    assert ("candidate", 2) not in [(what, seed) for what, seed, _ in context.measured]


@pytest.mark.parametrize(
    ("plan", "gpu", "cores"),
    [
        (PLAN, object(), 2),
        (PLAN, None, 1),
        (replace(PLAN, settings=(("processes", 2),)), None, 2),
        (replace(PLAN, kind="bandit"), None, 2),
    ],
    ids=["GPU", "one core", "several processes", "in this process"],
)
def test_without_a_core_to_spare_all_is_done_in_turn(
    context: ClimbContext, monkeypatch: pytest.MonkeyPatch, plan: RungPlan, gpu: object, cores: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    context.checker = Checker(replace(context.checker.recipe, gpu=cast("Any", gpu)))
    each = [("candidate", "baseline") for _ in range(3)]
    assert through(context, plan) == [(what, seed, False) for seed, both in enumerate(each) for what in both]


def test_two_workers_that_want_a_baseline_measure_it_once(tmp_path: Path) -> None:
    began, go = threading.Event(), threading.Event()
    measured: list[int] = []

    def measure(candidate: Candidate, plan: RungPlan, seed: int) -> dict[str, float]:
        del candidate, plan
        measured.append(seed)
        began.set()
        assert go.wait(120)
        return {"score": 0.5}

    one, two = (Baselines(tmp_path, measure) for _ in range(2))
    with BackgroundTasks() as ahead:
        ahead.promise(0, lambda: one.scores(PLAN, "e" * 64, 0))
        assert began.wait(120)
        stopped = Baselines(tmp_path, measure, lambda: True)
        with pytest.raises(StoppedError):
            stopped.scores(PLAN, "e" * 64, 0)
        threading.Timer(0.3, go.set).start()
        assert two.scores(PLAN, "e" * 64, 0) == {"score": 0.5}
    assert measured == [0]


def test_where_nothing_can_be_kept_it_is_measured_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "baselines").write_text("a file is in the way")
    kept = Baselines(tmp_path / "baselines", lambda *_: {"score": 1.0})
    assert kept.scores(PLAN, "e" * 64, 0) == {"score": 1.0}
