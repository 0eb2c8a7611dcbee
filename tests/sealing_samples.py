"""A ledger in which everything that is decided is signed, as the ladder signs it, without a sandbox."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from ledger_samples import PROFILE, RUNGS, candidate, checkpoint, claim, submit

from harness.attestation.keys import Keyring
from harness.checks.options import Options
from harness.ladder.plan import Ladder, RungPlan
from harness.ladder.rung_records import RungEnd, sealing
from harness.ledger.records import Decision, Score

if TYPE_CHECKING:
    from pathlib import Path

    from harness.checks.checker import Checker
    from harness.ledger import Ledger
    from harness.ledger.records import Claim, State
    from harness.ledger.sealed import Seal

CHECKER = cast(
    "Checker",
    SimpleNamespace(
        options=Options(),
        environment={"image": "tag", "image_digest": "sha256:" + "1" * 64, "device": "cpu"},
        machine={"engine": "Docker 1"},
    ),
)
PROMOTE, REJECT = Decision("promote", "well done", {"difference": 0.5}), Decision("reject", "worse")


def keys(folder: Path) -> Keyring:
    ring = Keyring(folder)
    ring.or_new()
    return ring


def seal(ring: Keyring, held: Claim, rung: int, decision: Decision) -> Seal:
    plan = RungPlan(RUNGS[rung], "bandit", "cpu", "dpo", (), None, ask_a_person=False)
    ladder = Ladder("test-1", "2026-01-01", "2026.2", (plan,), PROFILE["profile_digest"])
    evaluation = hashlib.sha256(RUNGS[rung].encode()).hexdigest()
    end = RungEnd(CHECKER, ladder, plan, held.run.candidate, "loss.py", evaluation, None, {}, {}, "")
    return sealing(ring.signing(), end, decision)


def end_rung(ledger: Ledger, ring: Keyring, held: Claim, rung: int, decision: Decision = PROMOTE, **more: Any) -> State:
    """The end of a rung, with two seeds, a document and signed records."""
    ledger.attach(held, RUNGS[rung], "curve-0.json", f"[{held.run.id}, {rung}]".encode())
    scores = [Score(seed, "reward", rung + seed / 2) for seed in range(2)]
    return checkpoint(
        ledger, held, rung, scores=scores, decision=decision, seal=seal(ring, held, rung, decision), **more
    )


def climbed(ledger: Ledger, ring: Keyring, numbers: tuple[int, ...] = (0, 1)) -> list[int]:
    """Runs of these candidates: the last is rejected at the second rung, the others come to the top."""
    made = submit(ledger, numbers)
    for run in made:
        held = claim(ledger, slot=f"worker/cpu/{run}")
        assert held.run.candidate == candidate(numbers[made.index(run)])[0].sha256
        end_rung(ledger, ring, held, 0)
        if run == made[-1]:
            end_rung(ledger, ring, held, 1, REJECT)
            continue
        end_rung(ledger, ring, held, 1)
        end_rung(ledger, ring, held, 2)
    return made
