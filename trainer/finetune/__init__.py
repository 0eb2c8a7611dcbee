"""Rung 4: fine-tunes a Hugging Face model on a preference set, through trl's trainer, with the candidate's loss.

Inputs of a job: `model`, a folder as `save_pretrained` leaves it, and `preferences`, a file or a folder of the hub's
formats. Nothing is fetched, and nothing is sent: the libraries are told so before they are loaded.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Job, Say
    from harness.trainer.tasks import PairLoss

# What the steps need (torch, transformers, trl) is imported when a step is done: settings are for hosts without it.


def _settle() -> None:
    """Keep the libraries off the network, and from drawing: a step tells its progress on its own lines."""
    # All three are read when the libraries are imported, so they have to stand before anything of theirs.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import datasets  # noqa: PLC0415 - see above
    from transformers.utils import logging  # noqa: PLC0415 - as above

    datasets.disable_progress_bars()
    logging.disable_progress_bar()


def prepare(job: Job, say: Say) -> Mapping[str, float]:
    """Read the pairs, ask the reference; see `harness.trainer.finetune.preparing`."""
    _settle()
    from harness.trainer.finetune import preparing  # noqa: PLC0415 - see above

    return preparing.prepare(job, say)


def train(job: Job, loss: PairLoss, say: Say) -> Mapping[str, float]:
    """Fine-tune; see `harness.trainer.finetune.fitting`."""
    _settle()
    from harness.trainer.finetune import fitting  # noqa: PLC0415 - see above

    return fitting.train(job, loss, say)


def score(job: Job, say: Say) -> Mapping[str, float]:
    """Score what was trained; see `harness.trainer.finetune.scoring`."""
    _settle()
    from harness.trainer.finetune import scoring  # noqa: PLC0415 - see above

    return scoring.score(job, say)
