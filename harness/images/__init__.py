"""The sandbox image: made from a lock and a base without network, named by the digest of its inputs.

Importing this package costs the standard library alone; the Docker SDK is loaded by a build.
"""

from __future__ import annotations

from typing import Protocol

from harness.images.refs import ImageRef, current, current_tag

__all__ = ["ImageRef", "Say", "current", "current_tag", "silent"]


class Say(Protocol):
    """Take one short line about the step of a build that begins now; where the words go is the caller's business."""

    def __call__(self, line: str, /) -> None:
        """Show or drop the line."""


def silent(_line: str, /) -> None:
    """Drop the line."""
