"""trl's trainer with the objective taken out of it: `compute_loss` asks whoever answers for the candidate.

Overriding the public `compute_loss` is how trl wants objectives to be changed. The batch keys that it reads, and the
two steps of preparation that are left out, are held against the installed trl by a test (`test_contract.py`). Which
pairs come when is its plan: the whole order of a training, made beforehand from its seed.
"""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from trl import DPOConfig, DPOTrainer

from harness.core.digests import json_digest
from harness.trainer.finetune.asking import summed
from harness.trainer.finetune.model import computing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from harness.trainer.finetune.settings import Settings
    from harness.trainer.tasks import PairLoss


class DivergedError(Exception):
    """The loss or its gradients stopped being finite: what a candidate may do, and no fault of anybody's."""


class OracleTrainer(DPOTrainer):
    """Trains on tokens and reference log-probabilities that were prepared; `plan` says which pairs come when.

    Raises DivergedError on every rank before the optimizer takes a step that is not finite.
    """

    def __init__(self, *, loss: PairLoss, plan: Plan, **others: Any) -> None:
        self._pair_loss, self._plan = loss, plan
        self._finite = True
        self._sums: list[tuple[Tensor, Tensor]] = []
        super().__init__(**others)

    def compute_loss(
        self,
        model: Any,
        inputs: Mapping[str, Tensor],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the signature is the library's
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """The candidate's mean loss over the pairs of one batch, a scalar."""
        del return_outputs, num_items_in_batch  # nothing here evaluates, and losses are means over pairs
        with computing(str(self.args.device)):
            chosen, rejected = summed(model, inputs).chunk(2)
        references = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        sizes = inputs["completion_mask"].sum(dim=1).float().chunk(2)
        self._watch(chosen, rejected)
        loss = self._pair_loss(
            chosen,
            rejected,
            *references,
            self.args.beta,
            chosen_lengths=sizes[0],
            rejected_lengths=sizes[1],
            progress=self._plan.progress(self.state.global_step),
        )
        self._finite &= math.isfinite(float(loss.detach()))
        margins = (chosen - rejected - (references[0] - references[1])).detach()
        self._sums.append(((margins > 0).float().mean(), margins.mean()))
        self.agree()
        return loss

    def _watch(self, *policy: Tensor) -> None:
        """Notice gradients of the loss that are not finite, though its value is."""

        def look(gradient: Tensor) -> None:
            self._finite &= bool(torch.isfinite(gradient).all())

        for vector in policy:
            self._finite &= bool(torch.isfinite(vector.detach()).all())
            if vector.requires_grad:
                vector.register_hook(look)

    def agree(self) -> None:
        """All ranks stop where one has to: the others would wait for its gradients for ever.

        To be called again when the gradients of a step are together, and before it is taken.
        """
        if self.accelerator.num_processes > 1:
            here = torch.tensor(float(self._finite), device=self.accelerator.device)
            self._finite = bool(self.accelerator.gather(here).min() > 0)
        if not self._finite:
            raise DivergedError

    def curve(self) -> dict[str, float]:
        """Share of ordered pairs and mean margin (nats) since the last call, on this rank."""
        if not self._sums:
            return {}
        accuracy, margin = (torch.stack(column).mean().item() for column in zip(*self._sums, strict=True))
        self._sums.clear()
        return {"accuracy": accuracy, "margin": margin}

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The schedule of the whole training, also where only the rest of it is left to do."""
        del num_training_steps
        return super().create_scheduler(self._plan.steps, optimizer)

    # The two steps below would make what `prepare` has made already. If trl calls them otherwise one day, it asks for
    # columns that are not there, and fails at once.
    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


def arguments(settings: Settings, plan: Plan, *, seed: int, device: str, scratch: str, ranks: int) -> DPOConfig:
    """The settings in trl's words. Nothing is saved or sent by the library, and nothing is drawn by chance."""
    on_gpu = device.startswith("cuda")
    return DPOConfig(
        output_dir=scratch,
        beta=settings.beta,
        per_device_train_batch_size=settings.batch,
        gradient_accumulation_steps=settings.step_pairs // (settings.batch * ranks),
        max_steps=plan.left,
        learning_rate=settings.rate,
        lr_scheduler_type="cosine",
        warmup_steps=plan.warmup,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.clip,
        optim="adamw_torch",
        bf16=on_gpu,
        use_cpu=not on_gpu,
        gradient_checkpointing=bool(settings.gradient_checkpointing),
        seed=seed,
        max_length=None,
        # Adapters answer for the reference by being switched off, so trl asks for no model of it.
        precompute_ref_log_probs=not settings.lora_rank,
        train_sampling_strategy="sequential",
        dataloader_drop_last=True,
        dataloader_pin_memory=on_gpu,
        disable_dropout=True,
        ddp_find_unused_parameters=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
    )


@dataclass(frozen=True)
class Plan:
    """`order` holds the index of every pair in the order of training, `rows` of them for each optimizer step.

    `steps` are all steps of the training, `begun` those that a checkpoint has already, `warmup` the first ones in
    which the rate grows.
    """

    order: tuple[int, ...]
    rows: int
    warmup: int
    begun: int = 0

    @property
    def steps(self) -> int:
        """All steps of the training."""
        return len(self.order) // self.rows

    @property
    def left(self) -> int:
        """Steps that are still to be taken."""
        return self.steps - self.begun

    @property
    def rest(self) -> tuple[int, ...]:
        """Indices of the pairs that are still to come."""
        return self.order[self.begun * self.rows :]

    def progress(self, taken: int) -> float:
        """The training fraction, from 0 to 1, when `taken` steps were taken since the training went on."""
        return min((self.begun + taken) / self.steps, 1.0)


def planned(pairs: int, settings: Settings, seed: int) -> Plan:
    """Each epoch is a new shuffle of all pairs; what does not fill a step at the end is left out."""
    draw = random.Random(seed)  # noqa: S311 - a draw that can be repeated, nothing secret
    rows = settings.step_pairs
    wanted = int(pairs * settings.epochs)
    order: list[int] = []
    while len(order) < wanted:
        epoch = list(range(pairs))
        draw.shuffle(epoch)
        order += epoch
    steps = wanted // rows
    return Plan(tuple(order[: steps * rows]), rows, math.ceil(settings.warmup * steps))


def identity(settings: Settings, key: dict[str, str], seed: int, ranks: int) -> str:
    """SHA-256 of what a training depends on besides its loss: a checkpoint of another one is no use."""
    what = {"settings": asdict(settings), "key": key, "seed": seed, "ranks": ranks}
    return json_digest(what)
