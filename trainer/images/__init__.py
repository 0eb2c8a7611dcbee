"""The supervised rung: a network for images learns classes with the candidate, and is scored on images it never saw.

The embedded task is scikit-learn's digits with two layers of convolutions, seconds on a CPU. The paper's case study
(arXiv 2406.08414) is the same code with other settings: CIFAR-10, ResNet-18, five epochs, on files of the user's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.trainer.images.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Job, Say
    from harness.trainer.tasks import ClassLoss

# What the steps need (torch, scikit-learn) is imported when a step is done.


def prepare(job: Job, say: Say) -> Mapping[str, float]:
    """Choose the images of `job.seed` to train with and to hold back; see `harness.trainer.images.data`."""
    from harness.trainer.images import data  # noqa: PLC0415 - see above

    return data.prepare(job, Settings.of(job.settings), say)


def train(job: Job, loss: ClassLoss, say: Say) -> Mapping[str, float]:
    """Train a network with the loss; see `harness.trainer.images.fit`."""
    from harness.trainer.images import data, fit  # noqa: PLC0415 - see above

    settings = Settings.of(job.settings)
    return fit.fit(job, settings, data.opened(job, settings), loss, say)


def score(job: Job, say: Say) -> Mapping[str, float]:
    """The accuracy of what was trained on held images, and on test images where there are some."""
    from harness.trainer.images import data, fit  # noqa: PLC0415 - see above

    settings = Settings.of(job.settings)
    return fit.score(job, settings, data.opened(job, settings), Path(job.weights), say)
