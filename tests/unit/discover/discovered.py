"""Discoveries whose losses have signed runs in a ledger, without a sandbox; and archives of them that lie."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ledger_samples import claim
from scripted import FakeJudge, Script, discovery, reply
from sealing_samples import CHECKER

from harness.attestation.envelope import opened as envelope
from harness.attestation.envelope import seal
from harness.core.candidate import Candidate
from harness.crate.packing import packed, unpacked
from harness.crate.parts import KEYS, RECORDS, SIGNED
from harness.crate.read import DISCOVERED
from harness.discover import summary
from harness.discover.archived import write
from harness.discover.journal import JOURNAL, Journal
from harness.discover.proposers import Ask, open_proposer
from harness.discover.record import RECORD, seal_discovery
from harness.discover.track import Plan
from harness.ladder.baselines import baseline_candidate
from harness.ladder.ladder import load
from harness.ladder.rung_records import RungEnd, sealing
from harness.ledger import Ledger
from harness.ledger.records import Decision, Score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.attestation.keys import Keyring
    from harness.discover.judging import Judged, Seen
    from harness.discover.track import Track

LADDER = load("bandit")
LINES = ["", reply("k * 0.25", "one"), reply("torch.exp(x)", "hot"), reply("k * 0.5", "two", ["one"])]


@dataclass
class SealingJudge(FakeJudge):
    """As the other, with a run of the ledger and signed records for every loss; `off` is added to each score."""

    ledger: Any = None
    ring: Any = None
    off: float = 0.0
    made: dict[str, int] = field(default_factory=dict)

    def judge(self, source: str, name: str, seen: Seen) -> Judged:
        """Judge, and write it down."""
        return self._run_of(super().judge(source, name, seen), source, name)

    def catalogue(self, name: str) -> tuple[str, Judged]:
        """A loss of the catalogue, by its own text, with figures of the other's."""
        data = baseline_candidate(name).data
        _, judged = FakeJudge().catalogue(name)
        judged = replace(judged, id=hashlib.sha256(data).hexdigest())
        return data.decode(), self._run_of(judged, data.decode(), name)

    def _run_of(self, judged: Judged, source: str, name: str) -> Judged:
        if judged.score is None:
            return judged
        judged = replace(judged, score=judged.score + self.off)
        if judged.id not in self.made:
            self.made[judged.id] = self._run(source, name, judged)
        return replace(judged, run=self.made[judged.id])

    def _run(self, source: str, name: str, judged: Judged) -> int:
        data, score = source.encode(), float(judged.score or 0.0)
        one = Candidate(f"{name}.py", data, judged.id)
        (made,) = self.ledger.submit([(one, name)], profile=LADDER.name, profile_digest=LADDER.digest, needs="cpu")
        held = claim(self.ledger)
        for number, plan in enumerate(LADDER.rungs):
            last = number == len(LADDER.rungs) - 1
            decision = Decision("reject" if last and judged.fate == "stopped" else "promote", "so", {})
            end = RungEnd(CHECKER, LADDER, plan, judged.id, f"{name}.py", f"{number:064d}", None, {}, {}, "")
            self.ledger.checkpoint(
                held,
                rung=plan.name,
                scores=[Score(seed, "score", score + (seed - 0.5) / 4) for seed in (0, 1)] if last else [],
                decision=decision,
                evaluation=f"{number:064d}",
                next_needs=LADDER.needs(number + 1),
                seal=sealing(self.ring.signing(), end, decision),
            )
        return int(made.run)


def discover(place: Path, ring: Keyring, ledger: Ledger, proposer: Any = None, **plan: Any) -> Track:
    """A discovery that ends with its record, as the command leaves it; by default with replies of a model."""
    place.mkdir(parents=True, exist_ok=True)
    if proposer is None:
        recorded = place.parent / f"{place.name}-said.jsonl"
        with Journal(recorded) as journal:
            discovery(journal, Script(LINES), FakeJudge(), generations=2).run()
        proposer = open_proposer(f"replay:{recorded}", Ask())
    wanted: dict[str, Any] = {"generations": 2, "burn_in": ("dpo", "slic"), "confirm": 4, **plan}
    with Journal(place / JOURNAL) as journal:
        loop = discovery(journal, proposer, SealingJudge(ledger=ledger, ring=ring), **wanted)
        track = loop.run()
        document = summary.document(
            track, run="run-1", profile=LADDER.name, proposer=str(journal.entries[0]["proposer"]), baseline="dpo"
        )
        summary.leave(place, track, document, metric=loop.metric, baseline=loop.baseline)
        line = seal_discovery(
            place, journal.entries, track, plan=Plan(**wanted), ladder=LADDER, ledger=ledger, signing=ring.signing()
        )
    (place / RECORD).write_bytes(line)
    return track


def archive(folder: Path, ring: Keyring, **more: Any) -> bytes:
    """The archive of one."""
    with Ledger(folder / "ledger") as ledger:
        discover(folder / "run-1", ring, ledger, **more)
        return write(folder / "run-1", ledger, ring.signing(), ring.trusted())


def entries_in(data: bytes) -> list[dict[str, Any]]:
    """The journal in an archive."""
    return [json.loads(line) for line in unpacked(data)[f"{DISCOVERED}/{JOURNAL}"].splitlines()]


def forged(
    data: bytes,
    ring: Keyring,
    change: Callable[[list[dict[str, Any]]], None] = lambda _: None,
    *,
    said: Callable[[Any], None] = lambda _: None,
    files: Callable[[dict[str, bytes]], None] = lambda _: None,
) -> bytes:
    """An archive as its own signer could make it who claims something else: another journal, record or other files.

    Everything is signed anew, and every digest of a file is right.
    """
    inside, signing = unpacked(data), ring.signing()
    entries = entries_in(data)
    change(entries)
    lines = b"".join(json.dumps(entry, sort_keys=True).encode() + b"\n" for entry in entries)
    inside[f"{DISCOVERED}/{JOURNAL}"] = lines
    files(inside)
    *runs, own = inside[RECORDS].splitlines(keepends=True)
    record = envelope(own).statement
    for subject in record["subject"]:
        subject["digest"]["sha256"] = hashlib.sha256(inside[f"{DISCOVERED}/{subject['name']}"]).hexdigest()
    said(record)
    made = seal(record, signing)
    inside[RECORDS] = b"".join([*runs, made])
    inside.pop(KEYS, None)
    about = envelope(inside.pop(SIGNED)).statement
    listed = sorted((name, hashlib.sha256(content).hexdigest()) for name, content in inside.items())
    about["subject"] = [{"name": name, "digest": {"sha256": digest}} for name, digest in listed]
    about["predicate"]["discovery"] = hashlib.sha256(made).hexdigest()
    return packed({**inside, SIGNED: seal(about, signing)})


def losses(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The outcomes of losses that were measured."""
    return [entry for entry in entries if entry["kind"] in {"burn-in", "judged"} and entry["fate"] == "measured"]
