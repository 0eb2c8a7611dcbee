"""The other end of a conversation, driven by a fuzzer's choices: the engine's connection and the sandbox behind it.

A real pair of sockets, and no second thread: the peer acts when the host writes or waits. Where the host would
wait until its deadline, the deadline has passed at once.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any

from honest import ANSWER, ENDED, EVAL, LOAD, LOADED, MARK, READY, READY_PAYLOAD, START, STARTED, STOP, frame, reply_to
from spoil import HEADER, Moment, spoken

from harness.containers.engine import Created
from harness.containers.stream import DeadlineError

if TYPE_CHECKING:
    from choices import Choices
    from honest import Asked

STDOUT, STDERR = 1, 2
_CHUNK = 1 << 15
#: The states in which an engine may find the container at its end.
STATES: tuple[dict[str, Any], ...] = (
    {"Running": True, "ExitCode": 0},
    {"Running": False, "ExitCode": 137},
    {"Running": False, "ExitCode": 137, "OOMKilled": True},
    {"Running": False, "ExitCode": 1},
    {"Running": False, "ExitCode": 0},
    {},
)


def piece(kind: int, data: bytes) -> bytes:
    """A piece of a stream, behind the engine's own header."""
    return struct.pack(">BxxxI", kind, len(data)) + data


class Line:
    """The host's end of the attached connection. `taken` counts the bytes that the host took before it gave up."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._host, self._far = socket.socketpair()
        self._chunks: deque[bytes] = deque()
        self._inside = 0
        self._dismissed = False
        self.then = ""
        self.taken = 0

    def push(self, chunks: list[bytes]) -> None:
        """What the host will receive, in these chunks."""
        self._chunks.extend(c for c in chunks if c)

    def settimeout(self, seconds: float | None) -> None:
        """Without a limit, the host only throws away what still comes: the container has ended."""
        self._dismissed = self._dismissed or seconds is None

    def send(self, data: bytes) -> int:
        """All of it at once."""
        self.sendall(bytes(data))
        return len(data)

    def sendall(self, data: bytes) -> None:
        """The host's request, which is answered before the host reads."""
        self._host.sendall(data)
        got = b""
        while len(got) < len(data):
            got += self._far.recv(1 << 20)
        self._peer.heard(got)

    def recv(self, size: int) -> bytes:
        """The next chunk."""
        if not self._inside:
            if self._dismissed:
                return b""
            if self._chunks:
                self._forward(self._chunks.popleft())
            elif self.then in {"stdout", "stderr"}:
                self._forward(self._peer.more(self.then, _CHUNK))
            elif self.then == "close":
                self._far.close()
            else:
                raise DeadlineError  # where the host would wait for it
        data = self._host.recv(size)
        self._inside -= len(data)
        self.taken += 0 if self._dismissed else len(data)
        return data

    def _forward(self, chunk: bytes) -> None:
        assert len(chunk) <= _CHUNK, "no more at once than the kernel takes without a reader"
        self._far.sendall(chunk)
        self._inside += len(chunk)

    def shutdown(self, how: int) -> None:
        """As a socket does it."""
        self._host.shutdown(how)

    def close(self) -> None:
        """Both ends."""
        self._host.close()
        self._far.close()


class Peer:
    """An honest sandbox with DPO in it, whose words are spoilt as the plan says.

    `truth` is all of stdout as it was sent, `heads` the kind and number of each request, `spoilt` whether
    anything that an honest sandbox would not have sent was sent.
    """

    def __init__(self, plan: Choices) -> None:
        self._plan = plan
        self.line = Line(self)
        self.truth = bytearray()
        self.heads: list[tuple[int, int]] = []
        self.spoilt = False
        self.printed = 0
        self.asked: Asked | None = None

    def ready(self) -> None:
        """The first frame, which answers no request."""
        self._say(frame(READY, 0, READY_PAYLOAD), 0)

    def heard(self, request: bytes) -> None:
        """Answer one request."""
        magic, kind, sequence, length = struct.unpack("<4sB3xII", request[:HEADER])
        assert (magic, length) == (b"HRN1", len(request) - HEADER)
        self.heads.append((kind, sequence))
        if kind == EVAL:
            assert self.asked is not None
            self._say(frame(ANSWER, sequence, reply_to(self.asked)), sequence)
        elif kind == MARK:
            self.line.push([piece(STDERR, request[HEADER:])])
        else:
            kinds = {LOAD: (LOADED, sequence, b""), START: (STARTED, sequence, b""), STOP: (ENDED, 0, bytes(5))}
            self._say(frame(*kinds[kind]), sequence)

    def _say(self, honest: bytes, sequence: int) -> None:
        previous = self.heads[-2][1] if len(self.heads) > 1 else 0
        said = spoken(Moment(honest, sequence, previous), self._plan)
        self.spoilt = self.spoilt or said.data != honest or bool(said.then)
        self.truth += said.data
        self.line.then = said.then
        self.line.push(self._carried(said.data))

    def _carried(self, data: bytes) -> list[bytes]:
        """Stdout in pieces, with other pieces between them, in chunks that are cut anywhere."""
        plan = self._plan
        if plan.byte() % 2 == 0:
            return [piece(STDOUT, data)]
        raw = b""
        for _ in range(plan.below(4)):
            size = plan.below(len(data) + 1)
            raw += piece(STDOUT, data[:size])
            data = data[size:]
            kind, words = (STDERR, STDERR, 0, 7)[plan.below(4)], plan.take(plan.below(30))
            raw += piece(kind, words)
            self.printed += len(words) if kind == STDERR else 0
        raw += piece(STDOUT, data)
        cuts = sorted(plan.below(len(raw)) for _ in range(plan.below(6)))
        return [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    def more(self, stream: str, size: int) -> bytes:
        """The next piece of an endless stream."""
        if stream == "stdout":
            self.truth += bytes(size - 8)
            return piece(STDOUT, bytes(size - 8))
        self.printed += size - 8
        return piece(STDERR, bytes(size - 8))


class FuzzedEngine:
    """The engine of one conversation."""

    def __init__(self, peer: Peer, state: dict[str, Any]) -> None:
        self._peer = peer
        self._state = state
        self._body: dict[str, Any] = {}
        self.removed = 0

    def create(self, body: dict[str, Any]) -> Created:
        """One container."""
        self._body = body
        return Created("c" * 64)

    def describe(self, container: str) -> dict[str, Any]:
        """Built as it was asked for."""
        del container
        return {"HostConfig": self._body["HostConfig"], "Config": self._body, "Image": self._body["Image"]}

    def attach_and_start(self, container: str) -> Line:
        """The sandbox says that it is ready."""
        del container
        self._peer.ready()
        return self._peer.line

    def state(self, container: str) -> dict[str, Any]:
        """How the container ended."""
        del container
        return self._state

    def remove(self, container: str) -> None:
        """Count, as each container is to be removed once."""
        del container
        self.removed += 1
