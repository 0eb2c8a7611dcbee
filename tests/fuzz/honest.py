"""What an honest sandbox says: the questions that are put to it, its replies, and a check of what was made of them.

Packed by hand and with `struct` alone: nothing here shares code with the parser under test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.protocol.batch import Answer, Complaint
from harness.subject.batches import batch_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.protocol.batch_types import PairBatch

READY, LOADED, STARTED, ANSWER, FAULT, ENDED = 16, 17, 18, 19, 20, 21
LOAD, START, EVAL, STOP, MARK = 1, 2, 3, 4, 5
STATUS = {1: "raised", 2: "wrong-output", 3: "forbidden"}
HAS_ECHO, NO_GRADIENT, OMITTED = 1, 2, 4
#: What the server sees of its own confinement: all of it as it was asked for.
FACTS = struct.Struct("<HBxIIH2x2Q9Q")
_MIB = 1 << 20
_CONFINED = (31 | 1 << 10, 2, 65532, 65532, 0, 0, 0, 1024 * _MIB, 0, 64, 10**9, 256, 8 * _MIB, 0, 16 * _MIB, 1024)
READY_PAYLOAD = FACTS.pack(*_CONFINED) + b"3.11.2 2.13.0+cpu"


#: The tensors of a batch that are sent, by their places: the loss takes no lengths, and so none come back.
SENT = (0, 1, 2, 3)


@dataclass(frozen=True)
class Asked:
    """One EVAL request."""

    batches: tuple[PairBatch, ...]
    echo: bool = False


_THREE = batch_of([1.0, -2.0, 0.5], 0.1)
_ONE = batch_of([0.0], 1.0)
_DOUBLE = batch_of([-1.5, 4.0], 0.025, dtype=np.float64)
#: A few requests that differ in everything a reply depends on.
QUESTIONS = (
    Asked((_THREE,)),
    Asked((_DOUBLE,)),
    Asked((_THREE,), echo=True),
    Asked((_ONE, _DOUBLE, _THREE)),
    Asked((_ONE, _THREE), echo=True),
)


def frame(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    """A frame, as the sandbox writes it."""
    return b"HRN1" + struct.pack("<B3xII", kind, sequence, len(payload)) + payload


def result(
    batch: PairBatch, values: np.ndarray, gradients: Sequence[np.ndarray], *, echo: bool, detached: bool = False
) -> bytes:
    """One batch of an ANSWER; values of a shape that is neither () nor (B,) stay behind."""
    kept = values.shape in {(), (batch.pairs,)}
    flags = (HAS_ECHO if echo else 0) | (NO_GRADIENT if detached and kept else 0) | (0 if kept else OMITTED)
    code = 1 if values.dtype == np.float64 else 0
    head = struct.pack("<BBBBI", 0, values.ndim, code, flags, values.size if kept else 0)
    sizes = b"".join(struct.pack("<I", n) for n in values.shape)
    if detached:
        gradients = [np.zeros_like(g) for g in gradients]
    numbers = values.tobytes() + b"".join(g.tobytes() for g in gradients) if kept else b""
    return head + sizes + numbers + (b"".join(batch.packed(SENT)) if echo else b"")


def complaint(status: int, line: int, kind: bytes, message: bytes) -> bytes:
    """One batch of an ANSWER that is an exception, and the payload of a FAULT."""
    return bytes([status]) + struct.pack("<IHI", line, len(kind), len(message)) + kind + message


def dpo(batch: PairBatch, *, echo: bool = False) -> bytes:
    """What DPO answers to a batch."""
    dtype = batch.policy_chosen.dtype
    x = batch.beta * batch.rho
    slope = (-batch.beta / (1 + np.exp(x)) / batch.pairs).astype(dtype)
    return result(batch, np.logaddexp(0.0, -x).astype(dtype), (slope, -slope), echo=echo)


def reply_to(asked: Asked) -> bytes:
    """The payload of DPO's ANSWER."""
    return b"".join(dpo(batch, echo=asked.echo) for batch in asked.batches)


def said(entries: Sequence[Answer | Complaint], asked: Asked, payload: bytes) -> bytes:
    """The bytes that say just these entries: equal to `payload`, or the parser made something up.

    A complaint's texts are decoded with replacements, which cannot be undone: they are held against `payload`.
    """
    assert len(entries) == len(asked.batches)
    out = b""
    for entry, batch in zip(entries, asked.batches, strict=True):
        out += (
            _of_answer(entry, batch, asked) if isinstance(entry, Answer) else of_complaint(entry, payload[len(out) :])
        )
    return out


def _of_answer(entry: Answer, batch: PairBatch, asked: Asked) -> bytes:
    sent = batch.policy_chosen.dtype
    assert (entry.echo is not None) == asked.echo
    assert len(entry.gradients) == 2
    assert entry.grad_chosen.dtype == entry.grad_rejected.dtype == sent
    assert entry.values.dtype == entry.dtype
    assert entry.values.ndim == entry.grad_chosen.ndim == entry.grad_rejected.ndim == 1
    kept = entry.shape in {(), (batch.pairs,)}
    assert entry.values.size == ((1 if entry.shape == () else batch.pairs) if kept else 0)
    assert entry.grad_chosen.size == entry.grad_rejected.size == (batch.pairs if kept else 0)
    assert len(entry.shape) <= 8
    flags = (HAS_ECHO if asked.echo else 0) | (NO_GRADIENT if entry.detached else 0) | (0 if kept else OMITTED)
    out = struct.pack("<BBBBI", 0, len(entry.shape), {"f4": 0, "f8": 1}[entry.dtype.str[1:]], flags, entry.values.size)
    out += b"".join(struct.pack("<I", n) for n in entry.shape)
    out += entry.values.tobytes() + entry.grad_chosen.tobytes() + entry.grad_rejected.tobytes()
    if entry.echo is not None:
        assert [(v.shape, v.dtype) for v in entry.echo] == [((batch.pairs,), sent)] * 6
        assert all(entry.echo[place] is tensor for place, tensor in enumerate(batch.tensors) if place not in SENT), (
            "what was not sent is as it was"
        )
        out += b"".join(entry.echo[place].tobytes() for place in SENT)
    return out


def of_complaint(entry: Complaint, payload: bytes) -> bytes:
    """The bytes of a complaint at the beginning of `payload`."""
    assert STATUS[payload[0]] == entry.status
    line, kind, message = struct.unpack_from("<IHI", payload, 1)
    assert line == entry.line
    assert kind <= 100
    assert message <= 4000
    end = 11 + kind + message
    assert len(payload) >= end
    assert payload[11 : 11 + kind].decode("utf-8", "replace") == entry.type
    assert payload[11 + kind : end].decode("utf-8", "replace") == entry.message
    return payload[:end]
