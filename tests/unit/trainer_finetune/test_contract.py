"""What we rely on in the installed trl: whoever raises its pin sees here what has changed."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import finetune_world as world
import pytest
import trl
from datasets import Dataset
from trl.trainer.dpo_trainer import DataCollatorForPreference

from harness.protocol.job import Step
from harness.trainer.finetune import fitting, store, weights
from harness.trainer.finetune import model as models
from harness.trainer.finetune.settings import Settings
from harness.trainer.finetune.tokens import load_tokenizer
from harness.trainer.finetune.trainer import OracleTrainer, arguments, planned

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.trainer.finetune.trainer import Plan

STEPS = 20
SETTINGS = Settings.of(dict(world.SETTINGS) | {"epochs": 1.0, "rate": 1e-3})


def test_version() -> None:
    assert trl.__version__ == "1.16.0"


def test_batches_have_the_keys_that_we_read() -> None:
    example: dict[str, Any] = {"prompt_ids": [1, 2], "chosen_ids": [3], "rejected_ids": [4, 5]}
    example |= {"ref_chosen_logps": -1.0, "ref_rejected_logps": -2.0}
    batch = DataCollatorForPreference(pad_token_id=0)([example])
    names = {"input_ids", "attention_mask", "completion_mask", "ref_chosen_logps", "ref_rejected_logps"}
    assert set(batch) == names
    assert batch["input_ids"].tolist() == [[1, 2, 3, 0], [1, 2, 4, 5]]
    assert batch["completion_mask"].tolist() == [[0, 0, 1, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize("name", ["compute_loss", "_prepare_dataset", "_precompute_ref_logps", "create_scheduler"])
def test_what_is_overridden_exists(name: str) -> None:
    assert callable(getattr(trl.DPOTrainer, name))
    assert name in vars(OracleTrainer)


def test_objective_is_given_to_compute_loss() -> None:
    names = list(inspect.signature(trl.DPOTrainer.compute_loss).parameters)
    assert names == ["self", "model", "inputs", "return_outputs", "num_items_in_batch"]


def _ours(base: Path, part: store.Part, todo: Plan, scratch: Path, settings: Settings) -> OracleTrainer:
    job = world.job(Step.TRAIN, base, base, scratch)
    held = models.load(base, settings, "cpu")
    return fitting.build(held, part, world.dpo(), todo, settings, job, callbacks=[], scratch=str(scratch), device="cpu")


def _stock(base: Path, rows: list[dict[str, Any]], todo: Plan, scratch: Path, settings: Settings) -> Any:
    """trl as it comes: it tokenizes the set itself, and holds the reference in memory."""
    config = arguments(settings, todo, seed=3, device="cpu", scratch=str(scratch), ranks=1)
    config.max_length, config.precompute_ref_log_probs = settings.max_length, False
    return trl.DPOTrainer(
        model=models.load(base, settings, "cpu"),
        ref_model=models.load(base, settings, "cpu"),
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=load_tokenizer(base, conversational=True),
    )


@pytest.mark.parametrize(
    ("rows", "accumulation"), [(world.conversations, 1), (world.texts, 2)], ids=["conversations", "texts-accumulated"]
)
def test_same_weights_as_the_built_in_sigmoid(
    base: Path, tmp_path: Path, rows: Callable[[int], list[dict[str, Any]]], accumulation: int
) -> None:
    settings = replace(SETTINGS, batch=4 // accumulation)
    made: list[dict[str, Any]] = [
        {k: row[k] for k in ("prompt", "chosen", "rejected") if k in row} for row in rows(STEPS * 4 + 16)
    ]
    (tmp_path / "p").mkdir()
    file = world.jsonl(tmp_path / "p" / "train.jsonl", made)
    world.jsonl(tmp_path / "p" / "test.jsonl", made[:16])
    changed: dict[str, Any] = {"batch": settings.batch, "rate": settings.rate}
    job = world.job(Step.PREPARE, base, file.parent, tmp_path / "run", **changed)
    from harness.trainer.finetune import steps as finetune

    finetune.prepare(job, world.silent)
    part = store.load(Path(job.out)).train
    todo = planned(len(part.pairs), settings, 3)
    assert todo.steps > STEPS
    todo = replace(todo, order=todo.order[: STEPS * todo.rows])

    ours = _ours(base, part, todo, tmp_path / "ours", settings)
    stock = _stock(base, [made[part.pairs[i].row - 1] for i in todo.order], todo, tmp_path / "stock", settings)
    for name in ("prompt_ids", "chosen_ids", "rejected_ids"):
        assert stock.train_dataset[name][:] == ours.train_dataset[name][:]
    ours.train()
    stock.train()
    assert ours.state.global_step == stock.state.global_step == STEPS
    before = weights.trained(models.load(base, settings, "cpu").requires_grad_(requires_grad=True))
    after, theirs = weights.trained(ours.model), weights.trained(stock.model)
    assert max(float((after[n] - before[n]).abs().max()) for n in after) > 1e-3, "it did not train"
    assert max(float((after[n] - theirs[n]).abs().max()) for n in after) < 1e-4


def test_reference_is_what_the_model_gives_when_the_training_begins(base: Path, prepared: Path, tmp_path: Path) -> None:
    part = store.load(prepared / "prepare").train
    todo = planned(len(part.pairs), SETTINGS, 3)
    trainer = _ours(base, part, todo, tmp_path, SETTINGS)
    batch = next(iter(trainer.get_train_dataloader()))
    loss = trainer.compute_loss(trainer.model, batch)
    assert loss.item() == pytest.approx(0.693147, abs=1e-5)
    assert loss.requires_grad
