"""The answers of a trained model that a task leaves for a judge: small, and kept when the weights are not."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from harness.ledger.documents import MOST_BYTES

if TYPE_CHECKING:
    from pathlib import Path

#: The file that a task leaves beside its score; see `harness.trainer.finetune.scoring`.
SAMPLES = "samples.jsonl"


def whole_lines(path: Path, most: int = MOST_BYTES) -> bytes:
    """The first whole lines of a plain file, `most` bytes of it; nothing where there is no such file.

    A container wrote it: a link is not followed, and a pipe is not waited for.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        data = file.read(most)
    return data[: data.rfind(b"\n") + 1]
