"""Make the archive of a run: its candidate, ladder and profile, its records, reports, documents and pictures."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.attestation.statement import ARCHIVE
from harness.core.errors import UserError
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
    plain,
)
from harness.ledger.records import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.attestation.keys import Signing, TrustedKey
    from harness.core.verdict import Json
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Run

CANDIDATES, DOCUMENTS, RUN = "candidate", "documents", "run.json"


def write(
    ledger: Ledger,
    run: Run,
    ladder: Ladder,
    signing: Signing,
    keys: Iterable[TrustedKey],
    *,
    told: Mapping[str, Json],
    pictures: Mapping[str, bytes],
) -> bytes:
    """The archive of a run that has ended. `told` is what is known of it, as `harness show --json` has it.

    Raises UserError for a run that has no records, or has not ended.
    """
    made = [one.line for one in ledger.sealed(run.id)]
    if run.state not in FINAL or not made:
        why = f"it is {run.state}" if run.state not in FINAL else "it has no signed records"
        raise UserError(
            f"run {run.id} cannot be exported: {why}", remedy=f"`harness show {run.id}` says where it stands"
        )
    candidate = f"{CANDIDATES}/{plain(PurePosixPath(run.path).name, 'candidate.py')}"
    files: dict[str, bytes] = {
        candidate: ledger.text(run),
        RUN: (json.dumps(_without_places(told), indent=1, sort_keys=True) + "\n").encode(),
        **{f"{DOCUMENTS}/{one.rung}/{one.name}": ledger.document(one.sha256) for one in ledger.attachments(run.id)},
        **{f"plots/{name}": data for name, data in pictures.items()},
        **common(ladder, made, keys),
    }
    file, events = ladder_file(ladder), ledger.events(run.id)
    about = Told(
        title=f"{plain(run.name, 'candidate')} on {ladder.name}",
        what="One run of a preference-optimization loss up a ladder of rungs, with signed records of it.",
        reason=run.reason,
        given=(candidate,),
        ladder=file,
        results=tuple(sorted(name for name in files if name not in {candidate, file})),
        images=images_of(made),
        begun=events[0].time if events else run.submitted,
        ended=run.changed,
        completed=run.state is State.COMPLETED,
    )
    files[READ_ME] = _read_me(about, run, ladder).encode()
    said: dict[str, Json] = {
        "candidate": run.candidate,
        "ladder": ladder.digest,
        "run": run.id,
        "state": str(run.state),
    }
    return closed(files, about, ARCHIVE, said, signing)


#: What of a run tells which machine worked on it: nobody's business but its owner's.
_PLACES = frozenset({"owner", "slot", "lease", "not_before"})


def _without_places(told: Any) -> Any:
    """A document without the names of machines and processes."""
    if isinstance(told, dict):
        return {name: _without_places(value) for name, value in told.items() if name not in _PLACES}
    return [_without_places(each) for each in told] if isinstance(told, list) else told


def _read_me(told: Told, run: Run, ladder: Ladder) -> str:
    return f"""# {told.title}

The run of one loss up the ladder {ladder.name}: {run.state}.

| file | what it is |
|---|---|
| `{told.given[0]}` | the candidate, byte for byte: untrusted code |
| `{told.ladder}`, `{PROFILES}/` | the ladder, and the set of rules of its properties |
| `{RECORDS}` | signed records of every rung: results, decisions, promotions |
| `{SIGNED}` | a signed record of this archive: every other file by its SHA-256 |
| `{KEYS}/` | the public keys that signed, for whoever has them confirmed on another way |
| `{DOCUMENTS}/` | what the rungs left: reports, metrics of the baseline, learning curves, digests of data and weights |
| `images/` | the locks of the images, and their bills of materials |
| `{RUN}` | everything the ledger knew of the run |

{HOW_TO_REPEAT}"""
