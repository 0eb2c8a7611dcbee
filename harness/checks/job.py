"""A candidate to check, as the command names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Job:
    """A candidate to check, and its place in the report."""

    place: int
    path: Path
    shown: str
