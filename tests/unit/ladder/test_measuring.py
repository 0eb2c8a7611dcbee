"""What the ladder keeps of a training: its curve, thinned out, and where it was done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.checks.job import Job
from harness.checks.static import Screened
from harness.core.errors import CandidateFault, InfrastructureError, UserError
from harness.ladder.measuring import VARIABLE, Curve, Measuring, trainings_of
from harness.ladder.plan import RungPlan
from harness.protocol.job import Progress, Step
from harness.protocol.rules import RAISED_ON_LOAD

if TYPE_CHECKING:
    from pathlib import Path

PLAN = RungPlan("reviews", "reviews", "cpu", "dpo", (), None, ask_a_person=False)


class Trained:
    """Stands for trainings: it raises, or tells and gives metrics."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.where = type("Where", (), {"name": "process"})
        self.again = 20

    def measure(self, *_: Any, say: Any, sampled: Any, made: Any) -> dict[str, float]:
        if self.error is not None:
            raise self.error
        say(Step.TRAIN, Progress(1, 2, "training", {"loss": float("nan")}))
        say(Step.TRAIN, Progress(2, 2, "training"))
        sampled(b'{"answer": "x"}\n')
        made({"data": {"pairs": "1" * 64}, "weights": {"model": "2" * 64}})
        return {"score": 1.0, "seconds_per_step": 0.25}


def measuring(trained: Trained, fault: CandidateFault | None = None) -> Measuring:
    one = Screened(Job(0, cast("Path", None), "loss.py"), fault=fault)
    return Measuring(cast("Any", None), PLAN, one, {}, "name", lambda: cast("Any", trained))


def test_metrics_say_where_it_was_trained_and_the_curve_is_kept() -> None:
    with measuring(Trained()) as measure:
        measured = measure(0)
        assert measured.metrics == {"score": 1.0, "asked_again": 0.05, "trained_in_process": 1.0}
        assert json.loads(measured.curve) == [{"step": "train", "done": 1, "total": 2, "loss": "nan"}]
        assert measured.samples == b'{"answer": "x"}\n'
        assert json.loads(measured.times) == {"seconds_per_step": 0.25}, "no metric: it is never the same twice"
        assert json.loads(measured.files) == {"data": {"pairs": "1" * 64}, "weights": {"model": "2" * 64}}


def test_a_users_mistake_is_a_fault_of_ours_to_a_queue() -> None:
    with measuring(Trained(UserError("malformed", remedy="mend"))) as measure:
        with pytest.raises(InfrastructureError, match="malformed") as raised:
            measure(0)
        assert raised.value.remedy == "mend"


def test_a_candidate_that_did_not_pass_the_screen_is_not_trained_with() -> None:
    fault = CandidateFault(RAISED_ON_LOAD.finding("no"))
    with measuring(Trained(), fault) as measure, pytest.raises(CandidateFault):
        measure(0)


def test_a_long_curve_is_thinned_out_and_keeps_its_first_point() -> None:
    curve = Curve()
    for step in range(20_000):
        curve.add(Step.TRAIN, Progress(step, 20_000, "", {"loss": 1.0}))
    assert len(curve.points) <= 4000
    assert curve.points[0][1] == 0


def test_an_unknown_place_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, "cloud")
    checker = type("Checker", (), {"recipe": type("Recipe", (), {"gpu": None})})
    with pytest.raises(UserError, match="cloud"):
        trainings_of(cast("Any", checker), tmp_path, {})


def test_what_was_measured_while_data_were_made_is_no_point_of_a_candidates_curve() -> None:
    curve = Curve()
    curve.add(Step.PREPARE, Progress(1, 2, "learns the language", {"loss": 1.0}))
    curve.add(Step.TRAIN, Progress(1, 2, "trains", {"loss": 2.0}))
    assert [point[3] for point in curve.points] == [{"loss": 2.0}]
