"""The newest record of its kind that was verified here, so that an older one in its place is noticed.

One file beside the trusted keys. A record is of a kind with another where both are about the same candidate, by the
same profile, questions and entry, and signed with the same key, or with keys of this installation's own.

Covered: an old record that is shown again after a newer one was verified by the same user. Not covered: an old one that
comes first; who asks for a record with a word of their own (`--nonce`) has one that nobody made before.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.attestation import times
from harness.core.errors import UserError
from harness.core.files import LINES, load_bytes, write_whole
from harness.core.waiting import alone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

_FILE = "newest.json"


def known(folder: Path) -> dict[str, datetime]:
    """When the newest of each kind was made. Raises UserError for a file that is damaged."""
    path = folder / _FILE
    if not path.exists():
        return {}
    data = load_bytes(path, LINES, "the list of the newest records")
    try:
        return {str(kind): times.read(made) for kind, made in json.loads(data).items()}
    except (ValueError, RecursionError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged", remedy="remove it: what was verified is verified anew") from error


def remember(folder: Path, made: Mapping[str, datetime]) -> None:
    """Keep those that are newer than what is known. Raises OSError where nothing can be kept."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(folder / "lock"):
        newest = known(folder)
        newer = {kind: when for kind, when in made.items() if kind not in newest or when > newest[kind]}
        if newer:
            document = {kind: times.spelt(when) for kind, when in sorted((newest | newer).items())}
            write_whole(folder / _FILE, (json.dumps(document, indent=0) + "\n").encode(), 0o600)
