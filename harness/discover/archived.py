"""The archive of a discovery: its journal and what it left, all of its losses, and the records of their runs.

`audit` looks at one without an engine, `again` does all of it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attestation.envelope import AlteredError
from harness.attestation.statement import DISCOVERY_ARCHIVE, NoStatementError
from harness.core.errors import UserError
from harness.core.files import LARGE, load_bytes
from harness.crate.metadata import Told
from harness.crate.parts import (
    HOW_TO_REPEAT,
    KEYS,
    PROFILES,
    READ_ME,
    RECORDS,
    SIGNED,
    closed,
    common,
    images_of,
    ladder_file,
    said_in,
)
from harness.crate.read import DISCOVERED, TEXTS
from harness.discover import record
from harness.discover.journal import JOURNAL, entries_of
from harness.discover.retrace import BROKEN
from harness.discover.summary import ARCHIVE
from harness.ladder.ladder import ladder_for

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.attestation.keys import Signing, TrustedKey
    from harness.core.verdict import Json
    from harness.ledger import Ledger

#: Pictures and all else that a discovery leaves beside what its record is about.
_BESIDE = ("progress.svg", "progress.png")


def write(place: Path, ledger: Ledger, signing: Signing, keys: Iterable[TrustedKey]) -> bytes:
    """The archive of a discovery that has ended; `place` is its folder, `ledger` the one that it climbed in.

    Raises UserError for one that has not ended, or did not climb there.
    """
    again = f"go on with it: `harness discover --resume {place.name}` leaves all of it anew"
    if not (place / record.RECORD).is_file():
        raise UserError(f"{place.name} has no record: it has not come to an end", remedy=again)
    files = {
        f"{DISCOVERED}/{name}": load_bytes(place / name, LARGE, "what the discovery left")
        for name in (*record.LEFT, *_BESIDE)
        if (place / name).is_file()
    }
    own = load_bytes(place / record.RECORD, LARGE, "the record of the discovery")
    try:
        entries = entries_of(files[f"{DISCOVERED}/{JOURNAL}"], place / JOURNAL)
        about = {one.name: one.digest.sha256 for one in said_in(own).subject}
        begun, ends = float(entries[0]["at"]), record.of_kind(entries, "end")
        ended, why = float(ends[-1]["at"]), str(ends[-1]["why"])
    except (*BROKEN, AlteredError, NoStatementError) as error:
        raise UserError(f"the journal or the record of {place.name} is damaged", remedy=again) from error
    for name in record.LEFT:
        there = files.get(f"{DISCOVERED}/{name}")
        if (None if there is None else record.digest_of(there)) != about.get(name):
            raise UserError(f"{name} in {place} is not what its record names", remedy=again)
    runs = record.runs_of(ledger, entries)
    ladder = next((found for run in runs if (found := ladder_for(ledger, run)) is not None), None)
    if ladder is None or ladder.digest != entries[0].get("profile_digest"):
        raise UserError(f"the ladder of {place.name} is not known here", remedy="export it by the ledger that it used")
    lines = [one.line for run in runs for one in ledger.sealed(run.id)]
    files |= {f"{TEXTS}/{run.candidate[:16]}.py": ledger.text(run) for run in runs}
    files |= common(ladder, [*lines, own], keys)
    told = Told(
        title=f"{place.name} on {ladder.name}",
        what="One search for losses: what was asked and replied, what was measured, and signed records of all of it.",
        reason=why,
        given=tuple(sorted(name for name in files if name.startswith(f"{TEXTS}/"))),
        ladder=ladder_file(ladder),
        results=(*sorted(name for name in files if name.startswith(f"{DISCOVERED}/")), RECORDS),
        images=images_of(lines),
        begun=begun,
        ended=ended,
        completed=True,
    )
    files[READ_ME] = _read_me(told).encode()
    said: dict[str, Json] = {"ladder": ladder.digest, "discovery": record.digest_of(own)}
    return closed(files, told, DISCOVERY_ARCHIVE, said, signing)


def _read_me(told: Told) -> str:
    return f"""# {told.title}

A search for losses: {told.reason}.

| file | what it is |
|---|---|
| `{DISCOVERED}/{JOURNAL}` | everything that was asked, replied and measured, in order: texts of strangers |
| `{DISCOVERED}/{ARCHIVE}`, `{DISCOVERED}/summary.json`, `{DISCOVERED}/best.py` | what it came to |
| `{TEXTS}/` | the losses that were judged, byte for byte: untrusted code |
| `{told.ladder}`, `{PROFILES}/` | the ladder, and the set of rules of its properties |
| `{RECORDS}` | signed records of every run, and last that of the discovery |
| `{SIGNED}` | a signed record of this archive: every other file by its SHA-256 |
| `{KEYS}/` | the public keys that signed, for whoever has them confirmed on another way |
| `images/` | the locks of the images, and their bills of materials |

{HOW_TO_REPEAT}"""
