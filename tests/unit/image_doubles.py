"""A container engine's answers on a Unix socket, for tests without an engine; and a small source tree."""

from __future__ import annotations

import hashlib
import io
import json
import re
import socketserver
import tarfile
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
    """Images by tag, as the engine would describe them; `asked` is what was asked for.

    `archives` are what it saves, by tag; bytes that begin with "error:" are what it says in their place.
    """

    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    archives: dict[str, bytes] = field(default_factory=dict)
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
        path = re.sub(r"^/v1\.\d+/", "/", path)
        if path == "/_ping":
            return self.ping_status, "OK"
        if path == "/version":
            return 200, {"ApiVersion": "1.41"}
        if path.endswith("/get"):
            archive = self.archives[path.removeprefix("/images/").removesuffix("/get")]
            failed = archive.startswith(b"error:")
            return (500, {"message": archive.decode()}) if failed else (200, archive)
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
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
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


@dataclass(frozen=True)
class Put:
    """A member of an archive for tests; everything that is not said is what another machine may have otherwise."""

    name: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    mode: int = 0o644
    link: str = ""
    uid: int = 0
    user: str = ""
    mtime: int = 1_700_000_000
    xattrs: tuple[tuple[str, str], ...] = ()


def tar_of(*members: Put) -> bytes:
    """The members as an archive, in the order given."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for put in members:
            info = tarfile.TarInfo(put.name)
            info.size, info.type, info.mode, info.linkname = len(put.data), put.kind, put.mode, put.link
            info.uid, info.uname, info.mtime = put.uid, put.user, put.mtime
            info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in put.xattrs}
            archive.addfile(info, io.BytesIO(put.data))
    return target.getvalue()


def saved(*layers: bytes, settings: dict[str, object] | None = None) -> bytes:
    """An image of these layers, as `docker save` writes it."""
    digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    about = {"config": settings or {"User": "1"}, "rootfs": {"type": "layers", "diff_ids": digests}}
    config = json.dumps(about).encode()
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": "config.json", "RepoTags": None, "Layers": names}]).encode()
    inside = [Put(name, layer) for name, layer in zip(names, layers, strict=True)]
    return tar_of(*inside, Put("config.json", config), Put("manifest.json", manifest))
