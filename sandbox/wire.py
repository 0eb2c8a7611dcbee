"""Frames over two file descriptors: the sandbox's half of the wire.

Covered: exact reads and writes, and the layout of every frame. Not covered: strictness towards the
other side; the host is trusted here, and the host checks what comes back (`harness/protocol/wire.py`).

A frame is a header (magic, kind, sequence number, payload length) and a payload. Numbers are
little-endian; tensors are raw float32, float64 or int64, by rows. A reply repeats the sequence number of its request.
"""

from __future__ import annotations

import os
import struct

MAGIC = b"HRN1"
HEADER = struct.Struct("<4sB3xII")  # magic, kind, sequence number, payload length

# Requests, host to sandbox.
LOAD, START, EVAL, STOP, MARK = 1, 2, 3, 4, 5
# Replies, sandbox to host. READY is a request as well: to say it again.
READY, LOADED, STARTED, ANSWER, FAULT, ENDED = 16, 17, 18, 19, 20, 21

# One batch of an EVAL request: dtype, flags, 0; then the size of each dimension and each number that the loss is given
# (`batch_struct`), and its tensors. LOAD has said which those are, in which order. Where several were put into one: how
# many, and the rows of each.
BATCH = "<BBH"
F32, F64 = 0, 1
ECHO, IN_PARTS, ON_GPU = 1, 2, 4

# One batch of an ANSWER: status, dimensions, dtype, flags, number of values; sizes, values, gradients follow.
RESULT = struct.Struct("<BBBBI")
OK, RAISED, WRONG_OUTPUT, FORBIDDEN = 0, 1, 2, 3
HAS_ECHO, NO_GRADIENT, OMITTED = 1, 2, 4
MAX_DIMENSIONS = 8
# A complaint (status other than OK, or a FAULT): line, then two texts, each behind its length.
COMPLAINT = struct.Struct("<IHI")
TYPE_CAP, MESSAGE_CAP = 100, 4000


def batch_struct(dimensions: int, scalars: int) -> struct.Struct:
    """What stands before the tensors of a batch, for a loss that is given so many numbers."""
    return struct.Struct(f"{BATCH}{dimensions}I{scalars}d")


def read_exactly(fd: int, size: int) -> bytes:
    """Read `size` bytes; raise EOFError where the other side is gone."""
    parts = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_frame(fd: int) -> tuple[int, int, bytes]:
    """Read one frame: kind, sequence number, payload."""
    magic, kind, sequence, length = HEADER.unpack(read_exactly(fd, HEADER.size))
    if magic != MAGIC:
        raise EOFError
    return kind, sequence, read_exactly(fd, length)


def write_frame(fd: int, kind: int, sequence: int, payload: bytes = b"") -> None:
    """Write one frame."""
    data = memoryview(HEADER.pack(MAGIC, kind, sequence, len(payload)) + payload)
    while data:
        data = data[os.write(fd, data) :]


def complaint(kind: str, message: str, line: int) -> bytes:
    """Pack an exception's type, text and line, each within its cap."""
    name = kind.encode("utf-8", "replace")[:TYPE_CAP]
    text = message.encode("utf-8", "replace")[:MESSAGE_CAP]
    return COMPLAINT.pack(max(0, min(line, 0xFFFFFFFF)), len(name), len(text)) + name + text
