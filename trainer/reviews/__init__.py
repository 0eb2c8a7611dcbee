"""Rung 3, controlled generation: a language model learns to write positive reviews from preference pairs.

The paper's sentiment task (arXiv 2406.08414, section on controlled generation) in two sizes. The embedded one needs
nothing from outside: reviews of a grammar, a small GPT-2, VADER as the judge. The other works on the user's files, such
as gpt2-imdb with the IMDb preference set and a classifier. Reward alone is fooled by a loss that leaves the language
behind, so divergence from the reference, grammar and length are measured with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Job, Say
    from harness.trainer.tasks import PairLoss

# What the steps need (torch, transformers) is imported when a step is done: settings are for hosts without it.


def prepare(job: Job, say: Say) -> Mapping[str, float]:
    """Make material, reference and its log-probabilities in `job.out`; see `harness.trainer.reviews.steps`."""
    from harness.trainer.reviews import steps  # noqa: PLC0415 - see above

    return steps.prepare(job, say)


def train(job: Job, loss: PairLoss, say: Say) -> Mapping[str, float]:
    """Train one policy for each beta; see `harness.trainer.reviews.steps`."""
    from harness.trainer.reviews import steps  # noqa: PLC0415 - see above

    return steps.train(job, loss, say)


def score(job: Job, say: Say) -> Mapping[str, float]:
    """Score the policies of all betas; see `harness.trainer.reviews.steps`."""
    from harness.trainer.reviews import steps  # noqa: PLC0415 - see above

    return steps.score(job, say)
