"""The three steps of the supervised task: what `Task` asks for."""

from harness.trainer.images.data import prepare
from harness.trainer.images.fit import score, train

__all__ = ["prepare", "score", "train"]
