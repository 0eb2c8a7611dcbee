"""The wire between a trainer and the host: frames as between host and sandbox, and checked as strictly.

    trainer --HELLO rank--> host     host --WELCOME smallest--> trainer
    trainer --ASK batch--> host      host --TOLD answer--> trainer, or FAILED with a reason, which ends it

A batch is packed as it is for a sandbox (`harness.protocol.wire`), an answer as a sandbox packs it; so what reads
answers is the same code on both ways.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

from harness.core.contract import CONTRACTS
from harness.protocol.batch import MAX_NUMBERS, Answer, Batch, Complaint
from harness.protocol.batch_types import read_batch
from harness.protocol.frames import HEADER, Reader, WireError
from harness.protocol.job import StepError
from harness.protocol.wire import DTYPES, code_of, head_of, pack_batches, parse_answers
from harness.sandbox import wire as layout

if TYPE_CHECKING:
    import socket

    from harness.core.contract import Contract

# Far from the numbers between host and sandbox, so that neither is ever taken for the other.
HELLO, ASK = 33, 34
WELCOME, TOLD, FAILED = 48, 49, 50
#: First word of HELLO: a trainer image of another time is told so.
VERSION = 2
GREETING = struct.Struct("<HHI")  # version, rank, 0; in WELCOME: version, 0, smallest batch
#: Longest reason for a failure, in bytes.
FAILED_CAP = 4096
#: The most tensors that a contract has, and the longest honest frames, in bytes.
_TENSORS = max(len(contract.tensors) for contract in CONTRACTS.values())
ASK_CAP = 2 + max(head_of(contract).size for contract in CONTRACTS.values()) + _TENSORS * 8 * MAX_NUMBERS
TOLD_CAP = layout.RESULT.size + 4 * layout.MAX_DIMENSIONS + (1 + _TENSORS) * 8 * MAX_NUMBERS


class RefusedError(StepError):
    """The host does not answer any more. `fault` is "candidate", "user" or "ours", as the host says.

    No task may catch it: the host knows by itself what happened, and only waits for the step to end.
    """


def pack_ask(batch: Batch) -> bytes:
    """The payload of ASK."""
    return pack_batches([batch])


def parse_ask(payload: bytes, contract: Contract) -> Batch:
    """Read the payload of ASK. Raises WireError for anything that an honest trainer could not have sent."""
    reader = Reader(payload)
    if int.from_bytes(reader.take(2), "little") != 1:
        raise WireError("a trainer asks one batch at a time")
    code, flags, spare, *numbers = reader.unpack(head_of(contract))
    count = len(contract.dimensions)
    sizes, scalars = [int(size) for size in numbers[:count]], numbers[count:]
    if code not in DTYPES or flags or spare or not all(1 <= size <= MAX_NUMBERS for size in sizes):
        raise WireError("a batch has an impossible size, type or flag")
    for scalar, value in zip(contract.scalars, scalars, strict=True):
        if not scalar.allows(value):
            raise WireError(f"a batch has an impossible {scalar.name}")
    try:
        batch = read_batch(contract, DTYPES[code], sizes, scalars, reader.rest())
    except ValueError as error:
        raise WireError(f"a batch is none of the contract's: {error}") from error
    if not all(np.isfinite(tensor).all() for tensor in batch.tensors):
        raise WireError("a batch holds numbers that are not finite")
    return batch


def pack_told(answer: Answer) -> bytes:
    """The payload of TOLD; an answer whose shape is neither () nor (rows,) has its numbers left out already."""
    flags = (layout.NO_GRADIENT if answer.detached else 0) | (0 if answer.values.size else layout.OMITTED)
    head = layout.RESULT.pack(layout.OK, len(answer.shape), code_of(answer.dtype), flags, answer.values.size)
    sizes = b"".join(n.to_bytes(4, "little") for n in answer.shape)
    return head + sizes + answer.values.tobytes() + b"".join(gradient.tobytes() for gradient in answer.gradients)


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
