"""The loss in trl's DPO trainer: `LossTrainer` in place of `DPOTrainer`, all else as trl has it.

It overrides the public `compute_loss`, and takes the log-probabilities from trl's own forward pass: what that is called
differs between versions, so that only the one below is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import trl

from harness.loss_export.module.loss import Loss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.loss_export.module.loss import Guard

VERSION = "1.16.0"
if trl.__version__ != VERSION:
    raise ImportError(f"this trainer is for trl {VERSION}, and trl {trl.__version__} is installed")

#: Settings that change trl's objective, and would change nothing here, with the values that they have to keep.
_OF_ITS_OBJECTIVE = {
    "loss_type": ["sigmoid"],
    "loss_weights": None,
    "label_smoothing": 0.0,
    "f_divergence_type": "reverse_kl",
    "ld_alpha": None,
    "use_weighting": False,
}


class LossTrainer(trl.DPOTrainer):
    """A `trl.DPOTrainer` whose objective is this folder's loss, at `args.beta`.

    Raises ValueError for settings that belong to another objective, and for batches that are too small for this one.
    """

    def __init__(self, *given: Any, guard: Guard = "raise", **named: Any) -> None:
        super().__init__(*given, **named)
        asked = {name: getattr(self.args, name) for name in _OF_ITS_OBJECTIVE}
        if other := [name for name, value in asked.items() if value != _OF_ITS_OBJECTIVE[name]]:
            raise ValueError(f"{', '.join(map(str, other))} would change nothing with this loss: leave it out")
        if self.aux_loss_enabled:
            raise ValueError("the router's auxiliary loss would be left out: set output_router_logits to False")
        self.candidate_loss = Loss(self.args.beta, guard=guard)
        smallest = self.candidate_loss.smallest_batch
        if self.args.per_device_train_batch_size < smallest:
            raise ValueError(f"this loss needs {smallest} pairs at a time: raise per_device_train_batch_size")
        if smallest > 1 and not self.args.dataloader_drop_last:
            raise ValueError(f"this loss needs {smallest} pairs at a time: set dataloader_drop_last=True")

    def compute_loss(
        self,
        model: Any,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the signature is the library's
        num_items_in_batch: Any = None,
    ) -> Any:
        """The candidate's mean loss over the pairs of one batch, a scalar."""
        del num_items_in_batch  # losses are means over pairs
        mask = inputs["completion_mask"]
        given = {
            k: v for k, v in inputs.items() if k not in {"completion_mask", "ref_chosen_logps", "ref_rejected_logps"}
        }
        given["use_cache"] = False
        labels = inputs["input_ids"].masked_fill(mask == 0, -100)
        outputs = model(**given, labels=labels, fused_lm_head=True)
        chosen, rejected = outputs.log_probs[:, 1 - mask.shape[1] :].sum(dim=1).chunk(2)
        if self.precompute_ref_logps:
            reference = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        else:
            reference = self.compute_ref_log_probs(self.model if self.ref_model is None else self.ref_model, inputs)
        sizes = mask.sum(dim=1).float().chunk(2)
        whole = max(self.state.max_steps, 1)
        loss = self.candidate_loss(
            chosen,
            rejected,
            *reference,
            chosen_lengths=sizes[0],
            rejected_lengths=sizes[1],
            progress=min(self.state.global_step / whole, 1.0),
        ).mean()
        self._tell(chosen.detach(), rejected.detach(), *reference)
        if not return_outputs:
            return loss
        with torch.no_grad():
            return loss, model(**given)

    def _tell(self, chosen: torch.Tensor, rejected: torch.Tensor, *reference: torch.Tensor) -> None:
        """The metrics of pairs that trl logs, by its names."""
        rewards = [self.args.beta * (mine - theirs) for mine, theirs in zip((chosen, rejected), reference, strict=True)]
        told = {
            "rewards/chosen": rewards[0],
            "rewards/rejected": rewards[1],
            "rewards/accuracies": (rewards[0] > rewards[1]).float(),
            "rewards/margins": rewards[0] - rewards[1],
            "logps/chosen": chosen,
            "logps/rejected": rejected,
        }
        for name, numbers in told.items():
            metrics = self._metrics["train" if self.model.training else "eval"]
            metrics[name].append(self.accelerator.gather(numbers).mean().item())
