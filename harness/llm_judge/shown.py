"""The files that a judge is shown, read once: what a record names by digest is what was judged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.core import text as sanitize
from harness.core.files import LINES, load_bytes

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Shown:
    """By name the digests (hex) of the bytes that were read, in the order of reading, which tells what each is."""

    digests: dict[str, str] = field(default_factory=dict)

    def load(self, path: Path, what: str, remedy: str) -> bytes:
        """Read a file, once. Raises UserError, which calls it `what`."""
        return self.take(path.name, load_bytes(path, LINES, what, remedy=remedy))

    def take(self, called: str, data: bytes) -> bytes:
        """Note what was read, elsewhere too. What has the name of another stands beside it under a number."""
        name = plain = sanitize.name(called)
        number = 1
        while name in self.digests:
            number += 1
            name = f"{plain} ({number})"
        self.digests[name] = hashlib.sha256(data).hexdigest()
        return data
