"""Make the archive of a run: its candidate, ladder and profile, its records, reports, documents and pictures.

The last file is a record that names all others by their digests, signed by whoever makes the archive: with it, and with
the one way in which archives are packed, no byte of one can be changed unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import re
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.attestation import times
from harness.attestation.envelope import opened, seal
from harness.attestation.statement import ARCHIVE, NoVerdictStatement, RungResultStatement, VerdictStatement, read
from harness.attestation.statement import statement as stated
from harness.core.errors import UserError
from harness.core.sources import project_root
from harness.crate.metadata import NAME as METADATA
from harness.crate.metadata import Told, metadata
from harness.crate.packing import packed
from harness.images.inputs import DOCKERFILES
from harness.images.records import Records
from harness.ledger.records import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.attestation.keys import Signing, TrustedKey
    from harness.attestation.statement import Statement
    from harness.core.verdict import Json
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Run

RECORDS, SIGNED, READ_ME, RUN = "records.intoto.jsonl", "archive.intoto.jsonl", "REPRODUCE.md", "run.json"
CANDIDATES, LADDERS, PROFILES, DOCUMENTS, KEYS = "candidate", "ladder", "profile", "documents", "keys"
_LOCKS = ("sandbox-cpu.txt", "sandbox-cuda.txt", "trainer-cpu.txt", "trainer-cuda.txt", "build.txt")


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
    made = ledger.sealed(run.id)
    if run.state not in FINAL or not made:
        why = f"it is {run.state}" if run.state not in FINAL else "it has no signed records"
        raise UserError(
            f"run {run.id} cannot be exported: {why}", remedy=f"`harness show {run.id}` says where it stands"
        )
    said = [read(opened(one.line).statement) for one in made]
    candidate = f"{CANDIDATES}/{_plain(PurePosixPath(run.path).name, 'candidate.py')}"
    file = f"{LADDERS}/{_plain(ladder.name, 'ladder')}.toml"
    files: dict[str, bytes] = {
        candidate: ledger.text(run),
        file: ladder.own or _of_package("harness.ladder.profiles", f"{ladder.name}.toml"),
        f"{PROFILES}/{ladder.properties}.toml": _of_package("harness.core.profiles", f"{ladder.properties}.toml"),
        RECORDS: b"".join(one.line for one in made),
        RUN: (json.dumps(_without_places(told), indent=1, sort_keys=True) + "\n").encode(),
        **{f"{DOCUMENTS}/{one.rung}/{one.name}": ledger.document(one.sha256) for one in ledger.attachments(run.id)},
        **{f"plots/{name}": data for name, data in pictures.items()},
        **{f"{KEYS}/{key.keyid[:16]}.pem": key.pem.encode() for key in _signers(made, keys) if key.pem},
        **_images(said),
    }
    events = ledger.events(run.id)
    about = Told(
        title=f"{_plain(run.name, 'candidate')} on {ladder.name}",
        reason=run.reason,
        candidate=candidate,
        ladder=file,
        results=tuple(sorted(name for name in files if name not in {candidate, file})),
        images=_used(said),
        begun=events[0].time if events else run.submitted,
        ended=run.changed,
        completed=run.state is State.COMPLETED,
    )
    files[READ_ME] = _read_me(about, run, ladder).encode()
    files[METADATA] = metadata(about, {**files, SIGNED: b""})
    files[SIGNED] = _signed(files, run, ladder, signing)
    return packed(files)


#: What of a run tells which machine worked on it: nobody's business but its owner's.
_PLACES = frozenset({"owner", "slot", "lease", "not_before"})


def _without_places(told: Any) -> Any:
    """A document without the names of machines and processes."""
    if isinstance(told, dict):
        return {name: _without_places(value) for name, value in told.items() if name not in _PLACES}
    return [_without_places(each) for each in told] if isinstance(told, list) else told


def _plain(name: str, otherwise: str) -> str:
    """A name of a stranger's making, as a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:100].lstrip(".") or otherwise


def _of_package(package: str, name: str) -> bytes:
    return resources.files(package).joinpath(name).read_bytes()


def _signers(made: Iterable[object], keys: Iterable[TrustedKey]) -> list[TrustedKey]:
    used = {opened(one.line).keyid for one in made}  # type: ignore[attr-defined] # SealedRecord
    return [key for key in keys if key.keyid in used]


def _used(said: Iterable[Statement]) -> tuple[tuple[str, str], ...]:
    """The images that records name: tag and digest, each once."""
    found: dict[str, str] = {}
    for one in said:
        if isinstance(one, VerdictStatement | NoVerdictStatement | RungResultStatement):
            digest, tag = one.predicate.digest("image"), str(one.predicate.annotations("image").get("tag") or "")
            if digest and tag:
                found[digest] = tag
    return tuple((tag, digest) for digest, tag in sorted(found.items()))


def _images(said: Iterable[Statement]) -> dict[str, bytes]:
    """What images are made of: the locks, and where this machine built them their bills of materials."""
    root = project_root() / DOCKERFILES
    out = {f"images/locks/{name}": (root / "locks" / name).read_bytes() for name in _LOCKS}
    out["images/base.lock"] = (root / "base.lock").read_bytes()
    for tag, _ in _used(said):
        if (bill := Records().beside(tag, "sbom")) is not None:
            out[f"images/{_plain(tag, 'image')}.cdx.json"] = bill
    return out


def _signed(files: Mapping[str, bytes], run: Run, ladder: Ladder, signing: Signing) -> bytes:
    """The record of the archive: every other file by its digest."""
    about = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    said: dict[str, Json] = {
        "time": times.spelt(times.now()),
        "nonce": "",
        "candidate": run.candidate,
        "ladder": ladder.digest,
        "run": run.id,
        "state": str(run.state),
    }
    return seal(stated(ARCHIVE, about, said), signing)


def _read_me(told: Told, run: Run, ladder: Ladder) -> str:
    return f"""# {told.title}

The run of one loss up the ladder {ladder.name}: {run.state}.

| file | what it is |
|---|---|
| `{told.candidate}` | the candidate, byte for byte: untrusted code |
| `{told.ladder}`, `{PROFILES}/` | the ladder, and the set of rules of its properties |
| `{RECORDS}` | signed records of every rung: results, decisions, promotions |
| `{SIGNED}` | a signed record of this archive: every other file by its SHA-256 |
| `{KEYS}/` | the public keys that signed, for whoever has them confirmed on another way |
| `{DOCUMENTS}/` | what the rungs left: reports, metrics of the baseline, learning curves, digests of data and weights |
| `images/` | the locks of the images, and their bills of materials |
| `{RUN}` | everything the ledger knew of the run |

Verify it, with the key of whoever signed it: `harness verify ARCHIVE --key THEIRS.pem`. Repeat it:
`harness reproduce ARCHIVE`, with the version of the harness that `{METADATA}` names.
"""
