"""EXO for K answers (arXiv 2402.00856): the reverse KL from the policy's choice among the answers to the scores' own.

p = softmax of beta times the log-ratios, q = softmax of the scores, and the loss is KL(p || q), in nats. For two
answers with smoothed labels in place of scores it is the catalogue's `exo_pair`.
"""

import torch
import torch.nn.functional as F


def exo_k_loss(
    policy_logps: torch.Tensor, reference_logps: torch.Tensor, scores: torch.Tensor, beta: float
) -> torch.Tensor:
    """One value for each list, shape (B,); all tensors have the shape (B, K)."""
    log_p = F.log_softmax(beta * (policy_logps - reference_logps), dim=1)
    log_q = F.log_softmax(scores, dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)
