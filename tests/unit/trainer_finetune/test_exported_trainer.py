"""An exported loss in trl's trainer: the same weights as trl's own losses, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import finetune_world as world
import pytest
import torch
import trl
from datasets import Dataset
from export_samples import exported, imported

from harness.loss_export.built_in import KNOWN
from harness.losses import source_text
from harness.trainer.finetune import model as models
from harness.trainer.finetune import weights
from harness.trainer.finetune.settings import Settings
from harness.trainer.finetune.tokens import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.attestation.keys import Keyring

STEPS = 6


def config(scratch: Path, **changes: Any) -> trl.DPOConfig:
    told: dict[str, Any] = {
        "beta": 0.5,
        "per_device_train_batch_size": 4,
        "max_steps": STEPS,
        "learning_rate": 1e-3,
        "use_cpu": True,
        "bf16": False,
        "seed": 3,
        "disable_dropout": True,
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_steps": 1,
        "dataloader_pin_memory": False,
    }
    return trl.DPOConfig(output_dir=str(scratch), **(told | changes))


def trainer(kind: Callable[..., Any], base: Path, args: trl.DPOConfig, **more: Any) -> Any:
    settings = Settings.of(world.SETTINGS)
    rows = [{k: row[k] for k in ("prompt", "chosen", "rejected")} for row in world.texts(4 * STEPS)]
    return kind(
        model=models.load(base, settings, "cpu"),
        ref_model=models.load(base, settings, "cpu"),
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=load_tokenizer(base, conversational=True),
        **more,
    )


@pytest.fixture
def dpo(tmp_path: Path, ring: Keyring) -> Any:
    """The trainer's module of exported DPO."""
    return imported(exported(tmp_path, ring, source_text("dpo").encode()), "trl_trainer")


@pytest.mark.parametrize("precomputed", [False, True])
def test_the_same_weights_as_the_built_in_sigmoid(base: Path, tmp_path: Path, dpo: Any, precomputed: bool) -> None:  # noqa: FBT001 - a parameter
    args: dict[str, Any] = {"precompute_ref_log_probs": precomputed}
    ours = trainer(dpo.LossTrainer, base, config(tmp_path / "ours", **args))
    stock = trainer(trl.DPOTrainer, base, config(tmp_path / "stock", **args))
    before = {name: t.clone() for name, t in weights.trained(ours.model).items()}
    ours.train()
    stock.train()
    assert ours.state.global_step == stock.state.global_step == STEPS
    after, theirs = weights.trained(ours.model), weights.trained(stock.model)
    assert max(float((after[n] - before[n]).abs().max()) for n in after) > 1e-3, "it did not train"
    assert max(float((after[n] - theirs[n]).abs().max()) for n in after) < 1e-6
    logged = [[entry for entry in one.state.log_history if "rewards/margins" in entry] for one in (ours, stock)]
    for mine, other in zip(*logged, strict=True):
        for name in ("loss", "rewards/chosen", "rewards/accuracies", "rewards/margins", "logps/rejected"):
            assert mine[name] == pytest.approx(other[name], abs=1e-4), name


#: One of rho, one of lengths, one with a setting of its own; `make test-rest` has the others.
QUICK = ("dpo", "ipo_norm", "lrml")


@pytest.mark.parametrize(
    "known",
    [pytest.param(one, id=one.name, marks=[] if one.name in QUICK else pytest.mark.rest) for one in KNOWN.values()],
)
def test_the_line_of_a_configuration_is_the_same_loss(base: Path, tmp_path: Path, ring: Keyring, known: Any) -> None:
    """On one batch, after the policy has moved: the loss and its gradients."""
    module = imported(exported(tmp_path, ring, source_text(known.name).encode()), "trl_trainer")
    changes = eval(known.config("0.5"), {"DPOConfig": lambda **told: told})  # noqa: S307 - our own line
    ours = trainer(module.LossTrainer, base, config(tmp_path / "ours"))
    stock = trainer(trl.DPOTrainer, base, config(tmp_path / "stock", **changes))
    batch = next(iter(stock.get_train_dataloader()))
    found = []
    for one in (ours, stock):
        with torch.no_grad():
            for parameter in one.model.parameters():
                parameter.mul_(1.05)
        loss = one.compute_loss(one.model, batch)
        loss.backward()
        gradient = torch.cat([p.grad.reshape(-1) for p in one.model.parameters() if p.grad is not None])
        found.append((loss.item(), gradient))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-2, atol=1e-4 * float(found[1][1].abs().max()))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"loss_type": "ipo"}, "loss_type would change nothing"),
        ({"label_smoothing": 0.1}, "label_smoothing would change nothing"),
        ({"f_divergence_type": "forward_kl"}, "f_divergence_type would change nothing"),
        ({"ld_alpha": 0.5}, "ld_alpha would change nothing"),
        ({"use_weighting": True}, "use_weighting would change nothing"),
    ],
)
def test_settings_of_another_objective_are_refused(
    base: Path, tmp_path: Path, dpo: Any, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        trainer(dpo.LossTrainer, base, config(tmp_path / "out", **changes))


def test_batches_that_are_too_small_are_refused(base: Path, tmp_path: Path, ring: Keyring) -> None:
    module = imported(exported(tmp_path, ring, source_text("dbaql").encode()), "trl_trainer")
    with pytest.raises(ValueError, match="raise per_device_train_batch_size"):
        trainer(module.LossTrainer, base, config(tmp_path / "out", per_device_train_batch_size=1))
    with pytest.raises(ValueError, match="dataloader_drop_last=True"):
        trainer(module.LossTrainer, base, config(tmp_path / "out"))
    made = trainer(module.LossTrainer, base, config(tmp_path / "out", dataloader_drop_last=True))
    assert made.candidate_loss.smallest_batch == 2


def test_it_is_given_lengths_and_progress(base: Path, tmp_path: Path, ring: Keyring) -> None:
    text = """
def loss(pc, pr, rc, rr, beta, chosen_lengths, progress):
    x = beta * ((pc - pr) - (rc - rr))
    return F.softplus(-x) * (1.0 + progress) + 0.001 * chosen_lengths
"""
    module = imported(exported(tmp_path, ring, text.encode()), "trl_trainer")
    made = trainer(module.LossTrainer, base, config(tmp_path / "out"))
    batch = next(iter(made.get_train_dataloader()))
    made.state.max_steps, made.state.global_step = 10, 5
    lengths = batch["completion_mask"].chunk(2)[0].sum(dim=1).float()
    assert made.compute_loss(made.model, batch).item() == pytest.approx(
        0.6931472 * 1.5 + 0.001 * float(lengths.mean()), abs=1e-5
    )


def test_a_diverged_step_is_stopped(base: Path, tmp_path: Path, dpo: Any) -> None:
    made = trainer(dpo.LossTrainer, base, config(tmp_path / "out"))
    with torch.no_grad():
        next(made.model.parameters()).fill_(float("nan"))
    with pytest.raises(ArithmeticError, match="the model has diverged already"):
        made.train()


def test_another_version_of_trl_is_refused(tmp_path: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = exported(tmp_path, ring)
    monkeypatch.setattr(trl, "__version__", "1.17.0")
    with pytest.raises(ImportError, match=r"for trl 1\.16\.0, and trl 1\.17\.0 is installed"):
        imported(folder, "trl_trainer")
