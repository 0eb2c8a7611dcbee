"""What is fuzzed: plain functions of bytes that raise where a promise is broken, and return where it was kept."""

from __future__ import annotations

import json
import re
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from choices import Choices
from conversation import conversation
from honest import FACTS, QUESTIONS, SENT, of_complaint, said
from peer import STDERR, STDOUT
from plausible import can_be_said, complaint_length, ready_words

from harness.containers.stream import FloodError, StreamClosedError, Streams
from harness.core.errors import InfrastructureError
from harness.core.program import Program
from harness.protocol import frames, wire
from harness.screen import front as screen_answer
from harness.screen import reply
from harness.screen.text import Complaint

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = (16, 17, 18, 19, 20, 21)
_EXPECTED = ((16,), (17,), (18, 20), (19,), (21,), KINDS)
#: Processor seconds that no input of these sizes may take.
SLOW = 2.0


def header(data: bytes) -> None:
    """A frame's header: refused, or made of exactly what was returned."""
    plan = Choices(data)
    expected = _EXPECTED[plan.below(len(_EXPECTED))]
    sequence = plan.number() if plan.byte() % 2 else None
    head = plan.rest()
    if sequence is None:
        sequence = int.from_bytes(head[8:12], "little")
    try:
        kind, length = frames.parse_header(head, sequence=sequence, expected=expected)
    except frames.WireError:
        honest = len(head) == 16 and head[:4] == b"HRN1" and head[5:8] == bytes(3) and head[4] in expected
        honest = honest and head[8:12] == struct.pack("<I", sequence)
        assert not honest or int.from_bytes(head[12:], "little") > frames.MAX_REPLY, "an honest header was refused"
        return
    assert head == b"HRN1" + struct.pack("<B3xII", kind, sequence, length)
    assert kind in expected
    assert length <= 64 << 20


def ready(data: bytes) -> None:
    """READY: what the server saw of its confinement, and two short printable words."""
    words = ready_words(data)
    try:
        told = frames.parse_ready(data)
    except frames.WireError:
        assert words is None, "an honest start was refused"
        return
    assert told.versions == words
    # A number that stands for "nothing could be seen" is told as None, and no other is.
    unseen = (0xFFFF + 1, 0xFF, 1 << 32, 1 << 32, 0xFFFF, *[(1 << 64) - 1] * 11)
    numbers = FACTS.unpack_from(data)
    shown = [None if number == none else number for number, none in zip(numbers, unseen, strict=True)]
    assert list(vars(told.confinement).values()) == shown


def ended(data: bytes) -> None:
    """ENDED: five bytes."""
    try:
        status, starved = frames.parse_ended(data)
    except frames.WireError:
        assert len(data) != 5 or data[4] > 1, "an honest end was refused"
        return
    assert len(data) == 5
    assert struct.pack("<I", status) == data[:4]
    assert starved is bool(data[4])


def answers(data: bytes) -> None:
    """ANSWER, for one of a few requests: refused, or its entries say the bytes again."""
    plan = Choices(data)
    asked = QUESTIONS[plan.below(len(QUESTIONS))]
    payload = plan.rest()
    try:
        entries = wire.parse_answers(payload, list(asked.batches), sent=SENT, echo=asked.echo)
    except frames.WireError:
        assert not can_be_said(payload, asked), "an honest answer was refused"
        return
    assert can_be_said(payload, asked), "no honest sandbox says this"
    assert said(entries, asked, payload) == payload
    assert len(payload) <= wire.answer_cap(list(asked.batches), echo=asked.echo), "longer than its cap"


def fault(data: bytes) -> None:
    """FAULT: refused, or the same complaint again."""
    try:
        told = wire.parse_fault(data)
    except frames.WireError:
        assert not complaint_length(data) == len(data) > 0, "an honest complaint was refused"
        return
    assert of_complaint(told, data) == data


