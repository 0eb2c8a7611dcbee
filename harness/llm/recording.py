"""Every call of a judge, kept: JSON lines, one for each, on the disk before anybody uses the reply.

A line holds the request and its digest, the reply with its tokens, a seal (SHA-256) over both, and the time. A file
that was cut off in the middle of a line goes on after the last whole one. A line that was damaged is noticed by its
seal; whoever wants to forge one can, since there is no secret in it. No key is ever in a request.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.core.errors import InfrastructureError, UserError
from harness.core.files import LARGE, OPENED, read_bytes, read_descriptor
from harness.llm.request import Message, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STRICT = ConfigDict(extra="forbid", frozen=True)


class _Message(BaseModel):
    model_config = _STRICT
    role: str
    content: str


class _Request(BaseModel):
    model_config = _STRICT
    model: str
    messages: tuple[_Message, ...]
    temperature: float | None
    most_tokens: int
    cap: str
    top: int


class _Reply(BaseModel):
    model_config = _STRICT
    text: str
    finish: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    counted: bool
    tries: int
    top: tuple[tuple[str, float], ...]


class _Line(BaseModel):
    model_config = _STRICT
    digest: str
    seal: str
    request: _Request
    reply: _Reply
    time: float
    seconds: float


class Recording:
    """A file of calls. Opened for writing, it has one writer; `read_only` needs the file to be there.

    Raises UserError for a file that is no recording, or that another process writes to.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, Reply] = {}
        self._handle: int | None = None
        try:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | OPENED, 0o600)
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = read_bytes(path, LARGE) if self._handle is None else read_descriptor(self._handle, LARGE)
        except BlockingIOError as error:
            self.close()
            raise UserError(f"another process writes to {path}", remedy="wait for it, or record elsewhere") from error
        except OSError as error:
            self.close()
            raise UserError(f"{path} cannot be read as a recording: {error.strerror or error}") from error
        whole = data[: data.rfind(b"\n") + 1]
        try:
            self._known.update(_entries(path, whole))
        except UserError:
            self.close()
            raise
        if self._handle is not None and len(whole) != len(data):
            os.ftruncate(self._handle, len(whole))  # a line that was being written when somebody pulled the plug

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let others write to the file."""
        self.close()

    def __iter__(self) -> Iterator[Reply]:
        """All replies, in the order of their coming."""
        return iter(tuple(self._known.values()))

    def close(self) -> None:
        """Let others write to the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    @property
    def writable(self) -> bool:
        """Whether replies can be added."""
        return self._handle is not None

    def find(self, request: Request) -> Reply | None:
        """The recorded reply, if there is one."""
        return self._known.get(request.digest)

    def add(self, request: Request, reply: Reply, seconds: float) -> Reply:
        """Keep a reply; give the one that counts, which is the first one that was kept for this request.

        Raises InfrastructureError where the disk does not take it; nothing half-written is left then.
        """
        line = {
            "digest": request.digest,
            "seal": _seal(request, reply),
            "request": asdict(request),
            "reply": asdict(reply),
            "time": round(time.time(), 3),
            "seconds": round(seconds, 3),
        }
        data = json.dumps(line, sort_keys=True, ensure_ascii=True).encode() + b"\n"
        with self._lock:
            if self._handle is None:
                raise InfrastructureError(f"{self._path} is not open for recording")
            if request.digest not in self._known:
                _append(self._handle, data, self._path)
                self._known[request.digest] = reply
            return self._known[request.digest]


def _append(handle: int, data: bytes, path: Path) -> None:
    size = os.fstat(handle).st_size
    try:
        if os.write(handle, data) != len(data):
            raise OSError("no space left")
        os.fsync(handle)
    except OSError as error:
        os.ftruncate(handle, size)
        raise InfrastructureError(
            f"a reply could not be kept in {path}: {error.strerror or error}", remedy="make room, and run it again"
        ) from error


def _seal(request: Request, reply: Reply) -> str:
    both = json.dumps({"request": asdict(request), "reply": asdict(reply)}, sort_keys=True)
    return hashlib.sha256(both.encode()).hexdigest()


def _entries(path: Path, data: bytes) -> Iterator[tuple[str, Reply]]:
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            entry = _Line.model_validate_json(line)
        except ValidationError as error:
            raise UserError(f"line {number} of {path} is no recorded call: {error.errors()[0]['msg']}") from error
        messages = tuple(Message(one.role, one.content) for one in entry.request.messages)
        request = Request(**{**entry.request.model_dump(), "messages": messages})
        reply = Reply(**{**entry.reply.model_dump(), "top": entry.reply.top})
        if (request.digest, _seal(request, reply)) != (entry.digest, entry.seal):
            raise UserError(f"line {number} of {path} was changed: it does not fit its seal")
        yield entry.digest, reply
