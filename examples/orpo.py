"""ORPO with a helper function; the loss is the public one."""

import torch
import torch.nn.functional as F


def _log_odds(mean_logp):
    # log(p / (1 - p)) has no bound at p = 1, so p stays a little below it.
    mean_logp = mean_logp.clamp(max=-1e-4)
    return mean_logp - torch.log(-torch.expm1(mean_logp))


def orpo_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
    rejected_lengths,
):
    chosen = policy_chosen_logps / chosen_lengths
    rejected = policy_rejected_logps / rejected_lengths
    log_odds_ratio = _log_odds(chosen) - _log_odds(rejected)
    return -chosen - beta * F.logsigmoid(log_odds_ratio)
