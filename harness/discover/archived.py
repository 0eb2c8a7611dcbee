"""The archive of a discovery: its journal and what it left, all of its losses, and the records of their runs.

Looked at without an engine: that the losses, their figures and the duel follow from the journal, that each request
follows from what was known when it was asked, and that the figures are those of the signed results of the rungs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.attestation.statement import DISCOVERY_ARCHIVE, DescriptorModel, RungResultStatement
from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.core.files import LARGE, load_bytes
from harness.crate.compare import part_differences
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
from harness.discover.lineage import rows_of
from harness.discover.retrace import plan_of, retrace
from harness.discover.summary import ARCHIVE, document_of
from harness.ladder.ladder import ladder_for, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.attestation.keys import Signing, TrustedKey
    from harness.core.verdict import Json
    from harness.crate.read import DiscoveryCrate
    from harness.discover.track import Plan, Track
    from harness.ledger import Ledger

#: Pictures and all else that a discovery leaves beside what its record is about.
_BESIDE = ("progress.svg", "progress.png")


def write(place: Path, ledger: Ledger, signing: Signing, keys: Iterable[TrustedKey]) -> bytes:
    """The archive of a discovery that has ended; `place` is its folder, `ledger` the one that it climbed in.

    Raises UserError for one that has not ended, or did not climb there.
    """
    if not (place / record.RECORD).is_file():
        remedy = f"go on with it: `harness discover --resume {place.name}`"
        raise UserError(f"{place.name} has no record: it has not come to an end", remedy=remedy)
    files = {
        f"{DISCOVERED}/{name}": load_bytes(place / name, LARGE, "what the discovery left")
        for name in (*record.LEFT, *_BESIDE)
        if (place / name).is_file()
    }
    own = load_bytes(place / record.RECORD, LARGE, "the record of the discovery")
    entries = entries_of(files[f"{DISCOVERED}/{JOURNAL}"], place / JOURNAL)
    rows = rows_of(entries)
    runs = [ledger.run(number) for number in dict.fromkeys(row.run for row in rows if row.run)]
    ladder = next((found for run in runs if (found := ladder_for(ledger, run)) is not None), None)
    if ladder is None or ladder.digest != entries[0].get("profile_digest"):
        raise UserError(f"the ladder of {place.name} is not known here", remedy="export it by the ledger that it used")
    lines = [one.line for run in runs for one in ledger.sealed(run.id)]
    files |= {f"{TEXTS}/{run.candidate[:16]}.py": ledger.text(run) for run in runs}
    files |= common(ladder, [*lines, own], keys)
    ends = record.of_kind(entries, "end")
    told = Told(
        title=f"{place.name} on {ladder.name}",
        what="One search for losses: what was asked and replied, what was measured, and signed records of all of it.",
        reason=str(ends[-1]["why"]),
        given=tuple(sorted(name for name in files if name.startswith(f"{TEXTS}/"))),
        ladder=ladder_file(ladder),
        results=(*sorted(name for name in files if name.startswith(f"{DISCOVERED}/")), RECORDS),
        images=images_of(lines),
        begun=float(entries[0]["at"]),
        ended=float(ends[-1]["at"]),
        completed=True,
    )
    files[READ_ME] = _read_me(told).encode()
    said: dict[str, Json] = {"ladder": ladder.digest, "discovery": record.digest_of(own)}
    return closed(files, told, DISCOVERY_ARCHIVE, said, signing)


@dataclass(frozen=True)
class Looked:
    """What is wrong with an archive's discovery, and what could not be looked at."""

    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def look_at(crate: DiscoveryCrate) -> Looked:
    """Whether what a verified archive says follows from its journal."""
    said = crate.discovery.predicate
    if code := [*part_differences(said.part("harness"), own_code())]:
        told = f"made by other code, {code[0].then}: that it follows from its journal was not looked at"
        return Looked((), (f"{told}; next step: {code[0].remedy}",))
    try:
        entries, track = follow(crate)
        plan = plan_in(crate, entries)
        pairs: list[tuple[str, object, object]] = [
            ("its plan", said.annotations("plan"), record.told_of(plan)),
            ("what was asked", said.digest("prompts"), record.digest_of_prompts(entries)),
            ("what was replied", said.digest("replies"), record.digest_of_replies(entries)),
            ("its end", said.ended, sanitize.clean(track.ended)),
            ("its archive", said.archive, track.archive.digest),
            ("its duel", said.duel, record.digest_of_duel(track.duel)),
            (
                "its losses",
                [(one.name, one.candidate, one.generation) for one in said.found],
                [(row.name, row.id, row.generation) for row in record.measured(track)],
            ),
        ]
    except UserError as error:
        return Looked((error.message,))
    except (KeyError, TypeError) as error:
        return Looked((f"the journal cannot be read: {type(error).__name__}: {error}",))
    out = [f"{what} is not what the journal comes to" for what, there, follows in pairs if there != follows]
    if crate.files.get(f"{DISCOVERED}/{ARCHIVE}") != document_of(track.archive):
        out.append(f"{DISCOVERED}/{ARCHIVE} is not what the journal comes to")
    lone = [one.name for one in said.found if not one.record]
    notes = [f"no record tells of the figures of {', '.join(lone[:3])}: they are the journal's word"] if lone else []
    return Looked((*out, *_figures(crate, track)), tuple(notes))


def own_code() -> DescriptorModel:
    """The code that would make a discovery here."""
    return DescriptorModel.model_validate(record.harness_part())


def follow(crate: DiscoveryCrate) -> tuple[list[dict[str, Any]], Track]:
    """The entries of an archive's journal, and what they come to. Raises UserError where it cannot be followed."""
    where = f"{DISCOVERED}/{JOURNAL}"
    entries = entries_of(crate.files[where], Path(where))
    return entries, retrace(entries, parse(crate.ladder[1]), plan_in(crate, entries))


def plan_in(crate: DiscoveryCrate, entries: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan of an archive's discovery, but for its end. Raises UserError where the journal has none."""
    confirm = crate.discovery.predicate.annotations("plan").get("confirm")
    try:
        return plan_of(entries[0], confirm if isinstance(confirm, int) else 0)
    except (IndexError, KeyError, TypeError) as error:
        raise UserError("the journal has no head that can be followed", remedy="restore it from a copy") from error


def _figures(crate: DiscoveryCrate, track: Track) -> list[str]:
    """Where the journal's figure of a loss is none that a signed result of its run comes to."""
    metrics = {plan.name: plan.gate.metric for plan in parse(crate.ladder[1]).rungs if plan.gate is not None}
    about: dict[str, str] = {}
    scores: dict[str, list[float]] = {}
    for _, line in crate.records:
        one = said_in(line)
        about[record.digest_of(line)] = candidate = one.subject[0].digest.sha256
        if isinstance(one, RungResultStatement) and (metric := metrics.get(one.predicate.rung.name)):
            values = [float(seed[metric]) for seed in one.predicate.seeds.values() if metric in seed]
            scores.setdefault(candidate, []).append(math.fsum(values) / max(1, len(values)))
    own = {loss.id: loss.score for loss in track.archive.known}
    return [
        f"the score of {one.name}, {own.get(one.candidate)}, is not what the record of its run comes to"
        for one in crate.discovery.predicate.found
        if one.record
        and not any(
            math.isclose(own.get(one.candidate, math.nan), score, rel_tol=1e-9, abs_tol=1e-12)
            for score in scores.get(about.get(one.record, ""), ())
        )
    ]


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
