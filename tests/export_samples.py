"""A run that was promoted without a sandbox, and its export: the candidate answers in this process."""

from __future__ import annotations

import functools
import hashlib
import importlib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from in_process import InProcess
from ledger_samples import claim
from sealing_samples import CHECKER
from support import ROOT

from harness.checks.static import make_result, screened_text
from harness.core.candidate import Candidate
from harness.core.profiles import load as load_profile
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted
from harness.core.verdict import Screened as NotJudged
from harness.ladder.ladder import load
from harness.ladder.rung_records import RungEnd, sealing
from harness.ledger import Ledger
from harness.ledger.records import Decision, Score
from harness.loss_export.asking import asked
from harness.loss_export.promoted import Promoted, promoted
from harness.loss_export.writing import FORMS, files_of, write
from harness.report.json_report import write_json
from harness.subject.by_contract import subject_on
from harness.subject.facts import facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.attestation.keys import Keyring
    from harness.core.program import Program
    from harness.ladder.plan import Ladder
    from harness.subject.subject import Subject

LADDER = load("bandit")
PROFILE = load_profile(LADDER.properties)
DISCOPOP = (ROOT / "examples" / "discopop.py").read_bytes()


def subject_of(program: Program) -> Subject:
    """The candidate, answering here."""
    return subject_on(InProcess(program), PROFILE)


@functools.cache
def _learnt(program: Program) -> dict[str, Any]:
    subject: Any = subject_of(program)
    return facts(subject)


def judged(data: bytes, path: str = "loss.py", **changes: Any) -> CheckResult:
    """What the properties would say of an honest loss: all passed, with the facts of its own answers."""
    one = screened_text(Candidate(path, data, hashlib.sha256(data).hexdigest()), PROFILE)
    learnt = _learnt(one.passed_program) | changes
    passed = dict.fromkeys(PROFILE.properties, "passed")
    environment = {**CHECKER.environment, "torch": "2"}
    return make_result(one, Accepted(), environment=environment, facts=learnt, properties=passed)


def climbed(
    ledger: Ledger,
    ring: Keyring,
    data: bytes = DISCOPOP,
    *,
    rungs: int = len(LADDER.rungs),
    last: str = "promote",
    path: str = "losses/mine.py",
    name: str = "mine",
    chosen: Mapping[str, float] | None = None,
    ladder: Ladder = LADDER,
    **changes: Any,
) -> int:
    """A run that came to the end of so many rungs, the last of which says `last`; `changes` are of its facts."""
    one = Candidate(path, data, hashlib.sha256(data).hexdigest())
    (made,) = ledger.submit([(one, name)], profile=ladder.name, profile_digest=ladder.digest, needs="cpu")
    held = claim(ledger)
    properties = judged(data, path, **changes)
    for number, plan in enumerate(ladder.rungs[:rungs]):
        result: CheckResult | None = None
        if plan.kind in {"screen", "properties"}:
            result = properties if plan.kind == "properties" else replace(properties, verdict=NotJudged())
            report = write_json(CheckReport(ladder.properties, 0, (result,))).encode()
            ledger.attach(held, plan.name, "report.json" if plan.kind == "properties" else "screen.json", report)
        word = last if number == rungs - 1 else "promote"
        end = RungEnd(
            CHECKER, ladder, plan, one.sha256, "mine.py", f"{number:064d}", result, {}, dict(chosen or {}), ""
        )
        decision = Decision(word, f"{plan.name} says so")
        ledger.checkpoint(
            held,
            rung=plan.name,
            scores=[Score(0, "score", 0.5)],
            decision=decision,
            evaluation=f"{number:064d}",
            next_needs=ladder.needs(number + 1),
            seal=sealing(ring.signing(), end, decision),
        )
    return made.run


def exported(folder: Path, ring: Keyring, data: bytes = DISCOPOP, **more: Any) -> Path:
    """The folder of an export with all forms, in a folder of the test's own."""
    with Ledger(folder / "ledger") as ledger:
        run = climbed(ledger, ring, data, **more)
        one = promoted(ledger, ledger.run(run), ring.trusted())
    return written(one, folder / f"export_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}")


def written(one: Promoted, to: Path) -> Path:
    """The same of what is known of a run."""
    write(files_of(one, list(FORMS), asked(subject_of(one.program)), None), to)
    return to


def imported(folder: Path, name: str = "loss") -> Any:
    """A module of an export, imported as its users do."""
    sys.path.insert(0, str(folder.parent))
    try:
        importlib.invalidate_caches()
        return importlib.import_module(f"{folder.name}.{name}")
    finally:
        sys.path.remove(str(folder.parent))
