"""Artifacts by content: reports, weights, each under the SHA-256 of its bytes. Nothing is ever changed."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from harness.core.errors import UserError
from harness.core.files import LARGE, read_bytes, replacing, sync_folder
from harness.ledger.failures import COPY, ROOM, LedgerError, disk_passes

if TYPE_CHECKING:
    from pathlib import Path


class Artifacts:
    """A folder of files named by their digests, safe for several writers and for a power loss in the middle."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep these bytes; give their digest. What was damaged is mended by it.

        They are on the disk when this returns. Raises LedgerError where the disk will not take them.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            if not _holds(path, digest):
                _make(path.parent)
                with replacing(path) as file:
                    file.write(data)
                    os.fchmod(file.fileno(), 0o444)
            sync_folder(path.parent)  # another writer may not have come to this yet
        except OSError as error:
            raise LedgerError(
                f"an artifact could not be kept in {self._folder}: {error.strerror or error}",
                remedy=ROOM,
                passing=disk_passes(error),
            ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of a digest. Raises UserError where they are not there, LedgerError where they were changed."""
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise UserError(f"{digest[:80]!r} is no digest")
        try:
            data = read_bytes(self._path(digest), LARGE)
        except FileNotFoundError as error:
            raise UserError(f"there is no artifact {digest} in {self._folder}") from error
        except OSError as error:
            raise LedgerError(f"artifact {digest} could not be read: {error.strerror or error}", remedy=COPY) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise LedgerError(f"artifact {digest} is no longer what it was", remedy=COPY)
        return data

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]


def _holds(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(read_bytes(path, LARGE)).hexdigest() == digest
    except FileNotFoundError:
        return False


def _make(folder: Path) -> None:
    """Make a folder and those above it, each of them on the disk."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
