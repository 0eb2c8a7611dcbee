"""Whether what the archive of a discovery says follows from its journal, and from the records of its runs.

By the journal: the requests, the replies, the losses that it began with, the archive of losses, the duel, the summary
and the best loss. By the records: each score is what the result behind the run's last decision comes to, and each
outcome what that decision says. Not covered: intervals, learning curves and metrics besides the score, which are the
journal's word; and that a model said so. A discovery of other code is followed by ours: what differs is only noted.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.attestation.statement import (
    DescriptorModel,
    GateDecisionStatement,
    PromotionStatement,
    RungResultStatement,
)
from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.crate.compare import part_differences
from harness.crate.parts import said_in
from harness.crate.read import DISCOVERED
from harness.discover import record, summary
from harness.discover.confirmation import FIRST_SEED, rung_of
from harness.discover.journal import JOURNAL, entries_of
from harness.discover.lineage import rows_of
from harness.discover.retrace import BROKEN, plan_of, retrace
from harness.ladder.ladder import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.attestation.statement import Statement
    from harness.crate.read import DiscoveryCrate
    from harness.discover.track import Plan, Row, Track
    from harness.ladder.plan import Ladder

#: The most fresh seeds that a discovery ends with, as the command has it.
_MOST_SEEDS = 1000
#: So many names are told.
_NAMED = 3
#: What of a summary the journal does not tell.
_APART = frozenset({"run", "replay", "spent", "gpu_seconds"})


@dataclass(frozen=True)
class Looked:
    """What is wrong with an archive's discovery, and what could not be looked at."""

    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def look_at(crate: DiscoveryCrate) -> Looked:
    """Whether what a verified archive says follows from its journal and its records."""
    other = [*part_differences(crate.discovery.predicate.part("harness"), own_code())]
    out: list[str] = []
    records: list[str] = []
    notes: list[str] = []
    try:
        records, notes = _by_records(crate)
        entries, track = follow(crate)
        out = [f"{what} is not what the journal comes to" for what in _unlike(crate, entries, track)]
    except UserError as error:
        out = [error.message]
    except BROKEN as error:
        out = [f"its discovery cannot be read: {type(error).__name__}: {error}"[:300]]
    if not other or not out:
        return Looked((*out, *records), tuple(notes))
    told = f"made by other code, {other[0].then}, and by ours {out[0]}; next step: {other[0].remedy}"
    return Looked(tuple(records), (told, *notes))


def own_code() -> DescriptorModel:
    """The code that would make a discovery here."""
    return DescriptorModel.model_validate(record.harness_part())


def follow(crate: DiscoveryCrate) -> tuple[list[dict[str, Any]], Track]:
    """The entries of an archive's journal, and what they come to. Raises UserError where it cannot be followed."""
    entries = _entries(crate)
    return entries, retrace(entries, parse(crate.ladder[1]), plan_in(crate, entries))


def _entries(crate: DiscoveryCrate) -> list[dict[str, Any]]:
    where = f"{DISCOVERED}/{JOURNAL}"
    return entries_of(crate.files[where], Path(where))


