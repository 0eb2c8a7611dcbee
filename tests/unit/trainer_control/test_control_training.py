"""Training and scores on small data, with losses that are written here."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
import torch
from control_doubles import SMALL, dpo, even, job, negated

from harness.ladder.curves import curves
from harness.protocol.job import Progress, Step, StepError, line, silent
from harness.trainer.control import kept
from harness.trainer.control import steps as control
from harness.trainer.control.scoring import Outcome, gathered
from harness.trainer.control.settings import Settings
from harness.trainer.control.training import Run, runs
from harness.trainer.tasks import task
from harness.training.left_behind import check_weights
from harness.training.steps import read_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from control_doubles import Loss

    from harness.protocol.job import Setting

#: Steps enough for the signs to show; a larger rate makes up for their small number.
LEARNS: dict[str, Setting] = {**SMALL, "steps": 60, "rate": 3e-3}


def _trained(
    small: Path, out: Path, settings: dict[str, Setting], loss: Loss
) -> tuple[dict[str, float], dict[str, float]]:
    trained = control.train(job(Step.TRAIN, settings, data=small, out=out), loss, silent)
    return dict(trained), dict(control.score(job(Step.SCORE, settings, data=small, weights=out), silent))


def test_it_is_a_task() -> None:
    chosen: object = task("control")
    assert chosen is control


def declared(settings: dict[str, Setting]) -> tuple[set[str], set[str]]:
    """The metrics that are there whatever is learned, and those that are not."""
    promised = Settings.of(settings).declared()
    return set(promised.metrics) - set(promised.only_where), set(promised.only_where)


def test_dpo_learns_and_its_negation_unlearns(small: Path, tmp_path: Path) -> None:
    told, good = _trained(small, tmp_path / "dpo", LEARNS, dpo())
    _, bad = _trained(small, tmp_path / "negated", LEARNS, negated())
    assert good["score"] > 0.05
    assert bad["score"] < -0.1
    assert good["accuracy"] > 0.7
    assert bad["accuracy"] < 0.3
    assert good["finite"] == bad["finite"] == 1.0
    assert good["kl"] > 0
    measured = {name for name in (*told, *good) if "@" not in name} - {"seconds_per_step"}
    assert (measured, set()) == declared(LEARNS)


def test_what_has_no_slope_at_the_start_learns_exactly_nothing(small: Path, tmp_path: Path) -> None:
    _, scored = _trained(small, tmp_path, {**LEARNS, "rate": 3e-3}, even())
    assert abs(scored["score"]) < 0.02
    assert abs(scored["kl"]) < 1e-3


@pytest.mark.parametrize(("loss", "passes"), [(dpo, True), (negated, False), (even, False)])
def test_the_quick_training_lets_through_what_learns(
    small: Path,
    tmp_path: Path,
    loss: Callable[[], Loss],
    passes: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    settings: dict[str, Setting] = {**LEARNS, "steps": 4, "quick_steps": 40}
    trained, scored = _trained(small, tmp_path, settings, loss())
    assert trained["quick"] == scored["quick"]
    files = {p.name for p in tmp_path.iterdir()}
    assert files == ({"quick.safetensors", "on_policy-0.3.safetensors"} if passes else {"quick.safetensors"})
    early, late = declared(settings)
    measured = {name for name in (*trained, *scored) if "@" not in name} - {"seconds_per_step"}
    assert measured == (early | late if passes else early)
    assert late >= {"kl", "accuracy"}
    if not passes:
        assert scored == {"quick": scored["quick"], "score": scored["quick"], "worst": scored["quick"], "finite": 1.0}


def test_the_same_training_gives_the_same_bytes_wherever_it_was_killed(small: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "sets": ("on_policy", "mixed"), "betas": (0.1, 1.0)}
    whole = tmp_path / "whole"
    control.train(job(Step.TRAIN, settings, data=small, out=whole), dpo(), silent)
    for killed_at in (0, 9, 10, 27):
        out = tmp_path / str(killed_at)
        with pytest.raises(KeyboardInterrupt):
            control.train(job(Step.TRAIN, settings, data=small, out=out), dpo(dies_at=killed_at), silent)
        again = dpo()
        control.train(job(Step.TRAIN, settings, data=small, out=out), again, silent)
        assert again.calls == 40 - killed_at // 10 * 10
        for path in sorted(whole.iterdir()):
            assert (out / path.name).read_bytes() == path.read_bytes(), (killed_at, path.name)


def test_what_is_no_outcome_of_this_training_is_trained_again(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "on_policy-0.3.safetensors"
    control.train(job(Step.TRAIN, SMALL, data=small, out=tmp_path), dpo(), silent)
    whole = path.read_bytes()
    for content in (whole[:-20], b"", b"no tensors at all"):
        path.write_bytes(content)
        again = dpo()
        control.train(job(Step.TRAIN, SMALL, data=small, out=tmp_path), again, silent)
        assert again.calls == 10
        assert path.read_bytes() == whole
    other = dpo()
    control.train(job(Step.TRAIN, {**SMALL, "rate": 1e-4}, data=small, out=tmp_path), other, silent)
    assert other.calls == 10
    assert path.read_bytes() != whole


def test_a_training_that_is_not_finite_is_worth_as_much_as_chance(small: Path, tmp_path: Path) -> None:
    trained, scored = _trained(small, tmp_path, {**SMALL, "betas": (0.3, 1.0)}, dpo(nan_from=14))
    assert trained["finite"] == scored["finite"] == 0.5
    assert scored["score_on_policy_beta_1"] == scored["worst"] < -0.5
    assert scored["score_on_policy_beta_0_3"] > scored["worst"]
    _, quick = _trained(small, tmp_path / "quick", {**SMALL, "quick_steps": 5}, dpo(nan_from=3))
    assert (quick["finite"], quick["score"]) == (0.0, scored["worst"])


def test_weights_that_are_not_numbers_are_not_finite(small: Path, tmp_path: Path) -> None:
    control.train(job(Step.TRAIN, SMALL, data=small, out=tmp_path), dpo(), silent)
    path = tmp_path / "on_policy-0.3.safetensors"
    weights = kept.read_tensors(path)
    weights["end.layers.0.weight"][0, 0] = math.nan
    kept.write_tensors(path, weights)
    scored = control.score(job(Step.SCORE, SMALL, data=small, weights=tmp_path), silent)
    assert scored["finite"] == 0.0
    weights["end.layers.0.weight"] = torch.zeros(3, 3)
    kept.write_tensors(path, weights)
    with pytest.raises(StepError, match="another policy"):
        control.score(job(Step.SCORE, SMALL, data=small, weights=tmp_path), silent)
    path.unlink()
    with pytest.raises(StepError, match=r"on_policy-0\.3"):
        control.score(job(Step.SCORE, SMALL, data=small, weights=tmp_path), silent)


def test_a_loss_that_needs_many_pairs_gets_them(small: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="1000 pairs"):
        control.train(job(Step.TRAIN, SMALL, data=small, out=tmp_path), dpo(smallest=1000), silent)
    seen: list[int] = []
    loss = dpo(smallest=48)
    whole = loss.of_x

    def noted(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return whole(x)

    loss.of_x = noted
    control.train(job(Step.TRAIN, SMALL, data=small, out=tmp_path), loss, silent)
    assert set(seen) == {48}


def test_the_host_can_read_what_is_told(small: Path, tmp_path: Path) -> None:
    said: list[Progress] = []
    control.train(job(Step.TRAIN, SMALL, data=small, out=tmp_path), dpo(nan_from=0), said.append)
    metrics = control.score(job(Step.SCORE, SMALL, data=small, weights=tmp_path), said.append)
    assert read_line(line(metrics=metrics).encode()) == pytest.approx(metrics, nan_ok=True)
    for progress in said:
        assert read_line(line(progress=asdict(progress)).encode()) == progress
    assert check_weights(tmp_path) == [tmp_path / "on_policy-0.3.safetensors"]


def test_progress_reaches_its_total_and_carries_the_curve(small: Path, tmp_path: Path) -> None:
    said: list[Progress] = []
    settings = {**SMALL, "steps": 30, "betas": (0.1, 1.0)}
    control.train(job(Step.TRAIN, settings, data=small, out=tmp_path), dpo(), said.append)
    assert [p.done for p in said] == [25, 30, 55, 60]
    assert {p.total for p in said} == {60}
    assert set(said[0].curve) == {"on_policy-0.1.loss", "on_policy-0.1.accuracy"}


SETTINGS = Settings.of({"sets": "on_policy,mixed", "betas": (0.1, 1.0)})


def _gathered(**other: Outcome) -> dict[str, float]:
    at = dict.fromkeys(("a", "b", "c", "d"), Outcome(0.4, 0.4, 1.0, -1.0, 0.8)) | other
    return gathered(SETTINGS, dict(zip(runs(SETTINGS), at.values(), strict=True)))


def test_a_fall_with_well_ordered_pairs_is_over_optimisation() -> None:
    assert _gathered()["overoptimised"] == 0.0
    assert _gathered(a=Outcome(0.2, 0.4, 1.0, -90.0, 0.95))["overoptimised"] == 0.25
    assert _gathered(a=Outcome(0.2, 0.4, 1.0, -90.0, 0.85))["overoptimised"] == 0.0
    assert _gathered(a=Outcome(0.35, 0.4, 1.0, -90.0, 0.95))["overoptimised"] == 0.0


def test_the_best_beta_counts_for_each_set_and_the_worst_for_all() -> None:
    found = _gathered(a=Outcome(0.0, 0.0, 7.0, -9.0, 0.6), d=Outcome(0.8, 0.8, 2.0, -1.0, 0.9))
    assert (found["score_on_policy"], found["score_mixed"]) == (0.4, 0.8)
    assert found["score"] == pytest.approx(0.6)
    assert found["worst"] == pytest.approx(0.2)
    assert found["sd"] == pytest.approx(0.2)
    assert (found["kl"], found["drift"]) == (7.0, -9.0)
    assert found["accuracy"] == pytest.approx(0.85)
    assert found["score_mixed_beta_0_1"] == 0.4


def test_the_learning_curve_is_that_of_the_best_betas_and_ends_at_the_score() -> None:
    found = _gathered(b=Outcome(0.6, 0.5, 1.0, -1.0, 0.8), d=Outcome(0.8, 0.7, 2.0, -1.0, 0.9))
    ((name, ((step, value), last)),) = curves(found).items()
    assert (name, step, last) == ("score", 200, (500, found["score"]))
    assert value == pytest.approx(0.6)
    lost = Outcome(-1.0, *[math.nan] * 4)
    assert curves(_gathered(a=lost)) == curves(_gathered())
    assert curves(_gathered(a=lost, b=lost)) == {}, "no curve where a training broke off at every beta"


def test_expert_over_reference_has_no_part_in_the_score() -> None:
    settings = Settings.of({"sets": "on_policy,expert", "betas": (1.0,)})
    outcomes = [Outcome(0.4, 0.4, 1.0, -1.0, 0.8), Outcome(1.0, 1.0, 1.0, -1.0, 1.0)]
    found = gathered(settings, dict(zip(runs(settings), outcomes, strict=True)))
    assert (found["score"], found["score_expert"], found["worst"]) == (0.4, 1.0, 0.4)


def test_a_run_is_named_by_its_set_and_beta() -> None:
    assert runs(SETTINGS)[0] == Run("on_policy-0.1", "on_policy", 0.1, 500)
