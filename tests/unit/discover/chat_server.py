"""A real HTTP server on loopback that speaks chat completions, and can misbehave in every way that servers do."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    #: What answers one request: it is given the handler and the body that was asked.
    Act = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]

USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}


def chunk(content: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    """One event of a stream."""
    choice = {"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish}
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def usage_chunk() -> bytes:
    """The event that counts the tokens."""
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": USAGE}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def begin(handler: BaseHTTPRequestHandler, kind: str = "text/event-stream", **headers: str) -> None:
    """Headers of a good answer; the connection is closed after it."""
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Connection", "close")
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def say(text: str, finish: str = "stop", *, counted: bool = True) -> Act:
    """A good reply, in pieces."""

    def act(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        del body
        begin(handler)
        for start in range(0, max(1, len(text)), 1000):
            handler.wfile.write(chunk(text[start : start + 1000]))
        handler.wfile.write(chunk(None, finish) + (usage_chunk() if counted else b"") + b"data: [DONE]\n\n")

    return act


def refuse(status: int, message: str = "no", **headers: str) -> Act:
    """An error."""

    def act(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        del body
        data = json.dumps({"error": {"message": message, "type": "t", "code": "c"}}).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.send_header("retry-after-ms", "1")
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return act


def raw(data: bytes, kind: str = "text/event-stream", **headers: str) -> Act:
    """Whatever bytes."""

    def act(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        del body
        begin(handler, kind, **headers)
        handler.wfile.write(data)

    return act


@dataclass
class ChatServer:
    """Answers by `acts` in turn, the last one for ever. `asked` are the bodies, `headers` what came with them."""

    acts: list[Act] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    keys: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        """Listen."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                place = len(outer.asked)
                outer.asked.append(body)
                outer.headers.append({key.lower(): value for key, value in self.headers.items()})
                outer.keys[self.headers.get("Idempotency-Key", "")] += 1
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client had enough
                    outer.acts[min(place, len(outer.acts) - 1)](self, body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        """What --base-url is given."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"
