"""The answers of a trained model that a task leaves for a judge: small, and kept when the weights are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.files import read_bytes
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
        data = read_bytes(path, most, cut=True)
    except OSError:
        return b""
    return data[: data.rfind(b"\n") + 1]
