"""Behaviour cloning: the reference policy follows the medium controller, as a language model follows its corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.trainer.control.policy import Policy

if TYPE_CHECKING:
    from harness.trainer.control.rollout import Trajectories

_BATCH, _RATE = 512, 2e-3


def clone(shown: Trajectories, bins: int, hidden: int, steps: int) -> Policy:
    """Fit a policy to what was shown, by maximum likelihood. The same trajectories give the same weights."""
    where = shown.alive
    seen, taken = torch.from_numpy(shown.seen[where]), torch.from_numpy(shown.bins[where])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policy = Policy(seen.shape[1], taken.shape[1], bins, hidden)
    policy.mean.copy_(seen.mean(0))
    policy.scale.copy_(seen.std(0).clamp(min=1e-3))
    optimizer = torch.optim.Adam(policy.parameters(), lr=_RATE)
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
