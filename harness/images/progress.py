"""How the builder tells what it is doing; where the words go is the caller's business."""

from __future__ import annotations

from typing import Protocol


class Say(Protocol):
    """Take one short line about the step that begins now."""

    def __call__(self, line: str, /) -> None:
        """Show or drop the line."""


def silent(_line: str, /) -> None:
    """Drop the line."""
