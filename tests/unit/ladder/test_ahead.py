"""What a climb does ahead: how many sandboxes it says that it will take, and one measuring for a baseline's seeds."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness.checks.job import Job
from harness.checks.static import Screened
from harness.core.errors import CandidateFault
from harness.core.profiles import load as profile
from harness.ladder.baselines import baseline_candidate
from harness.ladder.climb import _sandboxes
from harness.ladder.context import ClimbContext
from harness.ladder.ladder import load
from harness.ladder.measuring import Measured
from harness.protocol.rules import RAISED_ON_LOAD

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSED = Screened(Job(0, Path("loss.py"), "loss.py"))
REFUSED = Screened(Job(0, Path("loss.py"), "loss.py"), fault=CandidateFault(RAISED_ON_LOAD.finding("no")))


class Expecting:
    """A supply that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[float] = []

    def expect(self, number: float) -> None:
        self.told.append(number)


def context(tmp_path: Path, *, ladder: str = "bandit", more: bool = False) -> Any:
    loaded = load(ladder)
    checker: Any = SimpleNamespace(
        supply=Expecting(), screen=lambda candidate: candidate, profile=profile(loaded.properties)
    )
    ledger: Any = None
    return ClimbContext(checker, loaded, ledger, tmp_path, more=more)


@pytest.mark.parametrize(("ladder", "wanted"), [("bandit", [1, 3, 2]), ("reviews", [1, 3, 0])])
def test_a_rung_says_how_many_it_takes_and_a_training_none(ladder: str, wanted: list[int], tmp_path: Path) -> None:
    one = context(tmp_path, ladder=ladder)
    assert [_sandboxes(one, plan, PASSED) for plan in one.ladder.rungs] == wanted
    assert {_sandboxes(one, plan, REFUSED) for plan in one.ladder.rungs} == {0}


def test_the_last_run_expects_its_own_and_others_as_many_as_fit(tmp_path: Path) -> None:
    last, first = context(tmp_path), context(tmp_path, more=True)
    for one in (last, first):
        for number in (3, 0):
            one.foresee(number)
    assert last.checker.supply.told == [3, 0]
    assert first.checker.supply.told == [math.inf, 0]
    last.checker.supply = None
    last.foresee(3)  # where nothing is started ahead


def test_all_seeds_of_a_baseline_are_measured_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, opened, closed = context(tmp_path), [], []

    @contextlib.contextmanager
    def measuring(*_: object) -> Iterator[Any]:
        opened.append(1)
        yield lambda seed, _: Measured({"score": float(seed)})
        closed.append(1)

    monkeypatch.setattr(one, "measuring", measuring)
    plan, candidate = one.ladder.rungs[-1], baseline_candidate("dpo")
    for _ in range(2):
        with one.one_baseline():
            assert [one._measure_baseline(candidate, plan, seed)["score"] for seed in range(4)] == [0.0, 1.0, 2.0, 3.0]
            assert len(opened) == len(closed) + 1
    assert len(opened) == len(closed) == 2
    one._measure_baseline(candidate, plan, 5)
    assert len(opened) == len(closed) == 3, "outside of it each seed is measured by itself"
