"""The screen as the host calls it: bytes in, a program or findings out."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from harness.core.candidate import SIZE_LIMIT
from harness.core.contract import CONTRACTS
from harness.core.errors import CandidateFault, InfrastructureError, UserError
from harness.core.program import NAMES
from harness.core.verdict import Location
from harness.screen.answer import program_of
from harness.screen.process import Died, ask
from harness.screen.rules import SCREEN_RULES
from harness.screen.text import Complaint, check_bytes, check_text

if TYPE_CHECKING:
    from harness.core.candidate import Candidate
    from harness.core.program import Program
    from harness.core.verdict import Finding

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
    found = _screened(candidate.data, entry or "", policy, contract, binding)
    if isinstance(found, tuple):
        raise CandidateFault(*found)
    return found


@functools.lru_cache(maxsize=64)
def _screened(data: bytes, entry: str, policy: bool, contract: str, binding: str) -> Program | tuple[Finding, ...]:  # noqa: FBT001 - as `screen` has it
    """As `screen`, but for what did not end: nobody's text is read twice by a process."""
    offered = CONTRACTS[contract]
    complaint = check_bytes(data)
    if complaint is not None:
        return (_finding(complaint),)
    answer = ask(data, "on" if policy else "off", entry, contract, binding)
    if isinstance(answer, Died):
        fix = "Write plain, short expressions."
        raise CandidateFault(_finding(Complaint("S106", f"Reading the text {answer.how}.", fix=fix)))
    result = program_of(answer, guarded=policy, contract=offered)
    if isinstance(result, list):
        return tuple(map(_finding, result))
    if complaints := check_text(result.source):
        # The process looked at these already; but the text may have taken it over.
        return tuple(map(_finding, complaints))
    return result


def _finding(complaint: Complaint) -> Finding:
    rule = _RULES.get(complaint.rule)
    if rule is None:
        raise InfrastructureError(f"the screening process named an unknown rule, {complaint.rule!r}")
    location = Location(complaint.line, complaint.column) if complaint.line else None
    return rule.finding(complaint.message, fix=complaint.fix, location=location)
