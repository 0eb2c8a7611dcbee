"""The attached streams: pieces cut anywhere, a cap on what is printed, a deadline on everything."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from harness.containers.stream import DeadlineError, FloodError, StreamClosedError, Streams
from harness.core.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Iterator

CAP, SHOWN = 1000, 20
OUT, ERR = 1, 2


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def theirs(ends: tuple[socket.socket, socket.socket]) -> socket.socket:
    return ends[1]


@pytest.fixture
def streams(ends: tuple[socket.socket, socket.socket]) -> Streams:
    return Streams(ends[0], cap=CAP, shown=SHOWN)


def piece(kind: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", kind, len(data)) + data


def soon(seconds: float = 120.0) -> float:
    return time.monotonic() + seconds


def test_both_streams_are_told_apart(streams: Streams, theirs: socket.socket) -> None:
    theirs.sendall(piece(OUT, b"abc") + piece(ERR, b"hello") + piece(OUT, b"def"))
    assert streams.read(6, soon()) == b"abcdef"
    assert streams.output == b"hello"


@pytest.mark.parametrize("seed", range(5))
def test_pieces_may_be_cut_anywhere(streams: Streams, theirs: socket.socket, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - where to cut, and nothing else
    wire = draw.randbytes(3000)
    printed = draw.randbytes(600)
    raw = b"".join(
        piece(OUT, wire[i * 100 : i * 100 + 100]) + piece(ERR, printed[i * 20 : i * 20 + 20]) for i in range(30)
    )
    cuts = sorted(draw.sample(range(len(raw)), 200))

    def send() -> None:
        for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            theirs.sendall(raw[start:end])

    sender = threading.Thread(target=send)
    sender.start()
    got = b"".join(streams.read(size, soon()) for size in (1, 16, 983, 2000))
    sender.join()
    streams.drain(0.05)
    assert got == wire
    assert streams.output == printed[:SHOWN]


def test_a_byte_at_a_time(streams: Streams, theirs: socket.socket) -> None:
    raw = piece(OUT, b"") + piece(ERR, b"x") + piece(OUT, b"ok")

    def send() -> None:
        for i in range(len(raw)):
            theirs.sendall(raw[i : i + 1])
            time.sleep(0.001)

    sender = threading.Thread(target=send)
    sender.start()
    assert streams.read(2, soon()) == b"ok"
    sender.join()
    assert streams.output == b"x"


def test_a_piece_of_an_unknown_stream_is_left_aside(streams: Streams, theirs: socket.socket) -> None:
    theirs.sendall(piece(7, b"what?") + piece(0, b"stdin") + piece(OUT, b"ok"))
    assert streams.read(2, soon()) == b"ok"
    assert streams.output == b""


def test_more_than_the_cap_is_a_flood(streams: Streams, theirs: socket.socket) -> None:
    theirs.sendall(piece(ERR, b"x" * CAP) + piece(OUT, b"ok"))
    assert streams.read(2, soon()) == b"ok"
    theirs.sendall(piece(ERR, b"!"))
    with pytest.raises(FloodError):
        streams.read(1, soon())
    assert streams.output == b"x" * SHOWN


def test_a_flood_keeps_little_in_memory(streams: Streams, theirs: socket.socket) -> None:
    def send() -> None:
        # We hang up in the middle of it.
        with contextlib.suppress(OSError):
            theirs.sendall(piece(ERR, b"x" * 200_000))

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(FloodError):
        streams.read(1, soon())
    assert len(streams.output) == SHOWN
    streams.close()
    sender.join()


def test_silence_ends_at_the_deadline(streams: Streams) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineError):
        streams.read(1, soon(0.1))
    assert time.monotonic() - started > 0.05


def test_half_an_answer_ends_at_the_deadline(streams: Streams, theirs: socket.socket) -> None:
    theirs.sendall(piece(OUT, b"half"))
    with pytest.raises(DeadlineError):
        streams.read(8, soon(0.1))


def test_a_trickle_does_not_move_the_deadline(streams: Streams, theirs: socket.socket) -> None:
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.01):
            theirs.sendall(piece(ERR, b"."))

    sender = threading.Thread(target=trickle)
    sender.start()
    with pytest.raises(DeadlineError):  # or it would never end
        streams.read(1, soon(0.2))
    stop.set()
    sender.join()


def test_a_deadline_that_has_passed(streams: Streams, theirs: socket.socket) -> None:
    theirs.sendall(piece(OUT, b"late"))
    with pytest.raises(DeadlineError):
        streams.read(1, time.monotonic() - 1)
    with pytest.raises(DeadlineError):
        streams.write(b"x", time.monotonic() - 1)


def test_a_reader_that_does_not_read(streams: Streams) -> None:
    with pytest.raises(DeadlineError):
        streams.write(bytes(1 << 24), soon(0.2))


@pytest.mark.parametrize("before", [b"", piece(OUT, b"ab"), piece(OUT, b"abcd")[:-2], b"\1\0"])
def test_the_other_end_closes(streams: Streams, theirs: socket.socket, before: bytes) -> None:
    theirs.sendall(before)
    theirs.close()
    with pytest.raises(StreamClosedError):
        streams.read(3, soon())
    with pytest.raises(StreamClosedError):
        streams.write(b"x" * 100_000, soon())


def test_what_came_before_the_end_is_read(streams: Streams, theirs: socket.socket) -> None:
    theirs.sendall(piece(OUT, b"last") + piece(ERR, b"words"))
    theirs.close()
    assert streams.read(4, soon()) == b"last"
    streams.drain(1.0)
    assert streams.output == b"words"


def test_closing_reaches_the_other_end_and_may_come_twice(streams: Streams, theirs: socket.socket) -> None:
    streams.close()
    theirs.settimeout(5)
    assert theirs.recv(1) == b""
    streams.close()


def test_an_sdk_socket_is_unwrapped(ends: tuple[socket.socket, socket.socket]) -> None:
    wrapped = socket.SocketIO(ends[0], "rwb")
    # What `makefile` counts, and the SDK's wrapper comes from it.
    counted: Any = ends[0]
    counted._io_refs += 1
    streams = Streams(wrapped, cap=CAP, shown=SHOWN)
    streams.write(b"hi", soon())
    assert ends[1].recv(10) == b"hi"
    streams.close()
    # The descriptor itself is gone, and not only its name.
    assert ends[0].fileno() == -1
    assert wrapped.closed


def test_what_comes_while_the_container_is_ended_is_thrown_away(streams: Streams, theirs: socket.socket) -> None:
    theirs.settimeout(5)
    with streams.discarded():
        # Far more than the kernel keeps for a reader that does not read.
        theirs.sendall(piece(ERR, bytes(1 << 23)))
    # Closed, by an end or by a reset: what was still under way is nobody's.
    with contextlib.suppress(ConnectionResetError):
        assert theirs.recv(1) == b""
    assert streams.output == b""


@pytest.mark.parametrize("what", ["read", "write"])
def test_whoever_waits_ends_soon_when_told_to_stop(ends: tuple[socket.socket, socket.socket], what: str) -> None:
    """Long before the deadline: a signal alone would not end a wait for a candidate."""
    stop = threading.Event()
    streams = Streams(ends[0], cap=CAP, shown=SHOWN, stopping=stop.is_set)
    threading.Timer(0.3, stop.set).start()
    wait = {"read": lambda: streams.read(1, soon(600.0)), "write": lambda: streams.write(bytes(64 << 20), soon(600.0))}
    with pytest.raises(StoppedError):
        wait[what]()  # nobody answers, and nobody takes it


def test_a_large_request_is_written_whole_to_one_who_reads_slowly(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    streams, data = Streams(ends[0], cap=CAP, shown=SHOWN), random.Random(1).randbytes(3 << 20)  # noqa: S311
    got = bytearray()

    def take() -> None:
        while len(got) < len(data):
            got.extend(ends[1].recv(1 << 16))
            time.sleep(0.001)

    reader = threading.Thread(target=take)
    reader.start()
    streams.write(data, soon(600.0))
    reader.join(600)
    assert got == data
