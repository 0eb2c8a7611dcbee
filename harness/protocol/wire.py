"""The host's half of the wire: requests are packed, replies are checked to the last byte.

Whatever comes from a sandbox was written by its candidate. A reply is taken only if every size, kind,
count and flag in it is one that an honest sandbox could have sent for this very request; anything else
raises `WireError`. Non-finite numbers are allowed where numbers are, and nowhere else. Nothing is
unpickled, evaluated or looked up by a name that came over the wire.
"""

from __future__ import annotations

import functools
import json
import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.limits import Limits
from harness.protocol.batch import Answer, Complaint, tensor_dtype
from harness.protocol.frames import Reader, WireError
from harness.sandbox import wire as layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.contract import Contract
    from harness.core.program import Program
    from harness.protocol.batch import Batch

    #: For each batch of a request the rows of the parts that it was made of, each of which weighs 1/rows of its part;
    #: None for one whose rows all weigh 1/rows.
    Parts = Sequence[Sequence[int] | None] | None

STATUS = {layout.RAISED: "raised", layout.WRONG_OUTPUT: "wrong-output", layout.FORBIDDEN: "forbidden"}
#: The dtype of each code, little-endian.
DTYPES: dict[int, np.dtype[np.floating[Any]]] = {layout.F32: np.dtype("<f4"), layout.F64: np.dtype("<f8")}
_COMPLAINT_CAP = layout.COMPLAINT.size + layout.TYPE_CAP + layout.MESSAGE_CAP
_MAX_BATCHES = 0xFFFF
_KNOWN = layout.HAS_ECHO | layout.NO_GRADIENT | layout.OMITTED
#: The sizes of an answer, by the number of its dimensions.
_SHAPE = tuple(struct.Struct(f"<{dimensions}I") for dimensions in range(layout.MAX_DIMENSIONS + 1))
#: An OK result without its status.
_RESULT = struct.Struct(layout.RESULT.format.replace("B", "", 1))


def pack_program(program: Program, lifetime: float = Limits.lifetime) -> bytes:
    """The LOAD payload; `lifetime` is how long the sandbox may go on, in seconds."""
    plan, contract = program.plan, program.contract
    document = {
        "text": program.text,
        "guarded": program.guarded,
        "entry": plan.entry,
        "dialect": plan.dialect,
        "positional": plan.positional,
        "keyword": plan.keyword,
        "constants": program.constants,
        "lifetime": lifetime,
        "dimensions": len(contract.dimensions),
        "scalars": [scalar.name for scalar in contract.scalars],
        "tensors": [
            [t.name, [contract.dimensions.index(d) for d in t.dimensions], bool(t.below), t.differentiated]
            for t in (contract.tensors[place] for place in program.sent)
        ],
    }
    return json.dumps(document).encode()


@functools.cache
def head_of(contract: Contract) -> struct.Struct:
    """What stands before the tensors of a batch."""
    return layout.batch_struct(len(contract.dimensions), len(contract.scalars))


def code_of(dtype: np.dtype[np.floating]) -> int:
    """How a dtype is told on the wire."""
    return layout.F32 if dtype == np.float32 else layout.F64


def pack_batches(
    batches: Sequence[Batch],
    *,
    sent: Sequence[int] | None = None,
    echo: bool = False,
    gpu: bool = False,
    parts: Parts = None,
) -> bytes:
    """The EVAL payload, with the tensors of the contract at the places `sent`, or all of them.

    Raises ValueError for too many batches or none, and for batches of several contracts.
    """
    if not 1 <= len(batches) <= _MAX_BATCHES:
        raise ValueError(f"a request holds 1 to {_MAX_BATCHES} batches")
    if any(batch.contract is not batches[0].contract for batch in batches):
        raise ValueError("the batches of a request are of one contract")
    flags = (layout.ECHO if echo else 0) | (layout.ON_GPU if gpu else 0)
    head = head_of(batches[0].contract)
    packed = [len(batches).to_bytes(2, "little")]
    for batch, sizes in zip(batches, parts or [None] * len(batches), strict=True):
        joined = layout.IN_PARTS if sizes is not None else 0
        packed.append(head.pack(code_of(batch.dtype), flags | joined, 0, *batch.sizes, *batch.scalars))
        packed += batch.packed(sent)
        if sizes is not None:
            packed.append(struct.pack(f"<{1 + len(sizes)}I", len(sizes), *sizes))
    return b"".join(packed)


