"""Rung 2: offline preference learning on control tasks (the MuJoCo suite of arXiv 2411.06568).

A reference policy follows a mediocre controller. Pairs of trajectories from the same start are ranked by their true
returns, and the policy is trained on them with the candidate, from the reference on. Its score is its return, between
the reference's (0) and an expert's (1). Each data seed is trained on several preference sets and at several betas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Job, Say
    from harness.trainer.tasks import PairLoss

# What the steps need (torch, MuJoCo) is imported when a step is done: settings and pictures are for hosts without it.


def prepare(job: Job, say: Say) -> Mapping[str, float]:
    """Make the data of `job.seed` in `job.out`; see `harness.trainer.control.data`."""
    from harness.trainer.control import data, policy  # noqa: PLC0415 - see above

    policy.settle()
    return data.build(job, say)


def train(job: Job, loss: PairLoss, say: Say) -> Mapping[str, float]:
    """Train with the loss on every set and at every beta; see `harness.trainer.control.training`."""
    from harness.trainer.control import policy, training  # noqa: PLC0415 - see above

    policy.settle()
    return training.train(job, loss, say)


def score(job: Job, say: Say) -> Mapping[str, float]:
    """Score what was trained; see `harness.trainer.control.scoring`."""
    from harness.trainer.control import policy, scoring  # noqa: PLC0415 - see above

    policy.settle()
    return scoring.score(job, say)
