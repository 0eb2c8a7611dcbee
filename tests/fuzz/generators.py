"""Structured inputs for the targets, drawn by Hypothesis: honest ones, and honest ones that were spoilt."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from honest import FACTS, HAS_ECHO, NO_GRADIENT, OMITTED, QUESTIONS, SENT, complaint, frame, result
from hypothesis import strategies as st
from inputs_kept import kept
from spoil import LENGTHS
from targets import KINDS, TARGETS

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch

_SMALL = st.integers(0, 255)
_U32 = st.one_of(st.sampled_from(LENGTHS), st.integers(0, 0xFFFFFFFF))
_WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
_VERSION = st.one_of(_WORD, st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=30, max_size=49))
#: What may be wrong of an answer.
_FIELDS = ("shape", "shape", "code", "count", "flags", "gradients", "echo", "status", "detached", "detached")
_DETACHED = st.just(NO_GRADIENT)
_LOSS = "def loss(pc, pr, rc, rr, beta):\n    return -beta * ((pc - pr) - (rc - rr))\n"


@st.composite
def _numbers(draw: st.DrawFn, dtype: np.dtype, count: int) -> np.ndarray:
    """Any bits at all: NaN, infinity and subnormal numbers are numbers."""
    size = count * dtype.itemsize
    return np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype)


@st.composite
def _one(draw: st.DrawFn, batch: PairBatch, *, echo: bool) -> bytes:
    if draw(_SMALL) < 60:
        texts = st.binary(max_size=12)
        return complaint(draw(st.integers(1, 3)), draw(_U32), draw(texts), draw(texts))
    sent = batch.policy_chosen.dtype
    dtype: np.dtype[Any] = draw(st.sampled_from([np.dtype("<f4"), np.dtype("<f8")]))
    shape = draw(st.sampled_from([(), (batch.pairs,), (batch.pairs,), (batch.pairs, 1), (0,), (2, 2, 2)]))
    values = draw(_numbers(dtype, int(np.prod(shape)))).reshape(shape)
    gradients = [draw(_numbers(sent, batch.pairs)) for _ in range(2)]
    return result(batch, values, gradients, echo=echo, detached=draw(_SMALL) < 30)


@st.composite
def honest_answers(draw: st.DrawFn) -> bytes:
    """An input of the target `answers` that has to be taken."""
    place = draw(st.integers(0, len(QUESTIONS) - 1))
    asked = QUESTIONS[place]
    return struct.pack("<H", place) + b"".join(draw(_one(batch, echo=asked.echo)) for batch in asked.batches)


@st.composite
def _odd(draw: st.DrawFn, batch: PairBatch, *, echo: bool) -> bytes:
    """An answer of which a field or two may be wrong, and whose length fits its fields."""
    wrong = draw(st.lists(st.sampled_from(_FIELDS), max_size=2))

    def field(name: str, right: int, others: st.SearchStrategy[int]) -> int:
        return draw(others) if name in wrong else right

    shape = draw(st.lists(st.sampled_from([1, 2, 3, 0]), max_size=10)) if "shape" in wrong else [batch.pairs]
    kept = shape in ([], [batch.pairs])
    code = field("code", 0, st.integers(0, 3))
    count = field("count", (batch.pairs if shape else 1) if kept else 0, st.integers(0, 6))
    flags = (HAS_ECHO if echo else 0) | (0 if kept else OMITTED)
    flags ^= field("flags", 0, st.sampled_from([HAS_ECHO, OMITTED, 8, 16, 128])) ^ field("detached", 0, _DETACHED)
    sent = batch.policy_chosen.dtype.itemsize
    size = count * (8 if code == 1 else 4)
    size += 2 * batch.pairs * sent if field("gradients", int(kept), st.just(1)) else 0
    size += len(SENT) * batch.pairs * sent if field("echo", int(echo), st.integers(0, 1)) else 0
    head = struct.pack("<BBBBI", field("status", 0, st.integers(0, 5)), len(shape), code, flags, count)
    # Nothing but zeros, or no zero at all: an answer that has no gradient carries zeros.
    return head + struct.pack(f"<{len(shape)}I", *shape) + draw(st.sampled_from([b"\0", b"?"])) * size


@st.composite
def odd_answers(draw: st.DrawFn) -> bytes:
    """An input of the target `answers` that is almost right."""
    place = draw(st.integers(0, len(QUESTIONS) - 1))
    asked = QUESTIONS[place]
    return struct.pack("<H", place) + b"".join(draw(_odd(batch, echo=asked.echo)) for batch in asked.batches)


@st.composite
def odd_complaint(draw: st.DrawFn) -> bytes:
    """A complaint around its caps."""
    kind, message = draw(st.integers(95, 105)), draw(st.sampled_from([0, 3999, 4000, 4001]))
    return complaint(draw(st.integers(0, 5)), draw(_U32), b"k" * kind, b"m" * message)


@st.composite
def honest_header(draw: st.DrawFn) -> bytes:
    """An input of the target `header` that has to be taken: whichever kind, for every kind expected."""
    sequence = draw(_U32)
    head = frame(draw(st.sampled_from(KINDS)), sequence)[:12] + struct.pack("<I", draw(st.integers(0, 64 << 20)))
    return struct.pack("<HBI", 5, 1, sequence) + head


@st.composite
def honest_ready(draw: st.DrawFn) -> bytes:
    """READY: numbers of every kind, and two words."""
    huge = st.one_of(st.sampled_from([0, (1 << 64) - 1, (1 << 64) - 2]), st.integers(0, 1 << 64 - 1))
    small = [draw(st.integers(0, most)) for most in (255, 255, (1 << 32) - 1, (1 << 32) - 1, 0xFFFF)]
    words = f"{draw(_VERSION)} {draw(_VERSION)}".encode()
    return FACTS.pack(*small, *(draw(huge) for _ in range(11))) + words


@st.composite
def honest_stream(draw: st.DrawFn) -> bytes:
    """An input of the target `stream`: whole pieces, and how they are cut."""
    cuts = draw(st.lists(st.integers(0, 39), max_size=7))
    plan = struct.pack("<H", len(cuts)) + b"".join(struct.pack("<H", n) for n in cuts)
    plan += struct.pack("<HHH", draw(st.integers(0, 29)), draw(st.integers(0, 59)), draw(st.integers(0, 29)))
    pieces = draw(st.lists(st.tuples(st.sampled_from([1, 1, 1, 2, 2, 0, 7]), st.binary(max_size=25)), max_size=10))
    return plan + b"".join(struct.pack(">BxxxI", kind, len(data)) + data for kind, data in pieces)


@st.composite
def honest_reply(draw: st.DrawFn) -> bytes:
    """A language model's reply with one loss in it."""
    code, name = _LOSS.replace("beta *", f"{draw(st.integers(1, 99))} * beta *"), draw(_WORD) * draw(st.integers(1, 9))
    if draw(_SMALL) < 128:
        document = {"thought": draw(st.text(max_size=30)), "name": name, "code": code, "n": draw(st.integers())}
        return json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")
    fence = draw(st.sampled_from(["```", "~~~~"]))
    return f"Here it is, {name}:\n\n{fence}python\n{code}{fence}\n\nGood luck.\n".encode()