class _Reader(Reader):
    """One that also gives arrays."""

    def vector(self, dtype: np.dtype[Any], count: int) -> np.ndarray:
        return np.frombuffer(self._data, dtype, count, self.skip(dtype.itemsize * count))

    def array(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
        return self.vector(dtype, math.prod(shape)).reshape(shape)


def _complaint(reader: _Reader, status: int) -> Complaint:
    if status not in STATUS:
        raise WireError(f"a reply has the unknown status {status}")
    line, type_size, message_size = reader.unpack(layout.COMPLAINT)
    if type_size > layout.TYPE_CAP or message_size > layout.MESSAGE_CAP:
        raise WireError("a complaint is longer than its cap")
    kind = reader.take(type_size).decode("utf-8", "replace")
    return Complaint(STATUS[status], kind, reader.take(message_size).decode("utf-8", "replace"), line)


def parse_fault(payload: bytes) -> Complaint:
    """The FAULT payload: why the candidate could not be loaded."""
    reader = _Reader(payload)
    complaint = _complaint(reader, reader.take(1)[0])
    reader.finish()
    return complaint


def answer_cap(batches: Sequence[Batch], *, echo: bool) -> int:
    """The longest honest ANSWER to these batches, in bytes."""
    fixed = layout.RESULT.size + 4 * layout.MAX_DIMENSIONS
    return sum(max(fixed + 8 * _numbers(b, echo=echo), 1 + _COMPLAINT_CAP) for b in batches)


def _numbers(batch: Batch, *, echo: bool) -> int:
    """How many numbers an answer may have: values, gradients, and all tensors once more."""
    tensors = (*batch.differentiated(), *(batch.tensors if echo else ()))
    return batch.rows + sum(tensor.size for tensor in tensors)


def parse_answers(
    payload: bytes, batches: Sequence[Batch], *, sent: Sequence[int] | None = None, echo: bool = False
) -> list[Answer | Complaint]:
    """The ANSWER payload, one entry for each batch of the request, which was packed with the tensors `sent`."""
    reader = _Reader(payload)
    answers = [_answer(reader, batch, sent, echo=echo) for batch in batches]
    reader.finish()
    return answers


def _answer(reader: _Reader, batch: Batch, sent: Sequence[int] | None, *, echo: bool) -> Answer | Complaint:
    status = reader.take(1)[0]
    if status != layout.OK:
        return _complaint(reader, status)
    dimensions, code, flags, count = reader.unpack(_RESULT)
    if dimensions > layout.MAX_DIMENSIONS or code not in DTYPES:
        raise WireError("an answer has an impossible shape or dtype")
    if flags & ~_KNOWN or bool(flags & layout.HAS_ECHO) != echo:
        raise WireError("an answer has flags that were not asked for")
    shape = reader.unpack(_SHAPE[dimensions])
    rows = batch.rows
    expected = rows if shape == (rows,) else int(shape == ())
    if count != expected or bool(flags & layout.OMITTED) != (expected == 0):
        raise WireError("an answer's count does not fit its shape")
    asked = DTYPES[code_of(batch.dtype)]
    values = reader.vector(DTYPES[code], count)
    if count:
        gradients = tuple(reader.array(asked, tensor.shape) for tensor in batch.differentiated())
    else:
        gradients = tuple(reader.vector(asked, 0) for _ in batch.contract.differentiated)
    detached = bool(flags & layout.NO_GRADIENT)
    if detached and not (count and all(g.tobytes().count(0) == g.nbytes for g in gradients)):
        raise WireError("an answer that has no gradient carries one")
    after = _echo(reader, batch, asked, sent) if echo else None
    return Answer(shape, DTYPES[code], values, gradients, detached, after)


def _echo(
    reader: _Reader, batch: Batch, asked: np.dtype[np.floating], sent: Sequence[int] | None
) -> tuple[np.ndarray, ...]:
    """The tensors as they were after the call; those that were not sent are as they were."""
    after = list(batch.tensors)
    for place in range(len(after)) if sent is None else sent:
        after[place] = reader.array(tensor_dtype(batch.contract.tensors[place], asked), after[place].shape)
    return tuple(after)
