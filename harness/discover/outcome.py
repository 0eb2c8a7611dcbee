"""What a run leaves in its folder: the summary, the best loss as a file to run, and a picture of how it rose."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.core.errors import UserError
from harness.core.files import SMALL, read_bytes, save_bytes
from harness.discover import lineage, picture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.core.verdict import Json
    from harness.discover.track import Track


def leave(place: Path, track: Track, document: Mapping[str, Json], *, metric: str, baseline: str) -> None:
    """Write `summary.json`, `archive.json`, `best.py` and `progress.svg` and `.png` (these where matplotlib is).

    `best.py` is the candidate's own text, comments and all: it is no more trusted than any other candidate.
    """
    save_bytes((json.dumps(document, sort_keys=True, indent=1) + "\n").encode(), place / "summary.json")
    archive = json.dumps(track.archive.document(), sort_keys=True, indent=1) + "\n"
    save_bytes(archive.encode(), place / "archive.json")
    top = track.archive.top()
    if top is not None and (source := place / "candidates" / f"{top.id[:16]}.py").is_file():
        save_bytes(read_bytes(source, SMALL), place / "best.py")
    try:
        drawn = picture.progress(lineage.progress([*track.burn_in, *track.rows]), metric, baseline)
    except UserError:  # no matplotlib: the numbers are all in the summary
        return
    for suffix, data in drawn.items():
        save_bytes(data, place / f"progress.{suffix}")
