"""An engine's API on a Unix socket that keeps what it was sent, for tests without an engine."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTAINER = "c" * 64


@dataclass
class FakeEngine:
    """`answers` replaces the answer to "METHOD /path"; `bodies` is what was posted, `asked` every request."""

    info: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, tuple[int, object]] = field(default_factory=dict)
    bodies: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        # The API's version stands in front of the path.
        short = "/" + path.removeprefix("/v1.41").removeprefix("/")
        self.asked.append(f"{method} {short}")
        if f"{method} {short}" in self.answers:
            return self.answers[f"{method} {short}"]
        if body:
            self.bodies.append(json.loads(body))
        return {
            "GET /version": (200, {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10"}),
            "GET /_ping": (200, "OK"),
            "GET /info": (200, self.info),
            "GET /containers/json": (200, []),
            "POST /containers/create": (201, {"Id": CONTAINER, "Warnings": []}),
        }.get(f"{method} {short}", (404, {"message": f"No such thing: {short}"}))

    @contextmanager
    def listening(self, socket: Path) -> Iterator[str]:
        """Serve at `socket`; yields the engine's URL."""
        double = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, content = double.answer(self.command, urlsplit(self.path).path, body)
                data = b"" if status == 204 else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _do  # noqa: N815 - the base class's names

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: object) -> None:
                pass

        with socketserver.ThreadingUnixStreamServer(str(socket), Handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            try:
                yield f"unix://{socket}"
            finally:
                server.shutdown()
