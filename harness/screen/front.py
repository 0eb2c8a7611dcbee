"""The screen as the host calls it: bytes in, a program or findings out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.candidate import SIZE_LIMIT
from harness.contract import CLASSIFICATION, CONTRACTS, NAMES
from harness.errors import CandidateFault, InfrastructureError, UserError
from harness.rules.screen import SCREEN_RULES
from harness.screen.answer import program_of
from harness.screen.process import Died, ask
from harness.screen.text import Complaint, check_bytes, check_text
from harness.verdict import Location

if TYPE_CHECKING:
    from harness.candidate import Candidate
    from harness.contract import Program
    from harness.verdict import Finding

_RULES = {rule.id: rule for rule in SCREEN_RULES}


def screen(
    candidate: Candidate,
    *,
    entry: str | None = None,
    policy: bool = True,
    contract: str = "preference",
    binding: str = NAMES,
) -> Program:
    """Give the program of a candidate, or raise CandidateFault with every finding, in order of lines.

    `entry` names the loss where a file has several, `contract` what it has to take, `binding` how its
    parameters are paired with that. Without `policy` only the bytes, the syntax, the dialect and the signature
    are checked, and the program's text is the candidate's own. An InfrastructureError says that the screening
    process itself could not run.
    """
    if entry is not None and not entry.isidentifier():
        raise UserError(f"{entry!r} is not the name of a function", remedy="Give a name to --entry.")
    if len(candidate.data) > SIZE_LIMIT:
        raise CandidateFault(_finding(Complaint("S104", f"The text has {len(candidate.data)} bytes.")))
    offered = CONTRACTS[contract]
    complaint = check_bytes(candidate.data)
    if complaint is not None:
        raise CandidateFault(_finding(complaint))
    answer = ask(candidate.data, "on" if policy else "off", entry or "", contract, binding)
    if isinstance(answer, Died):
        fix = "Write plain, short expressions."
        raise CandidateFault(_finding(Complaint("S106", f"Reading the text {answer.how}.", fix=fix)))
    result = program_of(answer, guarded=policy, contract=offered)
    if isinstance(result, list):
        raise CandidateFault(*map(_finding, result))
    if complaints := check_text(result.source):
        # The process looked at these already; but the text may have taken it over.
        raise CandidateFault(*map(_finding, complaints))
    if offered is CLASSIFICATION:
        from harness.classification.adapter import adapted  # noqa: PLC0415 - the usual contract needs none

        return adapted(result)
    return result


def _finding(complaint: Complaint) -> Finding:
    rule = _RULES.get(complaint.rule)
    if rule is None:
        raise InfrastructureError(f"the screening process named an unknown rule, {complaint.rule!r}")
    location = Location(complaint.line, complaint.column) if complaint.line else None
    return rule.finding(complaint.message, fix=complaint.fix, location=location)
