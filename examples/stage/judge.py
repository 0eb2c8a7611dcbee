"""`python examples/stage/judge.py COMMAND...`: run a command beside a judge on loopback, which OPENAI_BASE_URL names.

The judge speaks OpenAI's protocol and prefers the answer with the larger share of kind words. It stands for a language
model, so that the whole ladder runs without one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD, BAD = {"fine", "kind", "warm", "clear"}, {"dull", "rude", "cold", "vague"}


def worth(text: str) -> float:
    """What an answer is worth to this judge."""
    said = [word for word in re.findall(r"[a-z]+", text.lower()) if word in GOOD | BAD]
    return sum(word in GOOD for word in said) / len(said) if said else 0.0


def verdict(asked: str) -> str:
    """What the judge replies to a comparison of two answers."""
    found = [re.search(rf"<<< answer {x} begins (\w+)\n(.*)\n<<< answer {x} ends \1", asked, re.DOTALL) for x in "AB"]
    one, other = (worth(each[2]) if each is not None else 0.0 for each in found)
    return "[[C]]" if one == other else "[[A]]" if one > other else "[[B]]"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Reply to one request of a chat."""
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = body["messages"][-1]["content"]
        told = f"I have read both.\n\n{verdict(asked)}"
        usage = {"prompt_tokens": len(asked) // 4, "completion_tokens": len(told) // 4}
        choice = {"index": 0, "message": {"role": "assistant", "content": told}, "finish_reason": "stop"}
        data = json.dumps(
            {"id": "x", "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage}
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The judge's address, as long as it listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    with serving() as address:
        sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, "OPENAI_BASE_URL": address}, check=False).returncode)
