"""The attached standard streams of one container, split and bounded.

The engine carries stdout and stderr in one connection, each piece behind an 8-byte header. Stdout is the
wire; stderr is what the candidate printed, of which a little is kept and too much is an error.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from harness.core.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_PIECE = struct.Struct(">BxxxI")
_STDOUT, _STDERR = 1, 2
_CHUNK = 1 << 16
#: How often one who waits asks whether it is to stop, in seconds.
_LOOK = 0.25


class StreamClosedError(Exception):
    """The container closed its end."""


class DeadlineError(Exception):
    """The other side did not answer in time."""


class FloodError(Exception):
    """The candidate printed more than it may."""


class Streams:
    """Reads and writes with a deadline (time.monotonic seconds).

    Either ends with StoppedError soon after `stopping` says so: a signal alone does not end a wait for a candidate.
    """

    def __init__(self, attached: Any, *, cap: int, shown: int, stopping: Callable[[], bool] = lambda: False) -> None:
        self._keep = attached
        sock = getattr(attached, "_sock", attached)
        self._sock: socket.socket = sock
        self._raw = bytearray()
        self._out = bytearray()
        self._left = 0
        self._kind = 0
        self._cap = cap
        self._shown = shown
        self._stopping = stopping
        self._printed = 0
        self._late: bytearray | None = None
        self.output = bytearray()

    def heed(self, stopping: Callable[[], bool]) -> None:
        """From now on whoever waits here ends when this says so."""
        self._stopping = stopping

    def write(self, data: bytes, deadline: float) -> None:
        """Write all of `data`."""
        left = memoryview(data)
        while left:
            left = left[self._when_it_can(partial(self._sock.send, left), deadline) :]

    def read(self, size: int, deadline: float) -> bytes:
        """Read exactly `size` bytes of the wire."""
        while len(self._out) < size:
            self._fill(deadline)
        piece = bytes(self._out[:size])
        del self._out[:size]
        return piece

    def drain(self, seconds: float) -> None:
        """Take in what was printed before the end, for as long as `seconds`; what comes on the wire is dropped."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self._out.clear()
                self._fill(deadline)
        except (DeadlineError, StreamClosedError, FloodError):
            return

    def take_until(self, mark: bytes, deadline: float) -> None:
        """Take in what was printed until `mark` comes by, which is no part of it. Raises FloodError alone."""
        self._late = bytearray()
        try:
            while not self._late.endswith(mark):
                self._out.clear()  # nothing is due on the wire
                self._fill(deadline)
        except (DeadlineError, StreamClosedError):
            mark = b""
        late, self._late = self._late, None
        self._print(late.removesuffix(mark))

    def close(self) -> None:
        """Close the connection, which closes the container's stdin."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        finally:
            # The SDK's wrapper holds the descriptor open until it is closed itself.
            self._keep.close()
            self._sock.close()

    @contextlib.contextmanager
    def discarded(self) -> Iterator[None]:
        """Throw away what still comes, then close.

        An engine whose output nobody takes answers no request to end its container.
        """
        taker = threading.Thread(target=self._discard, name="discard", daemon=True)
        taker.start()
        try:
            yield
        finally:
            self.close()
            taker.join()

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.settimeout(None)
            while self._sock.recv(_CHUNK):
                pass

    def _fill(self, deadline: float) -> None:
        data = self._when_it_can(partial(self._sock.recv, _CHUNK), deadline)
        if not data:
            raise StreamClosedError
        self._raw += data
        self._split()

    def _when_it_can(self, what: Callable[[], T], deadline: float) -> T:
        """Read or write a piece, as soon as the other side is ready for it."""
        while True:
            left = _remaining(deadline)
            if self._stopping():
                raise StoppedError
            try:
                self._sock.settimeout(min(left, _LOOK))
                return what()
            except TimeoutError:
                continue
            except OSError:
                raise StreamClosedError from None

    def _split(self) -> None:
        raw, at = self._raw, 0
        while at < len(raw):
            if not self._left:
                if len(raw) - at < _PIECE.size:
                    break
                self._kind, self._left = _PIECE.unpack_from(raw, at)
                at += _PIECE.size
                continue
            piece = raw[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if self._kind == _STDOUT:
                self._out += piece
            elif self._kind == _STDERR:
                self._print(piece)
        del raw[:at]

    def _print(self, piece: bytearray) -> None:
        if self._late is not None:
            self._late += piece
            if self._printed + len(self._late) > self._cap:
                raise FloodError
            return
        self._printed += len(piece)
        self.output += piece[: max(0, self._shown - len(self.output))]
        if self._printed > self._cap:
            raise FloodError


def _remaining(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlineError
    return left
