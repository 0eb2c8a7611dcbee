"""The steps of a fine-tune, answering among them. A step tells its progress itself: libraries draw no bars."""

import datasets
from transformers.utils import logging

from harness.trainer.finetune.answering import answer
from harness.trainer.finetune.fitting import train
from harness.trainer.finetune.preparing import prepare
from harness.trainer.finetune.scoring import score

datasets.disable_progress_bars()
logging.disable_progress_bar()

__all__ = ["answer", "prepare", "score", "train"]
