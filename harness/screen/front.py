"""The host's half of the screen: bytes in, a program or findings out.

Every field of the screening process's answer is checked, since the text may have taken it over.
"""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from harness.core.candidate import SIZE_LIMIT
from harness.core.contract import CONTRACTS, PREFERENCE, Contract
from harness.core.errors import CandidateFault, InfrastructureError, UserError
from harness.core.program import MOST_PARAMETERS, NAMES, CallPlan, Parameter, Program, Told
from harness.core.verdict import Location
from harness.screen.process import Died, ask
from harness.screen.rules import SCREEN_RULES
from harness.screen.text import Complaint, check_bytes, check_text

if TYPE_CHECKING:
    from harness.core.candidate import Candidate
    from harness.core.verdict import Finding

_RULES = {rule.id: rule for rule in SCREEN_RULES}
_LONGEST_MESSAGE = 1000
_LONGEST_NAME = 80


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


def program_of(answer: bytes, *, guarded: bool, contract: Contract = PREFERENCE) -> Program | list[Complaint]:
    """Give the program, or the complaints, in an answer; InfrastructureError where it is malformed."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        _malformed("no JSON")
    if not isinstance(value, dict):
        _malformed("no object")
    if set(value) == {"defect"}:
        _malformed(str(value["defect"])[:500])
    if set(value) == {"faults"}:
        return _complaints(value["faults"])
    if set(value) - {"told", "line", "stateless", "pointwise"} != {"text", "lines", "source", "name", "plan"}:
        _malformed("other keys")
    lines = value["lines"]
    if not isinstance(lines, list) or not all(type(line) is int and line >= 0 for line in lines):
        _malformed("lines")
    text = _text(value["text"])
    if guarded and len(lines) != text.count("\n") + 1:
        _malformed("lines")
    name = _text(value["name"])
    if not name.isprintable() or len(name) > _LONGEST_NAME:
        name = "".join(c for c in name if c.isprintable())[:_LONGEST_NAME]
    plan, source, line = _plan(value["plan"], contract), _text(value["source"]), value.get("line", 0)
    if type(line) is not int or line < 0:
        _malformed("a line")
    told = _told(value["told"]) if "told" in value else Told()
    program = Program(text, guarded, plan, name, source, tuple(lines), entry_line=line, told=told, contract=contract)
    stateless, pointwise = (value.get(name, False) for name in ("stateless", "pointwise"))
    _see_known(stateless, pointwise)
    return replace(program, stateless=stateless, pointwise=pointwise)


def _see_known(stateless: object, pointwise: object) -> None:
    """What is pointwise is stateless."""
    if type(stateless) is not bool or type(pointwise) is not bool or pointwise > stateless:
        _malformed("what is known of it")


def _complaints(value: object) -> list[Complaint]:
    if not isinstance(value, list) or not value:
        _malformed("faults")
    return [_complaint(each) for each in value]


def _complaint(value: object) -> Complaint:
    if not isinstance(value, list) or len(value) != 5:
        _malformed("a fault")
    rule, message, line, column, fix = value
    if type(line) is not int or type(column) is not int or line < 0 or column < 0:
        _malformed("a place")
    shown = None if fix is None else _text(fix)[:_LONGEST_MESSAGE]
    return Complaint(_text(rule), _text(message)[:_LONGEST_MESSAGE], line, column, shown)


def _plan(value: object, contract: Contract) -> CallPlan:
    if not isinstance(value, list) or len(value) not in {4, 5}:
        _malformed("a plan")
    entry, dialect, positional, keyword = value[:4]
    parameters = _parameters(value[4]) if len(value) == 5 else ()
    if _text(dialect) not in {"function", "method"} or not _text(entry).isidentifier():
        _malformed("a plan")
    if not isinstance(positional, list) or not isinstance(keyword, list):
        _malformed("a plan")
    pairs = []
    for pair in keyword:
        if not isinstance(pair, list) or len(pair) != 2 or not _text(pair[0]).isidentifier():
            _malformed("a plan")
        pairs.append((_text(pair[0]), _text(pair[1])))
    arguments = [_text(a) for a in positional] + [argument for _, argument in pairs]
    if not set(arguments) <= set(contract.arguments) or len(set(arguments)) != len(arguments):
        _malformed("a plan")
    return CallPlan(_text(entry), str(dialect), tuple(arguments[: len(positional)]), tuple(pairs), parameters)


def _told(value: object) -> Told:
    if not isinstance(value, list) or len(value) != 5 or type(value[1]) is not bool:
        _malformed("what is told")
    bound, by_position, fixed, crossed, notes = value
    if not isinstance(crossed, list) or not all(type(line) is int and line > 0 for line in crossed):
        _malformed("what is told")
    if not isinstance(notes, list):
        _malformed("what is told")
    shown = tuple(_text(note)[:_LONGEST_MESSAGE] for note in notes)
    return Told(_pairs(bound), by_position, _pairs(fixed), tuple(crossed), shown)


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        _malformed("what is told")
    return tuple((_text(first)[:_LONGEST_NAME], _text(second)[:_LONGEST_NAME]) for first, second in value)


def _parameters(value: object) -> tuple[Parameter, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_PARAMETERS:
        _malformed("parameters")
    found = []
    for each in value:
        if not isinstance(each, list) or [type(part) for part in each] != [str, float, float, bool]:
            _malformed("parameters")
        try:
            found.append(Parameter(*each))
        except ValueError:
            _malformed("parameters")
    if len({p.name for p in found}) != len(found):
        _malformed("parameters")
    return tuple(found)


def _text(value: object) -> str:
    if not isinstance(value, str):
        _malformed("text")
    return value


def _malformed(what: str) -> NoReturn:
    raise InfrastructureError(
        f"the screening process gave an answer that cannot be used: {what}",
        remedy="Report this with the candidate: it is a defect of the harness.",
    )
