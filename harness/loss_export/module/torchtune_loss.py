"""The loss with the call form of torchtune's `DPOLoss`; torchtune itself is not needed.

From the folder above: `tune run RECIPE --config CONFIG loss._component_=FOLDER.torchtune_loss.TorchtuneLoss`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from harness.loss_export.module.loss import Loss

if TYPE_CHECKING:
    import torch

    from harness.loss_export.module.loss import Guard


class TorchtuneLoss(nn.Module):
    """Losses with the rewards of both completions.

    A recipe of torchtune gives four vectors of log-probabilities, or two objects (of the policy and of the reference)
    with `chosen_logps` and `rejected_logps`, as its recipes do from version 0.6 on. It gives neither lengths nor
    progress: who calls this otherwise may, by name.
    """

    def __init__(self, beta: float = 0.1, guard: Guard = "raise") -> None:
        super().__init__()
        self.loss = Loss(beta, guard=guard)

    def forward(self, *inputs: Any, **more: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Losses (B,), or () where the loss is one number for the batch; rewards of chosen and of rejected, (B,)."""
        if len(inputs) == 2:
            inputs = tuple(side for one in inputs for side in (one.chosen_logps, one.rejected_logps))
        losses = self.loss(*inputs, **more)
        policy_chosen, policy_rejected, reference_chosen, reference_rejected = inputs
        chosen = self.loss.beta * (policy_chosen - reference_chosen).detach()
        rejected = self.loss.beta * (policy_rejected - reference_rejected).detach()
        return losses, chosen, rejected
