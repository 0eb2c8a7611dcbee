"""The record of a discovery: what was asked and what came back, by digest, and which losses that came to.

It is made from the journal alone, but for the records of the losses' runs, which it names. `retrace` and `again` follow
a record back: the one goes through the journal, the other asks and judges all of it once more.

Covered: a journal, an archive or a figure that is another than what was signed. Not covered: that a language model
said what the journal says it said, and that nothing was asked beside it; who signs vouches for that.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.attestation import times
from harness.attestation.envelope import seal
from harness.attestation.statement import DISCOVERY, statement
from harness.core import text as sanitize
from harness.core.digests import json_digest
from harness.core.files import LARGE, read_bytes
from harness.core.profiles import load
from harness.core.sources import code_digest, contents, project_root
from harness.core.version import __version__
from harness.discover.journal import JOURNAL
from harness.discover.lineage import rows_of
from harness.discover.summary import ARCHIVE
from harness.ladder.checkout import checkout
from harness.ladder.record_parts import part, profile_part
from harness.ledger.records import State, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.attestation.keys import Signing
    from harness.core.verdict import Json
    from harness.discover.track import Duel, Plan, Row, Track
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Run

RECORD = "record.intoto.jsonl"
#: What a discovery leaves, and its record is about; the first is always there.
LEFT = (JOURNAL, ARCHIVE, "summary.json", "best.py")
#: What decides about a discovery, besides the code behind its rungs, whose records have digests of their own.
_CODE = ("harness/discover", "harness/llm", "harness/losses")
_PACKAGES = ("cmaes", "numpy")


def seal_discovery(
    place: Path,
    entries: Sequence[Mapping[str, Any]],
    track: Track,
    *,
    plan: Plan,
    ladder: Ladder,
    ledger: Ledger,
    signing: Signing,
) -> bytes:
    """The record of a discovery that has ended, as a line; `place` is its folder, `entries` are its journal's.

    Raises OSError where what it left cannot be read.
    """
    files = {name: read_bytes(place / name, LARGE) for name in LEFT if name == JOURNAL or (place / name).is_file()}
    about = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    configuration: list[Json] = [
        harness_part(),
        *parts_of(entries, plan, ladder),
        part("circumstances", "", time=times.spelt(times.now()), nonce=""),
    ]
    found: list[Json] = [
        {"name": row.name, "candidate": row.id, "generation": row.generation, "record": _last_record(ledger, row)}
        for row in measured(track)
    ]
    said: dict[str, Json] = {
        "configuration": configuration,
        "ended": sanitize.clean(track.ended),
        "archive": track.archive.digest,
        "duel": digest_of_duel(track.duel),
        "found": found,
    }
    return seal(statement(DISCOVERY, about, said), signing)


def parts_of(entries: Sequence[Mapping[str, Any]], plan: Plan, ladder: Ladder) -> list[Json]:
    """What was used besides code, as the journal and its ladder tell it."""
    replies = of_kind(entries, "reply")
    return [
        profile_part(load(ladder.properties)),
        part("ladder", ladder.digest, name=ladder.name),
        part("plan", "", **told_of(plan)),
        part("prompts", digest_of_prompts(entries), requests=len(of_kind(entries, "ask"))),
        part("replies", digest_of_replies(entries), replies=len(replies), proposer=str(entries[0].get("proposer"))),
    ]


def runs_of(ledger: Ledger, entries: Sequence[Mapping[str, Any]]) -> list[Run]:
    """The runs that the outcomes of a journal name, each once."""
    return [ledger.run(number) for number in dict.fromkeys(row.run for row in rows_of(entries) if row.run)]


def told_of(plan: Plan) -> dict[str, Json]:
    """What of a plan decides about what it comes to, besides how far it went."""
    return {name: plain(value) for name, value in {**plan.fixed(), "confirm": plan.confirm}.items()}


def digest_of(line: bytes) -> str:
    """What other records name a record by."""
    return hashlib.sha256(line).hexdigest()


def of_kind(entries: Iterable[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    """The entries of a kind, in order."""
    return [entry for entry in entries if entry["kind"] == kind]


def digest_of_prompts(entries: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of everything that was asked, in order."""
    return json_digest([entry["digest"] for entry in of_kind(entries, "ask")])


def digest_of_replies(entries: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of everything that came back, in order."""
    told = ("text", "cut", "refused", "parents")
    return json_digest([[entry[key] for key in told] for entry in of_kind(entries, "reply")])


def digest_of_duel(duel: Duel | None) -> str:
    """SHA-256 of the figures of a duel; empty where there was none."""
    return "" if duel is None else json_digest(plain(asdict(duel)))


def measured(track: Track) -> list[Row]:
    """The attempts that the losses of the archive came from, in its order."""
    rows = {row.id: row for row in reversed([*track.burn_in, *track.rows]) if row.fate == "measured"}
    return [rows[loss.id] for loss in track.archive.known]


@functools.cache
def harness_part() -> dict[str, Json]:
    """The code that a discovery is a function of, besides that of its rungs."""
    packages: dict[str, Json] = {name: version for name in _PACKAGES if (version := _version(name))}
    digest = code_digest("discovery", contents(project_root(), *_CODE), packages)
    python = platform.python_version()
    return part("harness", digest, version=__version__, python=python, packages=packages, **checkout())


def _version(package: str) -> str:
    """Its version; empty where it is not there, as only some proposers need it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _last_record(ledger: Ledger, row: Row) -> str:
    if not row.run or ledger.run(row.run).state is State.HELD:  # what a person has to decide by has no record yet
        return ""
    made = ledger.sealed(row.run)
    return made[-1].sha256 if made else ""