class _Chunks:
    """A socket that gives these chunks, and then ends."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = iter([c for c in chunks if c])

    def settimeout(self, _: float | None) -> None:
        """Nobody waits here."""

    def recv(self, size: int) -> bytes:
        chunk = next(self._chunks, b"")
        assert len(chunk) <= size
        return chunk


def _told_apart(raw: bytes) -> tuple[bytes, bytes]:
    """Stdout and stderr of a multiplexed stream, as plainly as can be."""
    out = {STDOUT: b"", STDERR: b""}
    while len(raw) >= 8:
        kind, size = raw[0], int.from_bytes(raw[4:8], "big")
        out[kind] = out.get(kind, b"") + raw[8 : 8 + size]
        raw = raw[8 + size :]
    return out[STDOUT], out[STDERR]


def stream(data: bytes) -> None:
    """The engine's multiplexed stream, cut anywhere: told apart as a whole would be, within the cap."""
    plan = Choices(data)
    sizes = [1 + plan.below(40) for _ in range(plan.below(8))]
    wanted = 1 + plan.below(30)
    cap, shown = plan.below(60), plan.below(30)
    raw = plan.rest()
    cuts = [0]
    for size in sizes:
        cuts.append(min(cuts[-1] + size, len(raw)))
    chunks = [raw[a:b] for a, b in zip(cuts, [*cuts[1:], len(raw)], strict=True)]
    streams = Streams(_Chunks(chunks), cap=cap, shown=shown)
    wire_bytes, printed = _told_apart(raw)
    got, flooded = b"", False
    try:
        while True:
            got += streams.read(wanted, time.monotonic() + 60)
    except StreamClosedError:
        got += bytes(streams._out)
    except FloodError:
        flooded = True
    assert flooded == (len(printed) > cap)
    assert wire_bytes.startswith(got)
    assert flooded or got == wire_bytes
    assert printed.startswith(streams.output)
    assert len(streams.output) == min(shown, len(printed)) or flooded
    assert len(streams.output) <= shown


def model_reply(data: bytes) -> None:
    """A language model's reply as text: code that is in it, or a complaint."""
    text = data.decode("utf-8", "replace")
    reply.looks_like_reply(text)
    reply.begins_as_python(text)
    reply.is_prose(text)
    try:
        taken = reply.take_code(text)
    except RecursionError:
        return  # the screening process says so in its own words
    if isinstance(taken, Complaint):
        assert taken.rule == "S116"
        assert taken.message
        assert taken.line >= 0
        assert taken.column >= 0
        return
    assert isinstance(taken.code, str)
    assert len(taken.name) <= 80
    assert taken.name.isprintable()
    if "\\u" not in text:
        words = set(re.findall(r"\w+", taken.code))
        assert all(word in text for word in words), "code that is not in the reply"


def screened(data: bytes) -> None:
    """The screening process's answer: a program whose every field has its type, complaints, or a defect of ours."""
    plan = Choices(data)
    guarded = plan.byte() % 2 == 0
    try:
        got = screen_answer.program_of(plan.rest(), guarded=guarded)
    except InfrastructureError:
        return
    if isinstance(got, Program):
        _well_formed(got)
        return
    assert got
    for each in got:
        assert isinstance(each, Complaint)
        assert type(each.line) is type(each.column) is int


def _well_formed(program: Program) -> None:
    assert program.plan.dialect in {"function", "method"}
    assert program.plan.entry.isidentifier()
    assert program.name.isprintable()
    assert all(type(line) is int and line >= 0 for line in program.lines)
    document: dict[str, Any] = json.loads(wire.pack_program(program))
    assert document["text"] == program.text


@dataclass(frozen=True)
class Target:
    """A function to fuzz, the longest input that makes sense, and its share of a run."""

    name: str
    run: Callable[[bytes], None]
    longest: int
    share: int

    def __call__(self, data: bytes) -> None:
        """Run within its time: a wait would be the watchdog's, work is measured here."""
        started = time.process_time()
        self.run(data)
        assert time.process_time() - started < SLOW, "an input of this size took seconds"


TARGETS = {
    target.name: target
    for target in (
        Target("header", header, 32, 10),
        Target("ready", ready, 256, 3),
        Target("ended", ended, 16, 2),
        Target("answers", answers, 600, 30),
        Target("fault", fault, 300, 10),
        Target("stream", stream, 400, 20),
        Target("conversation", conversation, 300, 10),
        Target("reply", model_reply, 1500, 10),
        Target("screened", screened, 600, 5),
    )
}
