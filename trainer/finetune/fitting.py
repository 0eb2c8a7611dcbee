"""The second step: train with the loss that was handed in, and leave the trained weights."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from transformers import PrinterCallback

from harness.core.files import remove_halves
from harness.protocol.job import TIMES, StepError
from harness.trainer.finetune import model as models
from harness.trainer.finetune import store, weights
from harness.trainer.finetune.settings import Settings
from harness.trainer.finetune.tokens import load_tokenizer
from harness.trainer.finetune.trainer import DivergedError, OracleTrainer, Plan, arguments, identity, planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Job, Say
    from harness.trainer.finetune.store import Part
    from harness.trainer.tasks import PairLoss


def train(job: Job, loss: PairLoss, say: Say) -> Mapping[str, float]:
    """Train on `job.data`; leave `weights.safetensors` in `job.out`, and go on from a checkpoint that lies there.

    Gives `finite` (1, or 0 where the loss or its gradients stopped being finite: the weights are then those before that
    step), `steps` that were taken, and `seconds_per_step` (of this process alone). Under a launcher of several ranks
    each of them calls this with a loss of its own, and the first one writes.
    """
    settings, out = Settings.of(job.settings), Path(job.out)
    if loss.smallest > settings.batch:
        said = f"this loss needs {loss.smallest} pairs at a time, and batch is {settings.batch}"
        raise StepError(said, fault="user", remedy="raise batch")
    model = models.folder(job, "model")
    prepared = store.load(Path(job.data))
    ranks = _ranks()
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if job.device == "cuda" else job.device  # the GPU of this rank
    store.check(prepared, model, settings, job.device)
    which = identity(settings, prepared.key, job.seed, ranks)
    finished = weights.read(out / weights.WEIGHTS)
    if finished and finished[1].get("identity") == which:
        return {name: float(value) for name, value in finished[1]["metrics"].items()}
    del finished
    models.check_disk(out, model, settings)
    whole = planned(len(prepared.train.pairs), settings, job.seed)
    if settings.step_pairs % (settings.batch * ranks):
        said = f"{settings.step_pairs} pairs a step cannot be shared by {ranks} devices with {settings.batch} at a time"
        raise StepError(said, fault="user", remedy="make step_pairs a multiple of batch times the number of devices")
    found = weights.read(out / weights.CHECKPOINT)
    begun = weights.steps_done(found, which, whole.steps)
    todo = replace(whole, begun=begun)
    keeper = weights.Keeper(out / weights.CHECKPOINT, todo, identity=which, every=settings.checkpoint, say=say)
    with tempfile.TemporaryDirectory() as scratch:
        held = models.load(model, settings, device)
        trainer = build(
            held, prepared.train, loss, todo, settings, job, callbacks=[keeper], scratch=scratch, device=device
        )
        models.check_memory(trainer.model, settings, device, ranks)
        keeper.attach(trainer, found if begun else None)
        del found
        metrics = _run(trainer, todo)
    _leave(trainer, out, which, metrics)
    return metrics


def build(
    held: Any,
    part: Part,
    loss: PairLoss,
    todo: Plan,
    settings: Settings,
    job: Job,
    *,
    callbacks: list[Any],
    scratch: str,
    device: str,
) -> OracleTrainer:
    """The trainer over prepared pairs, ready to run."""
    tokenizer = load_tokenizer(models.folder(job, "model"), conversational=False)
    torch.manual_seed(job.seed)  # new adapters begin with numbers that are drawn
    trainer = OracleTrainer(
        loss=loss,
        plan=todo,
        model=models.adapt(held, settings),
        args=arguments(settings, todo, seed=job.seed, device=device, scratch=scratch, ranks=_ranks()),
        train_dataset=dataset(part, todo.rest),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # stdout belongs to what a step tells
    return trainer


def dataset(part: Part, order: tuple[int, ...]) -> Dataset:
    """Pairs in the order of training, with the columns that the trainer's batches are made of."""
    chosen, rejected = part.reference.unbind(dim=1)
    return Dataset.from_dict(
        {
            "prompt_ids": [list(part.pairs[i].prompt) for i in order],
            "chosen_ids": [list(part.pairs[i].chosen) for i in order],
            "rejected_ids": [list(part.pairs[i].rejected) for i in order],
            "ref_chosen_logps": [float(chosen[i]) for i in order],
            "ref_rejected_logps": [float(rejected[i]) for i in order],
        }
    )


def _run(trainer: OracleTrainer, todo: Plan) -> dict[str, float]:
    started, finite = time.perf_counter(), 1.0
    try:
        trainer.train()
    except DivergedError:
        finite = 0.0
    taken = trainer.state.global_step
    seconds = (time.perf_counter() - started) / max(taken, 1)
    return {"finite": finite, "steps": float(todo.begun + taken), "seconds_per_step": seconds}


def _leave(trainer: OracleTrainer, out: Path, which: str, metrics: dict[str, float]) -> None:
    tensors = weights.trained(trainer.model)
    if not trainer.accelerator.is_main_process:
        return
    # What was told of the clock would make other bytes of the same weights each time.
    lasting = {name: value for name, value in metrics.items() if name not in TIMES}
    weights.write(out / weights.WEIGHTS, tensors, {"identity": which, "metrics": lasting})
    (out / weights.CHECKPOINT).unlink(missing_ok=True)
    remove_halves(out)  # nothing but weights is a result


def _ranks() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))
