"""Which run may be exported, and what an export of it says: from the ledger, as far as signed records vouch for it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.attestation import times
from harness.attestation.statement import PromotionStatement, RungResultStatement, VerdictStatement
from harness.attestation.verify import Asked, accepts, speaks_of, verify
from harness.checks.static import screened_text
from harness.core.candidate import Candidate
from harness.core.errors import UserError
from harness.core.profiles import load
from harness.ladder.ladder import ladder_for
from harness.ledger.records import State
from harness.report.json_report import compared_results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.attestation.keys import TrustedKey
    from harness.attestation.statement import Statement
    from harness.core.profiles import Profile
    from harness.core.program import Program
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Run

#: The states in which promotions count. The others were said no to, taken out, or answered by another run.
_STANDS = frozenset({State.QUEUED, State.RUNNING, State.HELD, State.COMPLETED, State.FAILED})


@dataclass(frozen=True)
class Promoted:
    """A loss that was promoted past a rung which judges.

    `program` is at the values that were tuned for it, `result` the properties' own report of it, `records` the lines of
    its signed records, and `rungs` those that promoted it: name and kind.
    """

    run: Run
    ladder: Ladder
    profile: Profile
    candidate: Candidate
    program: Program
    result: dict[str, Any]
    records: bytes
    rungs: tuple[tuple[str, str], ...]

    @property
    def facts(self) -> dict[str, Any]:
        """What the properties learnt about the loss."""
        found: dict[str, Any] = self.result["facts"]
        return found


def promoted(ledger: Ledger, run: Run, keys: Sequence[TrustedKey]) -> Promoted:
    """The loss of a run, if it was promoted and its records hold by these keys. Raises UserError with the next step."""
    shown = f"`harness show {run.id}` says where it stands"
    if run.state is State.DUPLICATE:
        other = ledger.answering(run).id
        raise UserError(f"run {run.id} is the same function as run {other}", remedy=f"`harness export-loss {other}`")
    if run.state not in _STANDS:
        raise UserError(f"run {run.id} is {run.state}, and only a promoted loss is exported", remedy=shown)
    lines = [one.line for one in ledger.sealed(run.id)]
    known = _held(run, lines, keys)
    rungs = tuple(
        (one.predicate.rung.name, one.predicate.rung.kind) for one in known if isinstance(one, PromotionStatement)
    )
    if not any(accepts(one) for one in known if isinstance(one, PromotionStatement)):
        past = " past a rung that judges: a screen accepts nobody" if rungs else ""
        raise UserError(f"run {run.id} is {run.state}, and was not promoted{past}", remedy=shown)
    ladder = ladder_for(ledger, run)
    if ladder is None:
        raise UserError(f"the ladder of run {run.id} is not known here", remedy="export it where it was submitted")
    profile = load(ladder.properties)
    if profile.contract != "preference":
        told = f"run {run.id} is a loss for {profile.contract}, and exports are of losses over preference pairs"
        raise UserError(told, remedy="`harness show RUN --text` gives its text")
    candidate = Candidate(run.path, ledger.text(run), run.candidate)
    program = _program(candidate, profile, known)
    result = _reported(ledger, run, known)
    return Promoted(run, ladder, profile, candidate, program, result, b"".join(lines), rungs)


def _held(run: Run, lines: Sequence[bytes], keys: Sequence[TrustedKey]) -> list[Statement]:
    """What the records say. Raises UserError where one does not hold, or is about something else."""
    found = verify([(f"record {n}", line) for n, line in enumerate(lines, 1)], keys, Asked(times.now()), {}, {})
    wrong = [f"{each.source}: {problem}" for each in found for problem in each.problems]
    wrong += [f"{each.source}: it is of another candidate" for each in found if each.candidate != run.candidate]
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UserError(
            f"the records of run {run.id} do not hold: {wrong[0]}{more}",
            remedy=f"`harness ledger verify` looks at all of them; `harness retry {run.id}` climbs once more",
        )
    return [each.statement for each in found if each.statement is not None]


def _program(candidate: Candidate, profile: Profile, known: Sequence[Statement]) -> Program:
    """What the sandbox is given, at the values that the last rung measured it with, as its record has them."""
    one = screened_text(candidate, profile)
    if one.program is None:
        raise UserError(
            f"the screen of this version refuses the candidate: {one.fault}",
            remedy="export it with the version of the harness that promoted it",
        )
    measured = [each for each in known if isinstance(each, RungResultStatement)]
    chosen = measured[-1].predicate.annotations("circumstances").get("parameters") if measured else None
    if not isinstance(chosen, dict) or not chosen:
        return one.program
    try:
        return one.program.at({name: float(str(value)) for name, value in chosen.items()})
    except ValueError as error:
        raise UserError(f"the values in its records are not of this text: {error}", remedy="run it again") from error


def _reported(ledger: Ledger, run: Run, known: Sequence[Statement]) -> dict[str, Any]:
    """The report of the properties that a record of an acceptance vouches for. Raises UserError where there is none."""
    accepted = [each for each in known if isinstance(each, VerdictStatement) and accepts(each)]
    told = {digest for each in accepted for digest in speaks_of(each)}
    for left in reversed(ledger.attachments(run.id)):
        if left.name != "report.json":
            continue
        with contextlib.suppress(ValueError):  # one that is no report is nobody's
            for digest, result in compared_results(ledger.document(left.sha256)):
                facts = result["facts"]
                known_of = isinstance(facts, dict) and {"stability", "smallest_batch", "uses"} <= facts.keys()
                if digest in told and result["sha256"] == run.candidate and known_of:
                    return dict(result)
    raise UserError(
        f"run {run.id} has no report of its properties that a record vouches for",
        remedy="its ladder needs a rung of the kind `properties`; climb that first",
    )
