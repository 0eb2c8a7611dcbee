"""A file of JSON lines that is only added to, by one writer; each is on the disk before anything follows from it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from typing import TYPE_CHECKING

from harness.core.files import LARGE, open_to_write, read_bytes, read_descriptor
from harness.core.waiting import taken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Lines:
    """An open file; `whole` are the bytes of its lines that came to their end.

    Opened for writing it is made where there is none, and locked against a second process: the last line of one that
    was killed may be torn, and nothing has followed from it. Raises BlockingIOError where another process writes, else
    the OSErrors of `read_bytes`.
    """

    def __init__(self, path: Path, *, read_only: bool = False, cap: int = LARGE) -> None:
        self._descriptor: int | None = None
        try:
            if read_only:
                data = read_bytes(path, cap)
            else:
                self._descriptor = open_to_write(path, os.O_RDWR | os.O_APPEND, 0o600)
                if not taken(self._descriptor):
                    raise BlockingIOError(errno.EAGAIN, "another process writes to it")
                data = read_descriptor(self._descriptor, cap)
        except BaseException:
            self.close()
            raise
        self.whole = data[: data.rfind(b"\n") + 1]
        self._torn = len(self.whole) != len(data)
        self._sha256 = hashlib.sha256(data if read_only else self.whole)

    @property
    def writable(self) -> bool:
        """Whether lines can be added."""
        return self._descriptor is not None

    @property
    def sha256(self) -> str:
        """Digest (hex) of the file as it is, once its last line is whole."""
        return self._sha256.hexdigest()

    def add(self, entry: Mapping[str, object]) -> None:
        """Write a line; it is on the disk when this returns. Raises OSError, and nothing half-written is left then."""
        if self._descriptor is None:
            raise OSError(errno.EBADF, "it is not open for writing")
        data = json.dumps(entry, sort_keys=True).encode("ascii") + b"\n"
        size = os.fstat(self._descriptor).st_size
        try:
            if os.write(self._descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, "no space left")
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise
        self._sha256.update(data)

    def mend(self) -> None:
        """Take a torn last line away: to be done before the next is added, by whoever knows that the file is theirs."""
        if self._torn and self._descriptor is not None:
            os.ftruncate(self._descriptor, len(self.whole))
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let others write to the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
