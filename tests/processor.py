"""A bound on the work of a test, in processor time: how long it takes is the host's business."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail where this process, and those that it began and that ended meanwhile, used more processor time."""
    before = sum(os.times()[:4])
    yield
    used = sum(os.times()[:4]) - before
    assert used < seconds, f"{used:.1f} seconds of processor"
