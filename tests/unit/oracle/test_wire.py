"""The host's half of the wire: every malformed reply is a WireError, and nothing else."""

from __future__ import annotations

import contextlib
import math
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processor import at_most
from wire_bytes import BATCH, DOUBLE, answer, complaint

from harness.protocol import frames, wire
from harness.protocol.batch import Answer, Complaint
from harness.sandbox import wire as layout

if TYPE_CHECKING:
    from collections.abc import Callable

HONEST = {
    "values": (answer(), [BATCH], False),
    "scalar": (answer(shape=()), [BATCH], False),
    "double": (answer(DOUBLE, code=layout.F64), [DOUBLE], False),
    "widened": (answer(code=layout.F64), [BATCH], False),
    "echo": (answer(echo=True), [BATCH], True),
    "column": (answer(shape=(3, 1)), [BATCH], False),
    "complaint": (complaint(), [BATCH], False),
    "three": (answer() + complaint() + answer(), [BATCH] * 3, False),
}
quiet = settings(max_examples=150, derandomize=True, database=None, deadline=None)


def head(magic: bytes = layout.MAGIC, kind: int = layout.ANSWER, sequence: int = 9, length: int = 4) -> bytes:
    return layout.HEADER.pack(magic, kind, sequence, length)


def parse(payload: bytes, *, echo: bool = False) -> list[Answer | Complaint]:
    return wire.parse_answers(payload, [BATCH], echo=echo)


def test_an_honest_header_is_taken() -> None:
    assert frames.parse_header(head(), sequence=9, expected=(layout.ANSWER,)) == (layout.ANSWER, 4)


@pytest.mark.parametrize("data", [b"", head()[:-1], head() + b"\0", b"HRN1"])
def test_a_cut_header(data: bytes) -> None:
    with pytest.raises(frames.WireError, match="cut"):
        frames.parse_header(data, sequence=9, expected=(layout.ANSWER,))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (head(magic=b"HRN2"), "magic"),
        (head(magic=b"\0\0\0\0"), "magic"),
        (head()[:5] + b"\0\1\0" + head()[8:], "magic"),
        (head(kind=layout.READY), "kind 16"),
        (head(kind=layout.EVAL), "kind 3"),
        (head(kind=0), "kind 0"),
        (head(kind=255), "kind 255"),
        (head(sequence=8), "number"),
        (head(sequence=0), "number"),
        (head(length=frames.MAX_REPLY + 1), "announces"),
        # A negative length, as a C program would write it.
        (head(length=(-1) & 0xFFFFFFFF), "announces 4294967295"),
    ],
)
def test_a_header_that_answers_nothing(data: bytes, why: str) -> None:
    with pytest.raises(frames.WireError, match=why):
        frames.parse_header(data, sequence=9, expected=(layout.ANSWER, layout.FAULT))


@pytest.mark.parametrize("name", list(HONEST))
def test_an_honest_answer_is_taken(name: str) -> None:
    payload, batches, echo = HONEST[name]
    assert len(wire.parse_answers(payload, batches, echo=echo)) == len(batches)
    assert len(payload) <= wire.answer_cap(batches, echo=echo)


def test_the_numbers_arrive_as_they_were_sent() -> None:
    (got,) = wire.parse_answers(answer(echo=True), [BATCH], echo=True)
    assert isinstance(got, Answer)
    assert got.shape == (3,)
    assert got.values.tolist() == [0.0, 1.0, 2.0]
    assert got.grad_chosen.tolist() == pytest.approx([-1.0, -0.6, -0.2])
    assert got.grad_rejected.tolist() == pytest.approx([0.2, 0.6, 1.0])
    assert got.echo is not None
    assert [v.tobytes() for v in got.echo] == [v.tobytes() for v in BATCH.tensors]
    assert not got.detached


