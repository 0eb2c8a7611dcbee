"""A container engine's answers on a Unix socket, for tests without an engine; and a small source tree."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIN = "a" * 64


@dataclass
class EngineDouble:
    """Images by tag, as the engine would describe them; `asked` is what was asked for."""

    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ping_status: int = 200

    def add(self, tag: str, digest: str, labels: dict[str, str], created: str = "2026-01-01T00:00:00Z") -> None:
        self.images[tag] = {
            "Id": digest,
            "RepoTags": [tag],
            "Config": {"Labels": labels},
            "Created": created,
            "Size": 1000,
        }

    def answer(self, path: str) -> tuple[int, object]:
        self.asked.append(path)
        if path == "/_ping":
            return self.ping_status, "OK"
        if path == "/images/json":
            return 200, [{"Id": image["Id"], "RepoTags": image["RepoTags"]} for image in self.images.values()]
        name = path.removeprefix("/images/").removesuffix("/json")
        for tag, image in self.images.items():
            if name in {tag, image["Id"]}:
                return 200, image
        return 404, {"message": "no such image"}

    @contextmanager
    def listening(self, socket: Path) -> Iterator[str]:
        """Serve at `socket`; yields the engine's URL."""
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content = double.answer(unquote(urlsplit(self.path).path))
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: object) -> None:
                pass

        socket.parent.mkdir(parents=True, exist_ok=True)
        with socketserver.ThreadingUnixStreamServer(str(socket), Handler) as server:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            try:
                yield f"unix://{socket}"
            finally:
                server.shutdown()


def source_tree(root: Path) -> Path:
    """Write the smallest tree that an image can be made from."""
    files = {
        "dockerfiles/sandbox.Dockerfile": "FROM scratch\n",
        "dockerfiles/base.lock": (
            f'[slim]\nreference = "python@sha256:{PIN}"\n'
            '[debian]\nsuite = "bookworm"\npackages = ["python3-minimal"]\nepoch = 1000\n'
        ),
        "dockerfiles/stages/install.py": "pass\n",
        "dockerfiles/locks/sandbox-cpu.txt": f"torch==2.13.0+cpu --hash=sha256:{PIN}\n",
        "dockerfiles/locks/sandbox-cuda.txt": f"torch==2.13.0 --hash=sha256:{PIN}\n",
        "dockerfiles/locks/build.txt": f"pip==26.3 --hash=sha256:{PIN}\n",
        "sandbox/__init__.py": "",
        "sandbox/__main__.py": "print('hello')\n",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (root / "harness").mkdir()
    for folder in ("dockerfiles", "sandbox"):  # as in a checkout
        (root / "harness" / folder).symlink_to(f"../{folder}")
    return root
