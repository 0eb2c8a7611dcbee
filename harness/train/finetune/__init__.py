"""Rung 4: fine-tunes a Hugging Face model on a preference set, through trl's trainer, with the candidate's loss.

Inputs of a job: `model`, a folder as `save_pretrained` leaves it, and `preferences`, a file or a folder of the hub's
formats. Nothing is fetched, and nothing is sent: the libraries are told so before they are loaded.
"""

from __future__ import annotations

import os

# All three are read when the libraries are imported, so they have to stand before anything of theirs.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import datasets
from transformers.utils import logging

from harness.train.finetune.fitting import train
from harness.train.finetune.preparing import prepare
from harness.train.finetune.scoring import score

# A step tells its progress on its own lines.
datasets.disable_progress_bars()
logging.disable_progress_bar()

__all__ = ["prepare", "score", "train"]