def test_what_was_not_sent_does_not_come_back() -> None:
    sent = (0, 1, 4)
    payload = answer() + b"".join(BATCH.tensors[place].tobytes() for place in sent)
    payload = payload[:3] + bytes([layout.HAS_ECHO]) + payload[4:]
    (got,) = wire.parse_answers(payload, [BATCH], sent=sent, echo=True)
    assert isinstance(got, Answer)
    assert got.echo is not None
    assert [v.tobytes() for v in got.echo] == [v.tobytes() for v in BATCH.tensors]
    for other in (None, (0, 1), (0, 1, 2, 4)):
        with pytest.raises(frames.WireError):
            wire.parse_answers(payload, [BATCH], sent=other, echo=True)


def test_a_shape_that_no_trainer_could_use_leaves_its_numbers_behind() -> None:
    (got,) = parse(answer(shape=(3, 1)))
    assert isinstance(got, Answer)
    assert (got.shape, got.values.size, got.grad_chosen.size) == ((3, 1), 0, 0)


@pytest.mark.parametrize("name", list(HONEST))
def test_every_cut_of_an_answer(name: str) -> None:
    payload, batches, echo = HONEST[name]
    for end in range(len(payload)):
        with pytest.raises(frames.WireError):
            wire.parse_answers(payload[:end], batches, echo=echo)


@pytest.mark.parametrize("name", list(HONEST))
def test_trailing_bytes(name: str) -> None:
    payload, batches, echo = HONEST[name]
    with pytest.raises(frames.WireError, match="longer than its content"):
        wire.parse_answers(payload + b"\0", batches, echo=echo)


def test_one_answer_too_many_or_too_few() -> None:
    with pytest.raises(frames.WireError):
        parse(answer() + answer())
    with pytest.raises(frames.WireError):
        wire.parse_answers(answer(), [BATCH, BATCH])


@pytest.mark.parametrize("count", [0, 1, 2, 4, 0xFFFFFFFF])
def test_a_count_that_does_not_fit_the_shape(count: int) -> None:
    with pytest.raises(frames.WireError, match="count"):
        parse(answer(count=count))


@pytest.mark.parametrize("shape", [(0xFFFFFFFF,), (3, 0xFFFFFFFF), (2,), (6,), (0,), (1,), (3, 3)])
def test_numbers_sent_with_another_shape(shape: tuple[int, ...]) -> None:
    sizes = b"".join(n.to_bytes(4, "little") for n in shape)
    forged = layout.RESULT.pack(layout.OK, len(shape), layout.F32, 0, 3) + sizes + bytes(36)
    with pytest.raises(frames.WireError, match="count"):
        parse(forged)


@pytest.mark.parametrize("dimensions", [9, 100, 255])
def test_too_many_dimensions(dimensions: int) -> None:
    forged = layout.RESULT.pack(layout.OK, dimensions, layout.F32, layout.OMITTED, 0)
    with pytest.raises(frames.WireError, match="impossible"):
        parse(forged + bytes(4 * dimensions))


@pytest.mark.parametrize("code", [2, 3, 255])
def test_an_unknown_dtype(code: int) -> None:
    with pytest.raises(frames.WireError, match="dtype"):
        parse(layout.RESULT.pack(layout.OK, 0, code, 0, 1) + bytes(64))


@pytest.mark.parametrize("status", [4, 5, 127, 255])
def test_an_unknown_status(status: int) -> None:
    with pytest.raises(frames.WireError, match=f"status {status}"):
        parse(complaint(status))
    with pytest.raises(frames.WireError, match=f"status {status}"):
        wire.parse_fault(complaint(status))


def test_a_fault_cannot_have_the_status_of_success() -> None:
    with pytest.raises(frames.WireError, match="status 0"):
        wire.parse_fault(complaint(layout.OK))


@pytest.mark.parametrize("flags", [8, 16, 128, 0xF8, layout.OMITTED])
def test_flags_that_are_unknown_or_do_not_fit(flags: int) -> None:
    with pytest.raises(frames.WireError):
        parse(answer(flags=flags))


