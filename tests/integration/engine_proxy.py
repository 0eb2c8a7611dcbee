"""A socket in front of the real engine: it knows which containers were made through it, and can fail in its place."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_CREATED = re.compile(rb'\{"Id":"([0-9a-f]{64})","Warnings"')
_REQUEST = re.compile(rb"(?:GET|POST|DELETE|HEAD) (\S+) HTTP/1\.1\r\n")
_CHUNK = 1 << 16


@dataclass
class Trap:
    """What happens to the requests whose first line matches `pattern`, from number `first` on, `times` times.

    Where `status` is set the engine's place is taken by an error of that status; else everything ends: before
    the request reaches the engine, or where `after` is set when the engine has begun to answer it.
    """

    pattern: str
    status: int = 0
    message: str = ""
    first: int = 1
    times: int = 1
    after: bool = False
    met: int = 0

    def springs(self, line: bytes) -> bool:
        """Whether this request is one of those."""
        if not re.search(self.pattern, line.decode("latin-1")):
            return False
        self.met += 1
        return self.first <= self.met < self.first + self.times

    @property
    def refusal(self) -> bytes:
        """The engine's error, as it words them."""
        body = json.dumps({"message": self.message}).encode()
        head = f"HTTP/1.1 {self.status} Error\r\nContent-Type: application/json\r\nConnection: close\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class EngineProxy:
    """`created` lists container ids, `asked` the first lines of all that was asked.

    After `hang_up_after` bytes of any attached stream, everything ends. `cuts` ends attached stream number n
    (from 0) alone after so many bytes, and `stalls` holds its bytes back from there on. `seen` is called with
    the number of the stream and the bytes that it has carried.
    """

    def __init__(self, upstream: str, path: Path, *, hang_up_after: int | None = None) -> None:
        self.created: list[str] = []
        self.url = f"unix://{path}"
        self.asked: list[bytes] = []
        self.traps: Sequence[Trap] = ()
        self.cuts: dict[int, int] = {}
        self.stalls: dict[int, int] = {}
        self.seen: Callable[[int, int], None] = lambda *_: None
        self._attached = 0
        self._doomed: socket.socket | None = None
        self._upstream = upstream.removeprefix("unix://")
        self._limit = hang_up_after
        self._dead = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._dead.is_set():
                client.close()
                continue
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self._upstream)
            self._sockets += [client, engine]
            for work in (self._inbound, self._outbound):
                threading.Thread(target=work, args=(client, engine), daemon=True).start()

    def _inbound(self, client: socket.socket, engine: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(_CHUNK):
                if _REQUEST.match(data):
                    line = data.partition(b"\r\n")[0]
                    self.asked.append(line)
                    # All of them count, also where an earlier one springs.
                    sprung = [trap for trap in self.traps if trap.springs(line)]
                    if sprung and sprung[0].after:
                        self._doomed = engine  # and what is left of the request, which may come in parts, is passed on
                    elif sprung:
                        self._spring(sprung[0], client, engine)
                        return
                engine.sendall(data)
        with contextlib.suppress(OSError):
            engine.shutdown(socket.SHUT_WR)

    def _spring(self, trap: Trap, client: socket.socket, engine: socket.socket) -> None:
        """Do what the trap says; nothing else is carried here."""
        if trap.status:
            client.sendall(trap.refusal)
            # What is left of the request is taken in, or closing would be a reset that loses the answer.
            client.shutdown(socket.SHUT_WR)
            while client.recv(_CHUNK):
                pass
            engine.close()
            return
        self.hang_up()

    def _outbound(self, client: socket.socket, engine: socket.socket) -> None:
        stream, carried = -1, 0
        with contextlib.suppress(OSError):
            while data := engine.recv(_CHUNK):
                self.created += [m.decode() for m in _CREATED.findall(data)]
                if engine is self._doomed:
                    self.hang_up()
                    return
                if stream < 0 and b"101 UPGRADED" in data:
                    stream, self._attached = self._attached, self._attached + 1
                    head, mark, data = data.partition(b"\r\n\r\n")
                    client.sendall(head + mark)
                if stream < 0:
                    client.sendall(data)
                    continue
                if not self._carry(client, engine, stream, carried, data):
                    return
                carried += len(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)

    def _carry(self, client: socket.socket, engine: socket.socket, stream: int, carried: int, data: bytes) -> bool:
        """Pass on a part of an attached stream; whether it goes on."""
        end = min(self.cuts.get(stream, 1 << 60), self.stalls.get(stream, 1 << 60)) - carried
        client.sendall(data[: max(0, end)])
        self.seen(stream, carried + len(data))
        if self._limit is not None and carried + len(data) > self._limit:
            self.hang_up()
            return False
        if stream in self.cuts and len(data) >= end:
            for one in (client, engine):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            return False
        return True

    def hang_up(self) -> None:
        """End every connection and take no new one."""
        self._dead.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def revive(self) -> None:
        """Take connections again."""
        self._dead.clear()

    def close(self) -> None:
        """End the proxy."""
        self.hang_up()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for one in (*self._sockets, self._listener):
            one.close()


@contextlib.contextmanager
def proxied(upstream: str, path: Path, *, hang_up_after: int | None = None) -> Iterator[EngineProxy]:
    """Serve at `path`."""
    proxy = EngineProxy(upstream, path, hang_up_after=hang_up_after)
    try:
        yield proxy
    finally:
        proxy.close()
