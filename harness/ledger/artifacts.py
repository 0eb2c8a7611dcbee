"""Artifacts by content: texts, reports, weights, each under the SHA-256 of its bytes. Nothing is ever changed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from harness.errors import UserError
from harness.ledger.database import LedgerError


class Artifacts:
    """A folder of files named by their digests, safe for several writers and for a power loss in the middle."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep these bytes; give their digest. Raises LedgerError where the disk will not take them."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if path.exists():
            return digest
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).chmod(0o444)
                Path(name).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as error:
            raise LedgerError(
                f"an artifact could not be kept in {self._folder}: {error.strerror}", remedy="make room on the disk"
            ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of a digest. Raises UserError where they are not there, LedgerError where they were changed."""
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise UserError(f"{digest[:80]!r} is no digest")
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise UserError(f"there is no artifact {digest} in {self._folder}") from error
        except OSError as error:
            raise LedgerError(f"artifact {digest} could not be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise LedgerError(f"artifact {digest} is no longer what it was", remedy="restore it from a copy")
        return data

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]
