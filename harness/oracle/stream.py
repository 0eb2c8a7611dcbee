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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = struct.Struct(">BxxxI")
_STDOUT, _STDERR = 1, 2
_CHUNK = 1 << 16


class StreamClosedError(Exception):
    """The container closed its end."""


class DeadlineError(Exception):
    """The other side did not answer in time."""


class FloodError(Exception):
    """The candidate printed more than it may."""


class Streams:
    """Reads and writes with a deadline (time.monotonic seconds)."""

    def __init__(self, attached: Any, *, cap: int, shown: int) -> None:
        self._keep = attached
        sock = getattr(attached, "_sock", attached)
        self._sock: socket.socket = sock
        self._raw = bytearray()
        self._out = bytearray()
        self._left = 0
        self._kind = 0
        self._cap = cap
        self._shown = shown
        self._printed = 0
        self._late: bytearray | None = None
        self.output = bytearray()

    def write(self, data: bytes, deadline: float) -> None:
        """Write all of `data`."""
        try:
            self._sock.settimeout(_remaining(deadline))
            self._sock.sendall(data)
        except TimeoutError:
            raise DeadlineError from None
        except OSError:
            raise StreamClosedError from None

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
        try:
            self._sock.settimeout(_remaining(deadline))
            data = self._sock.recv(_CHUNK)
        except TimeoutError:
            raise DeadlineError from None
        except OSError:
            raise StreamClosedError from None
        if not data:
            raise StreamClosedError
        self._raw += data
        self._split()

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
