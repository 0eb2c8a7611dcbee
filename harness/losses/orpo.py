"""ORPO, odds ratio preference optimization.

Formula: -l_w + beta D(log odds(l_w) - log odds(l_r)), l the log-probability per token and
log odds(l) = l - log(1 - exp(l)).
Source: arXiv 2403.07691; beta is the paper's lambda, as in trl's ORPO trainer.
Variant: reference-free. The odds are unbounded at probability 1, so l is clamped to at most -1e-4 inside
them; the slope of that term is 0 beyond. The first term is over the answer, token by token and pair by pair; trl's
is one mean over all tokens of the batch, prompts included. A length counts as one token where it is less.
"""

import torch
import torch.nn.functional as F


def log_odds(logp: torch.Tensor) -> torch.Tensor:
    """Give log(p / (1 - p)) of log p (B,)."""
    logp = logp.clamp(max=-1e-4)
    return logp - torch.log(-torch.expm1(logp))


def orpo_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
    chosen_lengths: torch.Tensor,
    rejected_lengths: torch.Tensor,
) -> torch.Tensor:
    """Give the chosen answer's surprise and the logistic loss of the odds ratio.

    Takes four vectors (B,) in nats and tokens per completion (B,); returns values (B,).
    """
    del reference_chosen_logps, reference_rejected_logps  # this loss has no reference model
    chosen = policy_chosen_logps / chosen_lengths.clamp(min=1)
    rejected = policy_rejected_logps / rejected_lengths.clamp(min=1)
    return beta * F.softplus(log_odds(rejected) - log_odds(chosen)) - chosen
