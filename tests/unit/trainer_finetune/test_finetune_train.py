"""Training and scoring: what is learned, what a kill changes (nothing), and what happens when a loss blows up."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import finetune_world as world
import pytest
import torch
from safetensors.torch import load_file

from bench.trusted import TrustedLoss
from harness.protocol.job import TIMES, Progress, Step, StepError, silent
from harness.trainer.finetune import model as models
from harness.trainer.finetune import steps as finetune
from harness.trainer.finetune import store, weights
from harness.trainer.finetune.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

LORA = {"lora_rank": 4, "rate": 1e-2}


class KilledError(Exception):
    """Stands for a kill: nothing of ours runs after it but what is on the disk."""


class Dying:
    """DPO until the n-th batch."""

    def __init__(self, calls: int) -> None:
        self.inner, self.left, self.smallest = world.dpo(), calls, 1

    def __call__(self, *args: Any, **named: Any) -> torch.Tensor:
        if not self.left:
            raise KilledError
        self.left -= 1
        return self.inner(*args, **named)


def _run(prepared: Path, out: Path) -> Path:
    return Path(shutil.copytree(prepared, out / "run"))


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "train" / weights.WEIGHTS)


def _train(base: Path, preferences: Path, run: Path, loss: Any, **changed: Any) -> dict[str, float]:
    return dict(finetune.train(world.job(Step.TRAIN, base, preferences, run, **changed), loss, silent))


def _score(base: Path, preferences: Path, run: Path, **changed: Any) -> dict[str, float]:
    return dict(finetune.score(world.job(Step.SCORE, base, preferences, run, **changed), silent))


@pytest.mark.parametrize("changed", [{}, LORA], ids=["all", "lora"])
def test_dpo_learns_and_its_negation_learns_the_opposite(
    base: Path, preferences: Path, prepared: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    found = {}
    for name, sign in (("dpo", 1.0), ("negated", -1.0)):
        run = _run(prepared, tmp_path / name)
        loss = TrustedLoss(lambda a, b, c, d, beta, s=sign: -torch.nn.functional.logsigmoid(s * beta * (a - b - c + d)))
        metrics = _train(base, preferences, run, loss, **changed)
        assert metrics["finite"] == 1.0
        assert metrics["steps"] == 20.0
        assert [p.name for p in (run / "train").iterdir()] == [weights.WEIGHTS], "safetensors alone, no checkpoint left"
        found[name] = _score(base, preferences, run, **changed)
        assert all(math.isfinite(value) for value in found[name].values())
        assert {*metrics, *found[name]} == {*Settings.of(world.SETTINGS).declared().metrics, "seconds_per_step"}
    assert found["dpo"]["accuracy"] > 0.9
    assert found["negated"]["accuracy"] < 0.1
    assert found["dpo"]["margin"] > 0.5
    assert found["negated"]["margin"] < -0.5
    assert found["dpo"]["kl"] > 1e-4
    assert found["dpo"]["kl_chosen"] > 1e-4


def test_a_loss_that_says_nothing_changes_nothing(
    base: Path, preferences: Path, prepared: Path, tmp_path: Path
) -> None:
    run = _run(prepared, tmp_path)
    _train(base, preferences, run, TrustedLoss(lambda a, b, c, d: (a + b + c + d) * 0.0))
    metrics = _score(base, preferences, run)
    assert metrics["accuracy"] < 0.9, "rounding decides about margins of nothing"
    assert metrics["margin"] == pytest.approx(0.0, abs=1e-4)
    assert metrics["kl"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["kl_chosen"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["length_ratio"] == 1.0
    lines = [json.loads(line) for line in (run / "score" / "samples.jsonl").read_text().splitlines()]
    assert len(lines) == world.SETTINGS["samples"]
    assert all(line["answer"] == line["reference"] for line in lines), "the same random numbers for both"
    assert {"row", "prompt", "chosen", "answer", "reference", "tokens", "reference_tokens"} == set(lines[0])
    assert lines[0]["prompt"][0]["role"] == "user"


@pytest.mark.rest
@pytest.mark.parametrize("changed", [{}, LORA, {"batch": 2}], ids=["all", "lora", "accumulated"])
def test_killed_anywhere_it_goes_on_to_the_same_bits(
    base: Path, preferences: Path, prepared: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    whole, killed = _run(prepared, tmp_path / "whole"), _run(prepared, tmp_path / "killed")
    _train(base, preferences, whole, world.dpo(), **changed)
    begun = []
    each = 4 // changed.get("batch", 4)
    for calls in (2 * each, 7 * each, 6 * each):
        with pytest.raises(KilledError):
            _train(base, preferences, killed, Dying(calls), **changed)
        found = weights.read(killed / "train" / weights.CHECKPOINT)
        begun.append(found[1]["done"] if found else 0)
    assert begun == [0, 4, 8], "it went on, and did not begin anew"
    (killed / "train" / ".new-half").write_bytes(b"half of it")
    metrics = _train(base, preferences, killed, world.dpo(), **changed)
    assert metrics["steps"] == 20.0
    assert [p.name for p in (killed / "train").iterdir()] == [weights.WEIGHTS]
    one, other = _weights(whole), _weights(killed)
    assert set(one) == set(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_finished_training_is_not_done_again(base: Path, preferences: Path, prepared: Path, tmp_path: Path) -> None:
    run = _run(prepared, tmp_path)
    first = _train(base, preferences, run, world.dpo())
    lasting = {name: value for name, value in first.items() if name not in TIMES}
    assert _train(base, preferences, run, Dying(0)) == lasting
    with pytest.raises(KilledError):  # other settings are another training
        _train(base, preferences, run, Dying(0), rate=1e-3)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [_cut, _flip, lambda file: file.write_bytes(b"")])
def test_damaged_files_are_no_result(
    base: Path, preferences: Path, prepared: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    run = _run(prepared, tmp_path)
    with pytest.raises(KilledError):
        _train(base, preferences, run, Dying(7))
    damage(run / "train" / weights.CHECKPOINT)
    with pytest.raises(KilledError):
        _train(base, preferences, run, Dying(1))  # begins anew
    assert weights.read(run / "train" / weights.CHECKPOINT) is None
    _train(base, preferences, run, world.dpo())
    damage(run / "train" / weights.WEIGHTS)
    with pytest.raises(StepError, match="damaged"):
        _score(base, preferences, run)
    with pytest.raises(KilledError):
        _train(base, preferences, run, Dying(0))


def test_disk_full_in_the_middle(
    base: Path, preferences: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run(prepared, tmp_path)

    def full(tensors: Any, path: Path, metadata: Any) -> None:
        del tensors, metadata
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "save_file", full)
    with pytest.raises(StepError, match="cannot be written") as caught:
        _train(base, preferences, run, world.dpo())
    assert caught.value.fault == "user"
    assert not list((run / "train").iterdir())


@pytest.mark.parametrize("where", ["value", "gradient"])
def test_a_loss_that_blows_up_is_told_and_never_crashes(
    base: Path, preferences: Path, prepared: Path, tmp_path: Path, where: str
) -> None:
    run, calls = _run(prepared, tmp_path), []

    def blow(pc: torch.Tensor, pr: torch.Tensor, rc: torch.Tensor, rr: torch.Tensor, beta: float) -> torch.Tensor:
        calls.append(1)
        value = -torch.nn.functional.logsigmoid(beta * (pc - pr - rc + rr))
        if len(calls) <= 5:
            return value
        if where == "value":
            return value * float("nan")
        return value + torch.sqrt((pc - pc.detach()).abs())  # 0, and its slope is infinite

    metrics = _train(base, preferences, run, TrustedLoss(blow))
    assert metrics["finite"] == 0.0
    assert metrics["steps"] == 5.0
    assert len(calls) == 6
    assert all(torch.isfinite(tensor).all() for tensor in _weights(run).values()), "the weights before that step"
    assert math.isfinite(_score(base, preferences, run)["accuracy"])


def test_weights_that_are_not_finite_score_the_worst(
    base: Path, preferences: Path, prepared: Path, tmp_path: Path
) -> None:
    run = _run(prepared, tmp_path)
    (run / "train").mkdir()
    tensors = weights.trained(models.load(base, Settings(), "cpu"))
    tensors["model.norm.weight"][0] = math.nan
    weights.write(run / "train" / weights.WEIGHTS, tensors, {})
    metrics = _score(base, preferences, run)
    assert metrics["accuracy"] == 0.0
    assert metrics["kl"] == math.inf
    assert (run / "score" / "samples.jsonl").read_text() == ""


def test_weights_of_another_model(base: Path, preferences: Path, prepared: Path, tmp_path: Path) -> None:
    run = _run(prepared, tmp_path)
    (run / "train").mkdir()
    other = weights.trained(models.load(world.model(tmp_path / "wide", width=48), Settings(), "cpu"))
    weights.write(run / "train" / weights.WEIGHTS, other, {})
    with pytest.raises(StepError, match="belong to another model"):
        _score(base, preferences, run)


def test_what_the_loss_is_given(base: Path, preferences: Path, prepared: Path, tmp_path: Path) -> None:
    run, seen = _run(prepared, tmp_path), []

    class Looking:
        smallest = 4

        def __call__(self, *args: Any, **named: Any) -> torch.Tensor:
            seen.append((args, named))
            return world.dpo()(*args, **named)

    told: list[Progress] = []
    job = world.job(Step.TRAIN, base, preferences, run)
    finetune.train(job, Looking(), told.append)
    assert [named["progress"] for _, named in seen] == [step / 20 for step in range(20)]
    assert all(vector.shape == (4,) and vector.dtype == torch.float32 for args, _ in seen for vector in args[:4])
    assert all(args[4] == 0.5 for args, _ in seen)
    part = store.load(run / "prepare").train
    known = {(len(p.chosen), len(p.rejected), *r) for p, r in zip(part.pairs, part.reference.tolist(), strict=True)}
    for args, named in seen:
        columns = (named["chosen_lengths"], named["rejected_lengths"], args[2], args[3])
        rows = zip(*(column.tolist() for column in columns), strict=True)
        assert all((int(a), int(b), c, d) in known for a, b, c, d in rows), "lengths and references of one pair"
    assert [p.done for p in told if p.what == "training"] == list(range(1, 21))
    assert {"loss", "grad_norm", "accuracy", "margin"} == set(told[-1].curve)


def test_a_loss_that_needs_more_pairs(base: Path, preferences: Path, prepared: Path, tmp_path: Path) -> None:
    loss = replace_smallest(world.dpo(), 5)
    with pytest.raises(StepError, match="needs 5 pairs at a time") as caught:
        _train(base, preferences, _run(prepared, tmp_path), loss)
    assert caught.value.fault == "user"


def replace_smallest(loss: TrustedLoss, smallest: int) -> TrustedLoss:
    loss.smallest = smallest
    return loss


def test_adapters_for_modules_that_are_not_there(base: Path, preferences: Path, prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="adapters do not fit") as caught:
        _train(base, preferences, _run(prepared, tmp_path), world.dpo(), lora_rank=4, lora_targets="nothing")
    assert caught.value.fault == "user"


def test_each_epoch_is_a_new_shuffle_of_all_pairs(prepared: Path) -> None:
    from harness.trainer.finetune.trainer import planned

    settings = Settings.of({**world.SETTINGS, "epochs": 2.5})
    whole = planned(len(store.load(prepared / "prepare").train.pairs), settings, 3)
    assert whole.steps == 50
    assert whole.warmup == 5
    assert sorted(whole.order[:80]) == sorted(whole.order[80:160]) == list(range(80))
    assert whole.order[:80] != whole.order[80:160]
    assert replace(whole, begun=20).rest == whole.order[80:]
    larger = planned(80, replace(settings, step_pairs=8), 3)
    assert larger.order == whole.order
    assert larger.steps == 25