def test_an_echo_that_was_not_asked_for_and_one_that_is_missing() -> None:
    with pytest.raises(frames.WireError, match="not asked for"):
        parse(answer(echo=True))
    with pytest.raises(frames.WireError, match="not asked for"):
        parse(answer(), echo=True)
    bare = answer()
    # The flag alone, without the vectors.
    with pytest.raises(frames.WireError, match="too early"):
        parse(bare[:3] + bytes([bare[3] | layout.HAS_ECHO]) + bare[4:], echo=True)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_numbers_are_taken_where_numbers_are(value: float) -> None:
    body = struct.pack("<9f", *[value] * 9)
    payload = answer()[:-36] + body
    (got,) = parse(payload)
    assert isinstance(got, Answer)
    assert not got.finite_values
    assert not got.finite_gradients
    assert got.values.tobytes() == body[:12]


@pytest.mark.parametrize("place", [4, 8])
def test_nan_is_no_count_and_no_size(place: int) -> None:
    payload = bytearray(answer())
    payload[place : place + 4] = struct.pack("<f", math.nan)
    with pytest.raises(frames.WireError):
        parse(bytes(payload))


@pytest.mark.parametrize(
    ("type_size", "text_size"),
    [(layout.TYPE_CAP + 1, 0), (0, layout.MESSAGE_CAP + 1), (0xFFFF, 0xFFFFFFFF), (5, 0xFFFFFFFF)],
)
def test_a_complaint_beyond_its_caps(type_size: int, text_size: int) -> None:
    forged = bytes([layout.RAISED]) + layout.COMPLAINT.pack(1, type_size, text_size) + bytes(8000)
    for read in (parse, wire.parse_fault):
        with pytest.raises(frames.WireError, match="cap"):
            read(forged)


def test_a_complaint_that_is_no_text_is_shown_as_it_is() -> None:
    forged = bytes([layout.RAISED]) + layout.COMPLAINT.pack(1, 2, 3) + b"\xff\xfe" + b"\xc3\x28\x00"
    (got,) = parse(forged)
    assert isinstance(got, Complaint)
    assert got.status == "raised"
    assert "�" in got.type


@pytest.mark.parametrize("payload", [b"", b"\0" * 4, b"\0" * 6])
def test_the_end_of_a_fork_has_five_bytes(payload: bytes) -> None:
    with pytest.raises(frames.WireError):
        frames.parse_ended(payload)


def read_all(data: bytes) -> None:
    """Every reader of the host, on the same bytes: WireError is the one way to fail."""
    readers: list[Callable[[bytes], object]] = [wire.parse_fault, frames.parse_ended, frames.parse_ready, parse]
    readers += [lambda d: parse(d, echo=True), lambda d: wire.parse_answers(d, [BATCH, DOUBLE])]
    readers.append(lambda d: frames.parse_header(d, sequence=9, expected=(layout.ANSWER,)))
    for read in readers:
        with contextlib.suppress(frames.WireError), at_most(2.0):
            read(data)


@quiet
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes(data: bytes) -> None:
    read_all(data)


@quiet
@given(
    name=st.sampled_from(list(HONEST)),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 4), st.binary(max_size=5)), min_size=1, max_size=4),
)
def test_spoilt_answers(name: str, edits: list[tuple[int, int, bytes]]) -> None:
    payload, batches, echo = HONEST[name]
    data = bytearray(payload)
    for place, cut, put in edits:
        at = place % (len(data) + 1)
        data[at : at + cut] = put
    read_all(bytes(data))
    try:
        got = wire.parse_answers(bytes(data), batches, echo=echo)
    except frames.WireError:
        return
    assert len(got) == len(batches)
    for one, batch in zip(got, batches, strict=True):
        if isinstance(one, Answer):
            assert one.values.size in {0, 1, batch.pairs}
            assert one.grad_chosen.size == one.grad_rejected.size == (batch.pairs if one.values.size else 0)
            assert (one.echo is not None) == echo
