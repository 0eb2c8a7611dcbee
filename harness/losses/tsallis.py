"""Tsallis mirror map in place of DPO's logarithm.

Formula: D(beta [f(pi_w) - f(ref_w)] - beta [f(pi_l) - f(ref_l)]), f(p) = q p^(q - 1) / (q - 1), q = 0.5.
Source: arXiv 2411.06568 (mirror preference optimization).
Variant: p is the geometric mean probability per token, clamped to [1e-8, 1 - 1e-8] as the authors do; the
slope is 0 outside. f is evaluated from log p, which does not underflow.
"""

import math

import torch
import torch.nn.functional as F

Q = 0.5
LOWEST = math.log(1e-8)
HIGHEST = math.log1p(-1e-8)


def mirror(logps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Give f of the mean probability per token, for summed log-probabilities (B,) and lengths (B,)."""
    per_token = (logps / lengths.clamp(min=1)).clamp(LOWEST, HIGHEST)
    return Q / (Q - 1) * torch.exp((Q - 1) * per_token)


def tsallis_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
    chosen_lengths: torch.Tensor,
    rejected_lengths: torch.Tensor,
) -> torch.Tensor:
    """Give the logistic loss of the margin under the mirror map.

    Takes four vectors (B,) in nats and tokens per completion (B,); returns values (B,).
    """
    chosen = mirror(policy_chosen_logps, chosen_lengths) - mirror(reference_chosen_logps, chosen_lengths)
    rejected = mirror(policy_rejected_logps, rejected_lengths) - mirror(reference_rejected_logps, rejected_lengths)
    return F.softplus(-beta * (chosen - rejected))