@st.composite
def honest_screened(draw: st.DrawFn) -> bytes:
    """An answer of the screening process."""
    if draw(_SMALL) < 60:
        fault = ["S105", draw(st.text(max_size=30)), draw(st.integers(0, 99)), draw(st.integers(0, 99)), None]
        return b"\0" + json.dumps({"faults": [fault]}).encode()
    plan = ["loss", draw(st.sampled_from(["function", "method"])), ["policy_chosen_logps"], [["b", "beta"]]]
    document = {"text": _LOSS, "lines": [1, 2, 0], "source": _LOSS, "name": draw(_WORD), "plan": plan}
    return b"\0" + json.dumps(document).encode()


HONEST: dict[str, st.SearchStrategy[bytes]] = {
    "header": honest_header(),
    "ready": honest_ready(),
    "ended": st.tuples(_U32, st.integers(0, 1)).map(lambda end: struct.pack("<IB", *end)),
    "answers": honest_answers(),
    "fault": st.builds(complaint, st.integers(1, 3), _U32, st.binary(max_size=20), st.binary(max_size=20)),
    "stream": honest_stream(),
    "conversation": st.binary(max_size=TARGETS["conversation"].longest),
    "reply": honest_reply(),
    "screened": honest_screened(),
}


ODD = {"answers": odd_answers(), "fault": odd_complaint()}


@st.composite
def _spoilt(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A few edits, anywhere: a byte, a number, a cut, something put in, something twice."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        way = draw(st.integers(0, 4))
        if way == 0:
            data[at : at + 1] = bytes([draw(_SMALL)])
        elif way == 1:
            data[at : at + 4] = struct.pack("<I", draw(_U32))
        elif way == 2:
            del data[at : at + draw(st.integers(1, 16))]
        elif way == 3:
            data[at:at] = draw(st.binary(min_size=1, max_size=16))
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
    return bytes(data)


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Inputs for one target: honest, spoilt, kept from real conversations and spoilt, or noise."""
    found = kept(name)
    whole = st.one_of(HONEST[name], st.sampled_from(found)) if found else HONEST[name]
    odd = ODD.get(name, whole)
    return st.one_of(whole, odd, _spoilt(whole), _spoilt(odd), st.binary(max_size=TARGETS[name].longest))
