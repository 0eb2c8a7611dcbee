"""Reading the screening process's answer: every field is checked, since the text may have taken it over."""

from __future__ import annotations

import json
from typing import NoReturn

from harness.core.contract import PREFERENCE, Contract
from harness.core.errors import InfrastructureError
from harness.core.program import MOST_PARAMETERS, CallPlan, Parameter, Program, Told
from harness.screen.text import Complaint

_LONGEST_MESSAGE = 1000
_LONGEST_NAME = 80


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
    if set(value) - {"told", "line"} != {"text", "lines", "source", "name", "plan"}:
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
    return Program(text, guarded, plan, name, source, tuple(lines), entry_line=line, told=told, contract=contract)


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
