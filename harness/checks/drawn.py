"""The batches that every candidate of a profile is asked, read from where an earlier check put them.

Drawing them would be nearly a third of what a check costs the host. A bank names them and has the digest of all their
numbers (`harness.checks.bank`); the numbers themselves, some 30 MB, lie in one file among what this project can make
again. They are taken where they have that digest, and drawn as they are needed where they have not: so nobody who can
write there decides what is asked. A check that had to draw them leaves them there for the next one.

Covered: a file that is cut, changed, of another version, no file at all; a host whose NumPy draws other last digits,
which keeps nothing. Not covered: a check that ends early has drawn a part of them, and keeps nothing either.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.files import read_bytes, write_whole
from harness.images.records import cache_dir
from harness.subject.drawing import BEFORE, DRAWINGS, packed, size_of

if TYPE_CHECKING:
    from pathlib import Path

    from harness.subject.drawing import Key

#: Files that are kept; more than one profile or version may be in use.
_FILES = 4
#: The share of the batches that may be missing for the others to be worth keeping: who keeps them has to draw those.
_MISSING = 1 / 8


@dataclass(frozen=True)
class Drawn:
    """Batches by their keys, in order, and the SHA-256 (hex) of their bytes, one after the other."""

    keys: tuple[Key, ...]
    sha256: str

    @property
    def path(self) -> Path:
        """Where they lie. Raises RuntimeError for a user without a home."""
        return cache_dir() / "batches" / f"{self.sha256}.bin"

    def read(self) -> bool:
        """Let them be known, if they lie there: whether they do."""
        with contextlib.suppress(OSError, RuntimeError):
            data = read_bytes(self.path, sum(map(size_of, self.keys)))
            if hashlib.sha256(data).hexdigest() == self.sha256:
                BEFORE.add(self.keys, data)
                return True
        return False

    def keep(self) -> None:
        """Leave them for the next process, if this one has drawn them."""
        missing = sum(key not in DRAWINGS[key[0]].usual for key in self.keys)
        if missing > _MISSING * len(self.keys):
            return
        with contextlib.suppress(OSError, RuntimeError):
            self._write()

    def _write(self) -> None:
        path = self.path
        if path.exists() and not path.stat().st_size:
            return  # this host draws others
        data = b"".join(map(packed, self.keys))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data if hashlib.sha256(data).hexdigest() == self.sha256 else b"")
        newest_first = sorted(path.parent.glob("*.bin"), key=lambda each: -each.stat().st_mtime)
        for each in newest_first[_FILES:]:
            each.unlink(missing_ok=True)


def drawn(keys: tuple[Key, ...]) -> Drawn:
    """The batches of these keys as they are drawn here."""
    whole = hashlib.sha256()
    for key in keys:
        whole.update(packed(key))
    return Drawn(keys, whole.hexdigest())
