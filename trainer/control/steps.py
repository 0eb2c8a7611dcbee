"""The three steps of the control task: what `Task` asks for."""

from harness.trainer.control.data import prepare
from harness.trainer.control.scoring import score
from harness.trainer.control.training import train

__all__ = ["prepare", "score", "train"]
