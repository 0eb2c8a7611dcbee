"""Honest bytes of the wire, written by hand, for tests to spoil."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.sandbox import wire as layout
from harness.subject.batches import plain

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch

BATCH = plain([1.0, -2.0, 0.5], 0.1)
DOUBLE = BATCH.astype(np.float64)


def answer(
    batch: PairBatch = BATCH,
    *,
    shape: tuple[int, ...] | None = None,
    code: int = layout.F32,
    flags: int = 0,
    count: int | None = None,
    echo: bool = False,
) -> bytes:
    """An ANSWER to one batch, as the sandbox would send it where nothing else is asked for."""
    shape = (batch.pairs,) if shape is None else shape
    expected = {(): 1, (batch.pairs,): batch.pairs}.get(shape, 0)
    flags |= (layout.HAS_ECHO if echo else 0) | (0 if expected else layout.OMITTED)
    head = layout.RESULT.pack(layout.OK, len(shape), code, flags, expected if count is None else count)
    sizes = b"".join(n.to_bytes(4, "little") for n in shape)
    values = np.arange(expected, dtype=np.float32 if code == layout.F32 else np.float64)
    gradients = np.linspace(-1, 1, 2 * batch.pairs if expected else 0).astype(batch.policy_chosen.dtype)
    after = b"".join(v.tobytes() for v in batch.tensors) if echo else b""
    return head + sizes + values.tobytes() + gradients.tobytes() + after


def complaint(status: int = layout.RAISED, kind: str = "ValueError", text: str = "no") -> bytes:
    """A complaint as the sandbox packs it."""
    return bytes([status]) + layout.complaint(kind, text, 7)
