"""A judge's endpoint on loopback, over real HTTP, with the faults that endpoints have."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def prefers_longer(body: dict[str, Any]) -> str:
    """A judge that likes length, and reads nothing else."""
    user = body["messages"][-1]["content"]
    a, b = (re.search(rf"<<< answer {x} begins (\w+)\n(.*)\n<<< answer {x} ends \1", user, re.DOTALL) for x in "AB")
    assert a is not None
    assert b is not None
    one, other = len(a[2]), len(b[2])
    return "They differ.\n\n" + ("[[C]]" if one == other else "[[A]]" if one > other else "[[B]]")


KEY = "sk-a-key-that-must-not-be-seen"


class Server:
    """What it heard, what it says, and the faults that come first: names of `_Handler`'s methods."""

    def __init__(self, says: Callable[[dict[str, Any]], Any] = prefers_longer) -> None:
        self.says = says
        self.faults: deque[str] = deque()
        self.heard: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state: Server = self.server.state
        with state.lock:
            state.heard.append(body)
            state.headers.append({name.lower(): value for name, value in self.headers.items()})
            fault = state.faults.popleft() if state.faults else ""
        if fault:
            getattr(self, fault)()
            return
        said = state.says(body)
        self.send(200, said if isinstance(said, dict) else completion(said))

    def send(self, status: int, content: object, *headers: tuple[str, str]) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)

    def busy(self) -> None:
        self.send(429, {"error": {"message": "slow down"}}, ("retry-after-ms", "5"))

    def broken(self) -> None:
        self.send(503, {"error": {"message": "overloaded"}}, ("retry-after-ms", "5"))

    def key(self) -> None:
        self.send(401, {"error": {"message": "bad key " + self.headers["Authorization"].removeprefix("Bearer ")}})

    def refused(self) -> None:
        self.send(400, {"error": {"message": "context length exceeded"}})

    def unknown(self) -> None:
        self.send(404, {"error": {"message": "no such model"}})

    def moved(self) -> None:
        self.send(307, {}, ("Location", "http://127.0.0.1:9/elsewhere"))

    def cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b'{"choices": [{"message": {"content": "[[A]]"}}]')
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def silent(self) -> None:
        time.sleep(1.2)
        self.close_connection = True

    def drip(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(40):
                self.wfile.write(b"1\r\n \r\n")
                self.wfile.flush()
                time.sleep(0.05)
        self.close_connection = True

    def endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(200):
                self.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        self.close_connection = True

    def packed(self) -> None:
        self.send(200, b"\x1f\x8b", ("Content-Encoding", "gzip"))

    def page(self) -> None:
        self.send(200, b"<html>please sign in</html>")

    def empty(self) -> None:
        self.send(200, {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})


def completion(text: str | None, finish: str = "stop", **more: Any) -> dict[str, Any]:
    """What an endpoint answers; `usage=None` leaves the tokens out, `top` gives the first token's probabilities."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    if top := more.get("top"):
        choice["logprobs"] = {"content": [{"token": "A", "logprob": 0.0, "top_logprobs": top}]}
    usage = more.get("usage", {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110})
    return {"id": "x", "object": "chat.completion", "model": "judge-1", "choices": [choice], "usage": usage}


@contextlib.contextmanager
def serving(says: Callable[[dict[str, Any]], Any] = prefers_longer) -> Iterator[Server]:
    """A running endpoint."""
    state = Server(says)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    http.state = state  # type: ignore[attr-defined]
    state.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
