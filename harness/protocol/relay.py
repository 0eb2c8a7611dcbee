"""The wire between a trainer and the host: frames as between host and sandbox, and checked as strictly.

    trainer --HELLO rank--> host     host --WELCOME smallest--> trainer
    trainer --ASK batch--> host      host --TOLD answer--> trainer, or FAILED with a reason, which ends it

A batch is packed as it is for a sandbox (`harness.protocol.wire`), an answer as a sandbox packs it; so what reads
answers is the same code on both ways.
"""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.protocol.batch import MAX_PAIRS, Answer, Batch, Complaint
from harness.protocol.frames import HEADER, Reader, WireError
from harness.protocol.job import StepError
from harness.protocol.wire import pack_batches, parse_answers
from harness.sandbox import wire as layout

if TYPE_CHECKING:
    import socket

# Far from the numbers between host and sandbox, so that neither is ever taken for the other.
HELLO, ASK = 33, 34
WELCOME, TOLD, FAILED = 48, 49, 50
#: First word of HELLO: a trainer image of another time is told so.
VERSION = 1
GREETING = struct.Struct("<HHI")  # version, rank, 0; in WELCOME: version, 0, smallest batch
#: Longest reason for a failure, in bytes.
FAILED_CAP = 4096
_CODES = {np.dtype("<f4"): layout.F32, np.dtype("<f8"): layout.F64}
_VECTORS = 6
#: Longest honest frames, in bytes.
ASK_CAP = 2 + layout.BATCH.size + _VECTORS * 8 * MAX_PAIRS
TOLD_CAP = layout.RESULT.size + 4 * layout.MAX_DIMENSIONS + 3 * 8 * MAX_PAIRS


class RefusedError(StepError):
    """The host does not answer any more. `fault` is "candidate", "user" or "ours", as the host says.

    No task may catch it: the host knows by itself what happened, and only waits for the step to end.
    """


def pack_ask(batch: Batch) -> bytes:
    """The payload of ASK."""
    return pack_batches([batch])


def parse_ask(payload: bytes) -> Batch:
    """Read the payload of ASK. Raises WireError for anything that an honest trainer could not have sent."""
    reader = Reader(payload)
    if int.from_bytes(reader.take(2), "little") != 1:
        raise WireError("a trainer asks one batch at a time")
    pairs, code, flags, spare, beta, progress = reader.unpack(layout.BATCH)
    if code not in _CODES.values() or flags != layout.WITH_LENGTHS or spare or not 1 <= pairs <= MAX_PAIRS:
        raise WireError("a batch has an impossible size, type or flag")
    if not (0.0 < beta < math.inf) or not 0.0 <= progress <= 1.0:
        raise WireError("a batch has an impossible beta or progress")
    dtype: np.dtype[np.floating[Any]] = np.dtype("<f4") if code == layout.F32 else np.dtype("<f8")
    vectors = [np.frombuffer(reader.take(dtype.itemsize * pairs), dtype=dtype) for _ in range(_VECTORS)]
    reader.finish()
    if not all(np.isfinite(v).all() for v in vectors):
        raise WireError("a batch holds numbers that are not finite")
    return Batch.of(vectors, beta, progress)


def pack_told(answer: Answer) -> bytes:
    """The payload of TOLD; an answer whose shape is neither () nor (B,) has its numbers left out already."""
    dtype = answer.dtype.newbyteorder("<")
    flags = (layout.NO_GRADIENT if answer.detached else 0) | (0 if answer.values.size else layout.OMITTED)
    head = layout.RESULT.pack(layout.OK, len(answer.shape), _CODES[dtype], flags, answer.values.size)
    sizes = b"".join(n.to_bytes(4, "little") for n in answer.shape)
    return head + sizes + answer.values.tobytes() + answer.grad_chosen.tobytes() + answer.grad_rejected.tobytes()


def parse_told(payload: bytes, batch: Batch) -> Answer:
    """Read the payload of TOLD, the answer to `batch`."""
    (answer,) = parse_answers(payload, [batch])
    if isinstance(answer, Complaint):
        raise WireError("a complaint of a candidate crossed as an answer")
    return answer


def pack_failed(fault: str, message: str) -> bytes:
    """The payload of FAILED: whose fault it is, and a sentence."""
    return json.dumps({"fault": fault, "message": message[: FAILED_CAP // 8]}).encode()


def parse_failed(payload: bytes) -> RefusedError:
    """Read the payload of FAILED. Raises WireError where it is none."""
    content = json.loads(payload)
    if not isinstance(content, dict):
        raise WireError("a reason that is none")
    return RefusedError(str(content["message"]), fault=str(content["fault"]))


def receive(sock: socket.socket, cap: int) -> tuple[int, int, bytes]:
    """Read one frame of at most `cap` bytes: kind, number, payload.

    Raises EOFError where the other side is gone, WireError for what is no frame, TimeoutError as the socket does.
    """
    head = _exactly(sock, HEADER.size)
    magic, kind, number, length = HEADER.unpack(head)
    if magic != layout.MAGIC or head[5:8] != b"\0\0\0":
        raise WireError("a header has the wrong magic bytes")
    if length > cap:
        raise WireError(f"a frame announces {length} bytes where {cap} are the most")
    return kind, number, _exactly(sock, length)


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        got = sock.recv_into(view[at:])
        if not got:
            raise EOFError
        at += got
    return bytes(data)
