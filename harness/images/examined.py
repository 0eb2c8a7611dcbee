"""What `harness doctor` last found of this host, kept beside the images, for the records of what was run afterwards.

Covered: an examination of another image, engine, runtime or device is none of this one. Not covered: what changed on
the host since then; a record tells when it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.core.digests import json_digest
from harness.core.files import SMALL, read_bytes, write_whole
from harness.images.records import cache_dir

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Examined:
    """An examination: whether candidates may be run there, when it ended, and the digest (hex) of its JSON."""

    result: str
    time: str
    sha256: str


@dataclass(frozen=True)
class Host:
    """What was examined. Another engine, image, runtime or device has an examination of its own."""

    engine: str
    image: str
    runtime: str
    gpu: bool


def remember(what: Host, examined: Examined, cache: Path | None = None) -> None:
    """Keep it. Raises OSError."""
    path = _path(what, cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(asdict(examined)) + "\n").encode())


def last(what: Host, cache: Path | None = None) -> Examined | None:
    """The last one of just that, or None; one that is damaged is as none."""
    try:
        content = json.loads(read_bytes(_path(what, cache), SMALL))
        found = Examined(**content)
        return found if all(isinstance(value, str) for value in content.values()) else None
    except (OSError, ValueError, RecursionError, TypeError):
        return None


def _path(what: Host, cache: Path | None) -> Path:
    return (cache or cache_dir()) / "examined" / f"{json_digest(asdict(what))[:20]}.json"
