"""The policy: a softmax over bins for each dimension of the action, so that log-probabilities are true ones.

With densities, log-ratios would be unbounded and betas would mean something else than they do for language models. The
reference policy is cloned: it follows the medium controller, as a language model follows its corpus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.trainer.control.rollout import Actor, Trajectories

_BATCH, _RATE = 512, 2e-3


class Policy(nn.Module):
    """Two hidden layers. Observations are standardised by `mean` and `scale`, shape (O,), kept as buffers."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, observation_size: int, action_size: int, bins: int, hidden: int) -> None:
        super().__init__()
        self.action_size, self.bins = action_size, bins
        self.register_buffer("mean", torch.zeros(observation_size))
        self.register_buffer("scale", torch.ones(observation_size))
        self.layers = nn.Sequential(
            nn.Linear(observation_size, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, action_size * bins),
        )

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of all bins in nats, shape (..., D, K), from observations (..., O)."""
        return self._logits(seen).log_softmax(-1)

    def of_bins(self, seen: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
        """Log-probability of the bins that were taken, (..., D), summed over dimensions: shape (...)."""
        logits = self._logits(seen)
        taken = logits.gather(-1, bins.long().unsqueeze(-1)).squeeze(-1)
        # The same as gathering from `forward`, and on one core a third faster.
        return (taken - logits.logsumexp(-1)).sum(-1)

    def of_trajectories(self, seen: torch.Tensor, bins: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
        """Log-probability of whole trajectories in nats: (N,) from (N, T, O), (N, T, D) and (N, T)."""
        return (self.of_bins(seen, bins) * alive).sum(-1)

    def _logits(self, seen: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers((seen - self.mean) / self.scale)
        return logits.unflatten(-1, (self.action_size, self.bins))


def sampler(policy: Policy) -> Actor:
    """Let it act: Gumbel's trick, so that the same noise gives similar actions to similar policies."""

    def actor(seen: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.uint8]:
        with torch.no_grad():
            now = policy(torch.from_numpy(seen.astype(np.float32))).double().numpy()
        noisy: NDArray[np.float64] = now - np.log(-np.log(np.clip(uniform, 1e-300, 1.0 - 2.0**-53)))
        return noisy.argmax(axis=-1).astype(np.uint8)

    return actor


def clone(shown: Trajectories, bins: int, hidden: int, steps: int) -> Policy:
    """Fit a policy to what was shown, by maximum likelihood. The same trajectories give the same weights."""
    where = shown.alive
    seen, taken = torch.from_numpy(shown.seen[where]), torch.from_numpy(shown.bins[where])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policy = Policy(seen.shape[1], taken.shape[1], bins, hidden)
    policy.mean.copy_(seen.mean(0))
    policy.scale.copy_(seen.std(0).clamp(min=1e-3))
    optimizer = torch.optim.Adam(policy.parameters(), lr=_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=steps)
    draw = np.random.Generator(np.random.PCG64([0, 21]))
    for _ in range(steps):
        index = torch.from_numpy(draw.integers(len(seen), size=_BATCH))
        loss = -policy.of_bins(seen[index], taken[index]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return policy
