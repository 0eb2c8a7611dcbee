"""Pieces of a long preparation, each kept as soon as it is there: one that was killed goes on, and to the same bits.

They lie in the folder that the preparation fills, and are gone when it is full. A piece of other settings, or one that
a disk has spoiled, is made again: what they hold can always be made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.protocol.job import StepError
from harness.trainer import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.trainer.checkpoint import Tree

_NAME = "piece-{}.safetensors"


class Pieces:
    """The pieces in a folder. `purpose` says what they are for, down to the last setting that they depend on."""

    def __init__(self, folder: Path, purpose: str) -> None:
        self._folder, self._purpose = folder, purpose

    def known(self, name: str) -> Tree | None:
        """A piece, if it is there and of use."""
        path = self._folder / _NAME.format(name)
        try:
            tree = checkpoint.load(path)
            return tree["piece"] if tree is not None and tree["purpose"] == self._purpose else None
        except (StepError, KeyError, TypeError):
            return None

    def keep(self, name: str, piece: Tree) -> None:
        """Keep a piece; the one before of that name is gone. Raises StepError where the disk is full."""
        checkpoint.save(self._folder / _NAME.format(name), {"purpose": self._purpose, "piece": piece})

    def get(self, name: str, make: Callable[[], Tree]) -> Tree:
        """A piece, made where it is not known."""
        piece = self.known(name)
        if piece is None:
            piece = make()
            self.keep(name, piece)
        return piece

    def clear(self) -> None:
        """All is there: the pieces are needed no more."""
        for path in self._folder.glob(_NAME.format("*")):
            path.unlink()
