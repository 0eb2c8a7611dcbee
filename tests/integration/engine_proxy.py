"""A socket in front of the real engine: it knows which containers were made through it, and can hang up."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CREATED = re.compile(rb'\{"Id":"([0-9a-f]{64})","Warnings"')


class EngineProxy:
    """`created` lists container ids. After `hang_up_after` bytes of an attached stream, everything ends."""

    def __init__(self, upstream: str, path: Path, *, hang_up_after: int | None = None) -> None:
        self.created: list[str] = []
        self.url = f"unix://{path}"
        self.asked: list[bytes] = []
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
            for source, sink, inbound in ((client, engine, True), (engine, client, False)):
                threading.Thread(target=self._pass_on, args=(source, sink, inbound), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, inbound: bool) -> None:  # noqa: FBT001
        passed, attached = 0, False
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if inbound:
                    self.asked.append(data.partition(b"\r\n")[0])
                else:
                    self.created += [m.decode() for m in _CREATED.findall(data)]
                    attached = attached or b"101 UPGRADED" in data
                    passed += len(data)
                if attached and self._limit is not None and passed > self._limit:
                    self.hang_up()
                    return
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def hang_up(self) -> None:
        """End every connection and take no new one."""
        self._dead.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

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
