"""Every call, kept: JSON lines, one for each, on the disk before anybody uses the reply.

A line holds the request and its digest, the reply with its tokens, a seal (SHA-256) over both, and the time. A file
that was cut off in the middle of a line goes on after the last whole one. A line that was damaged is noticed by its
seal; whoever wants to forge one can, since there is no secret in it. No key is ever in a request.

The journal of a search (`harness/discover/journal.py`) is another form on the same kind of file, and stays one: there a
request stands before its reply, so that a kill between the two is seen, and the same request may be answered anew,
while here it has one reply for ever.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.core.digests import json_digest
from harness.core.errors import InfrastructureError, UserError
from harness.llm.lines import Lines
from harness.llm.request import Reply, Request  # noqa: TC001 - pydantic looks them up

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    digest: str
    seal: str
    request: Request
    reply: Reply
    time: float
    seconds: float


class Recording:
    """A file of calls. Opened for writing, it has one writer; `read_only` needs the file to be there.

    Raises UserError for a file that is no recording, or that another process writes to.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file = Lines(path, read_only=read_only)
        except BlockingIOError as error:
            raise UserError(f"another process writes to {path}", remedy="wait for it, or record elsewhere") from error
        except OSError as error:
            raise UserError(f"{path} cannot be read as a recording: {error.strerror or error}") from error
        try:
            self._known = dict(_entries(path, self._file.whole))
            self._file.mend()
        except BaseException:
            self.close()
            raise

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
        self._file.close()

    @property
    def writable(self) -> bool:
        """Whether replies can be added."""
        return self._file.writable

    @property
    def sha256(self) -> str:
        """Digest (hex) of the file's bytes, with all that was added."""
        return self._file.sha256

    def find(self, request: Request) -> Reply | None:
        """The recorded reply, if there is one."""
        return self._known.get(request.digest)

    def add(self, request: Request, reply: Reply, seconds: float) -> Reply:
        """Keep a reply; give the one that counts, which is the first one that was kept for this request.

        Raises InfrastructureError where the disk does not take it; nothing half-written is left then.
        """
        what: dict[str, Any] = {"request": request.recorded(), "reply": reply.recorded()}
        stamps = {"time": round(time.time(), 3), "seconds": round(seconds, 3)}
        line = {"digest": request.digest, "seal": json_digest(what), **what, **stamps}
        with self._lock:
            if not self.writable:
                raise InfrastructureError(f"{self._path} is not open for recording")
            if request.digest not in self._known:
                try:
                    self._file.add(line)
                except OSError as error:
                    raise InfrastructureError(
                        f"a reply could not be kept in {self._path}: {error.strerror or error}",
                        remedy="make room, and run it again",
                    ) from error
                self._known[request.digest] = reply
            return self._known[request.digest]


def recorded(calls: Iterable[tuple[Request, Reply]]) -> bytes:
    """Calls as the lines of a recording, without the times of asking: the same bytes for the same calls."""
    lines: dict[str, str] = {}
    for request, reply in calls:
        what: dict[str, Any] = {"request": request.recorded(), "reply": reply.recorded()}
        line = {"digest": request.digest, "seal": json_digest(what), **what, "time": 0.0, "seconds": 0.0}
        lines.setdefault(request.digest, json.dumps(line, sort_keys=True) + "\n")
    return "".join(lines.values()).encode()


def _entries(path: Path, data: bytes) -> Iterator[tuple[str, Reply]]:
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            entry = _Line.model_validate_json(line)
        except ValidationError as error:
            raise UserError(f"line {number} of {path} is no recorded call: {error.errors()[0]['msg']}") from error
        what = {"request": entry.request.recorded(), "reply": entry.reply.recorded()}
        if (entry.request.digest, json_digest(what)) != (entry.digest, entry.seal):
            raise UserError(f"line {number} of {path} was changed: it does not fit its seal")
        yield entry.digest, entry.reply
