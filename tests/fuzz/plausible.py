"""Which bytes an honest sandbox can say, decided a second time and from the layout alone."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from honest import FACTS, HAS_ECHO, NO_GRADIENT, OMITTED, SENT, STATUS

from harness.sandbox.confinement import ALL_FLAGS

if TYPE_CHECKING:
    from honest import Asked

    from harness.protocol.batch_types import PairBatch


def ready_words(payload: bytes) -> tuple[str, ...] | None:
    """The two versions in a READY that an honest sandbox can say, else None."""
    facts, words = payload[: FACTS.size], payload[FACTS.size :]
    # Flags of two bytes, of which not all are in use; a byte, and then two, that only fill.
    if int.from_bytes(facts[:2], "little") & ~ALL_FLAGS:
        return None
    if len(facts) < FACTS.size or facts[3] or facts[14:16] != bytes(2) or len(words) > 100:
        return None
    parts = words.split(b" ")
    printable = all(part and all(32 < byte < 127 for byte in part) for part in parts)
    return tuple(part.decode("ascii") for part in parts) if len(parts) == 2 and printable else None


def can_be_said(payload: bytes, asked: Asked) -> bool:
    """Whether an honest sandbox can answer this request with these bytes."""
    for batch in asked.batches:
        length = complaint_length(payload) or _answer_length(payload, batch, echo=asked.echo)
        if not length or length > len(payload):
            return False
        payload = payload[length:]
    return not payload


def complaint_length(data: bytes) -> int:
    """How long the complaint is that begins here; 0 where none does."""
    if len(data) < 11 or data[0] not in STATUS:
        return 0
    kind, message = struct.unpack_from("<HI", data, 5)
    return 11 + kind + message if kind <= 100 and message <= 4000 else 0


def _answer_length(data: bytes, batch: PairBatch, *, echo: bool) -> int:
    """How long the answer is that begins here; 0 where none does."""
    if len(data) < 8 or data[0] != 0:
        return 0
    dimensions, code, flags, count = struct.unpack_from("<BBBI", data, 1)
    if dimensions > 8 or code > 1 or flags > 7 or bool(flags & HAS_ECHO) != echo or len(data) < 8 + 4 * dimensions:
        return 0
    shape = struct.unpack_from(f"<{dimensions}I", data, 8)
    values = 1 if shape == () else batch.pairs if shape == (batch.pairs,) else 0
    if count != values or bool(flags & OMITTED) != (values == 0):
        return 0
    sent = batch.policy_chosen.dtype.itemsize
    begin = 8 + 4 * dimensions + values * (4, 8)[code]
    end = begin + (2 * batch.pairs if values else 0) * sent
    if flags & NO_GRADIENT and (not values or any(data[begin:end])):
        return 0
    return end + (len(SENT) * batch.pairs if echo else 0) * sent
