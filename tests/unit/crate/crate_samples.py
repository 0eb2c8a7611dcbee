"""The archive of a run that was climbed without a sandbox, and what becomes of it where somebody changes a file."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ledger_samples import claim
from sealing_samples import CHECKER, keys

from harness.attestation.envelope import opened as envelope
from harness.attestation.envelope import seal
from harness.core.candidate import Candidate
from harness.crate.packing import packed, unpacked
from harness.crate.parts import RECORDS, SIGNED
from harness.crate.read import RunCrate, opened
from harness.crate.write import write
from harness.ladder.ladder import load
from harness.ladder.rung_records import RungEnd, sealing
from harness.ledger import Ledger
from harness.ledger.records import Decision, Score

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.attestation.keys import Keyring
    from harness.ladder.plan import Ladder

TEXT = b"def loss(a, b, c, d, beta):\n    return a\n"
LADDER = load("bandit")


def run_in(
    folder: Path, ring: Keyring, *, path: str = "losses/mine.py", name: str = "mine", ladder: Ladder = LADDER
) -> tuple[Ledger, int]:
    """A ledger with one run that came to the top of the bandit ladder, each rung with signed records."""
    ledger = Ledger(folder)
    if ladder.own:
        ledger.keep(ladder.own)
    one = Candidate(path, TEXT, hashlib.sha256(TEXT).hexdigest())
    (made,) = ledger.submit([(one, name)], profile=ladder.name, profile_digest=ladder.digest, needs="cpu")
    held = claim(ledger)
    for number, plan in enumerate(ladder.rungs):
        ledger.attach(held, plan.name, "left.json", json.dumps([plan.name]).encode())
        decision = Decision("promote", f"{plan.name} says so", {"rung": plan.name})
        end = RungEnd(CHECKER, ladder, plan, one.sha256, "mine.py", f"{number:064d}", None, {}, {}, "")
        ledger.checkpoint(
            held,
            rung=plan.name,
            scores=[Score(0, "score", 0.5 + number)],
            decision=decision,
            evaluation=f"{number:064d}",
            next_needs=ladder.needs(number + 1),
            seal=sealing(ring.signing(), end, decision),
        )
    return ledger, made.run


def archive(folder: Path, ring: Keyring | None = None, **more: Any) -> bytes:
    """An archive as `harness export` writes it, without pictures of its own."""
    ring = ring or keys(folder / "keys")
    ledger, run = run_in(folder / "ledger", ring, **more)
    with ledger:
        pictures = {"curve.svg": b"<svg/>"}
        return write(
            ledger,
            ledger.run(run),
            LADDER,
            ring.signing(),
            ring.trusted(),
            told={"a": 1, "events": [{"detail": {"owner": "host-7/1:2:3", "slot": "host-7/cpu/0"}}]},
            pictures=pictures,
        )


def run_crate(data: bytes) -> RunCrate:
    """The archive of a run, opened."""
    crate = opened(data)
    assert isinstance(crate, RunCrate)
    return crate


def resigned(
    data: bytes, ring: Keyring, records: bytes | None = None, files: Mapping[str, bytes] | None = None, **said: Any
) -> bytes:
    """The archive with other records, with more files, or saying something else, whole by its signer's own hand."""
    inside = {**unpacked(data), **(files or {})}
    about = envelope(inside.pop(SIGNED)).statement
    if records is not None:
        inside[RECORDS] = records
    about["predicate"] |= said
    about["subject"] = [
        {"name": name, "digest": {"sha256": hashlib.sha256(inside[name]).hexdigest()}} for name in sorted(inside)
    ]
    return packed({**inside, SIGNED: seal(about, ring.signing())})


def rejecting(line: bytes, ring: Keyring) -> bytes:
    """The decision of a gate that says no where it said yes."""
    said = envelope(line).statement
    said["predicate"]["decision"] = "reject"
    return seal(said, ring.signing())


def with_files(data: bytes, **changes: bytes | None) -> bytes:
    """The archive with other files in it, packed as archives are; None takes one out."""
    files = {**unpacked(data), **changes}
    return packed({name: content for name, content in files.items() if content is not None})