def plan_in(crate: DiscoveryCrate, entries: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan of an archive's discovery, but for its end. Raises UserError where the journal has none."""
    confirm = crate.discovery.predicate.annotations("plan").get("confirm")
    if not isinstance(confirm, int) or not 0 <= confirm <= _MOST_SEEDS:
        raise UserError("its record names no number of fresh seeds", remedy="ask for another archive")
    try:
        return plan_of(entries[0], confirm)
    except BROKEN as error:
        raise UserError("the journal has no head that can be followed", remedy="restore it from a copy") from error


def _unlike(crate: DiscoveryCrate, entries: Sequence[dict[str, Any]], track: Track) -> Iterator[str]:
    """What does not follow from the journal, in words."""
    said, plan, ladder = crate.discovery.predicate, plan_in(crate, entries), parse(crate.ladder[1])
    told = {"profile": "its profile", "ladder": "its ladder", "plan": "its plan", "prompts": "what was asked"}
    for each in record.parts_of(entries, plan, ladder):
        part = DescriptorModel.model_validate(each)
        if said.part(part.name) != part:
            yield told.get(part.name, "what was replied")
    if said.ended != sanitize.clean(track.ended):
        yield "its end"
    if said.archive != track.archive.digest:
        yield "its archive"
    if said.duel != record.digest_of_duel(track.duel) or _seeds(track) != _wanted(plan, ladder, track):
        yield "its duel"
    found = [(one.name, one.candidate, one.generation) for one in said.found]
    if found != [(row.name, row.id, row.generation) for row in record.measured(track)]:
        yield "its losses"
    if crate.files.get(f"{DISCOVERED}/{summary.ARCHIVE}") != summary.document_of(track.archive):
        yield f"{DISCOVERED}/{summary.ARCHIVE}"
    best, top = crate.files.get(f"{DISCOVERED}/best.py"), track.archive.top()
    if best is not None and (top is None or hashlib.sha256(best).hexdigest() != top.id):
        yield f"{DISCOVERED}/best.py"
    if not _summarized(crate, entries, track):
        yield f"{DISCOVERED}/summary.json"


def _seeds(track: Track) -> tuple[int, ...]:
    return () if track.duel is None else track.duel.seeds


def _wanted(plan: Plan, ladder: Ladder, track: Track) -> tuple[int, ...]:
    """The seeds that a duel has: none where nothing new was found, or the last rung is too dear for one."""
    top = track.archive.top()
    fought = top is not None and top.generation >= 0 and rung_of(ladder) is not None
    return tuple(range(FIRST_SEED, FIRST_SEED + plan.confirm)) if fought else ()


def _summarized(crate: DiscoveryCrate, entries: Sequence[Mapping[str, Any]], track: Track) -> bool:
    """Whether the summary says what the journal comes to, as far as that tells it."""
    there = json.loads(crate.files[f"{DISCOVERED}/summary.json"])
    proposer, baseline = str(entries[0]["proposer"]), str(entries[0]["baseline"])
    ladder = parse(crate.ladder[1]).name
    follows = summary.document(track, run="", profile=ladder, proposer=proposer, baseline=baseline)
    return {**there, **dict.fromkeys(_APART)} == {**follows, **dict.fromkeys(_APART)}


def _by_records(crate: DiscoveryCrate) -> tuple[list[str], list[str]]:
    """Where scores and outcomes are not what the records of the runs say, and what no record tells."""
    lines = {record.digest_of(line): said_in(line) for _, line in crate.records}
    ladder, rows = parse(crate.ladder[1]), rows_of(_entries(crate))
    archive = json.loads(crate.files[f"{DISCOVERED}/{summary.ARCHIVE}"])
    scores = {str(loss["id"]): float(loss["score"]) for loss in archive}
    known = {one.candidate for one in crate.discovery.predicate.found}
    out, lone, borrowed = [], [], []
    for one in crate.discovery.predicate.found:
        last = lines.get(one.record)
        if last is None:
            lone.append(one.name)
            continue
        about = last.subject[0].digest.sha256
        if about != one.candidate:
            if about in known:
                out.append(f"the record of {one.name} is that of another of its losses")
            borrowed.append(f"{one.name} ({about[:12]})")
        score, measured = scores.get(one.candidate, np.nan), _score(last, lines, ladder)
        if measured is None or not np.isclose(score, measured, rtol=1e-9, atol=1e-12, equal_nan=True):
            out.append(f"the score of {one.name}, {score}, is not what the record of its run comes to")
    out += _outcomes(lines, rows, ladder, {one.record for one in crate.discovery.predicate.found})
    notes = []
    if lone:
        notes.append(f"no record tells of the figures of {_some(lone)}: they are the journal's word")
    if borrowed:
        notes.append(f"the ledger answered by the runs of other texts for {_some(borrowed)}")
    return out, notes


def _score(last: Statement, lines: Mapping[str, Statement], ladder: Ladder) -> float | None:
    """The mean of the gate's metric that a run's last record rests on; None where there is none, of this ladder."""
    at: Statement | None = last
    while isinstance(at, PromotionStatement | GateDecisionStatement):
        rung = at.predicate.rung
        if rung.position >= len(ladder.searched.rungs):  # no score is of a held-out rung
            at = lines.get(at.predicate.previous)
            continue
        decision = lines.get(at.predicate.decision) if isinstance(at, PromotionStatement) else at
        result = lines.get(decision.predicate.result) if isinstance(decision, GateDecisionStatement) else None
        plans = ladder.rungs[rung.position : rung.position + 1]
        if rung.ladder != ladder.digest or not plans or (plans[0].name, plans[0].kind) != (rung.name, rung.kind):
            break
        if isinstance(result, RungResultStatement) and (gate := plans[0].gate) is not None:
            with np.errstate(all="ignore"):
                return float(np.mean([float(seed[gate.metric]) for seed in result.predicate.seeds.values()]))
        at = lines.get(at.predicate.previous)
    return None


def _outcomes(lines: Mapping[str, Statement], rows: Sequence[Row], ladder: Ladder, named: set[str]) -> Iterator[str]:
    """Where a run's last decision is another than its outcome, or nothing in the journal is of that run."""
    by_id = {row.id: row for row in rows if row.run}
    last: dict[str, GateDecisionStatement] = {}
    answering = {one.subject[0].digest.sha256 for digest, one in lines.items() if digest in named}
    for one in lines.values():
        if isinstance(one, GateDecisionStatement) and one.predicate.rung.position < len(ladder.searched.rungs):
            about = one.subject[0].digest.sha256
            if about not in last or last[about].predicate.rung.position < one.predicate.rung.position:
                last[about] = one
    gated = {plan.name for plan in ladder.rungs if plan.gate is not None}
    for about, decision in last.items():
        row, said = by_id.get(about), decision.predicate
        if row is None:
            if about not in answering:
                yield f"the candidate {about[:12]} has records, and the journal does not tell of it"
            continue
        ended = "stopped" if said.rung.name in gated else "rejected"
        fits = {ended} if said.decision == "reject" else {"measured", "undecided"}
        if row.fate not in fits:
            yield f"{row.name} is told to be {row.fate}, and its last decision is: {said.decision} at {said.rung.name}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
