"""Taking the code out of a language model's reply.

A reply is a JSON object with `thought`, `name` and `code`, or prose around one fenced block of Python.
Raw line breaks inside JSON strings, backslashes of formulas, fences and prose around the object are put
up with: strict parsers lose good answers.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from typing import NamedTuple

from harness.screen.text import Complaint

_FENCE = re.compile(
    r"^[ \t]*(`{3,8}|~{3,8})[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_OPEN_FENCE = re.compile(r"^[ \t]*(`{3,8}|~{3,8})", re.MULTILINE)
_OBJECT = re.compile(r'\{\s*"')
_CODE_KEY = re.compile(r'"code"\s*:')
_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4}))?')
_FUNCTION = re.compile(r"^\s*(?:async\s+)?def\s+\w+|^\s*\w+\s*=\s*lambda\b", re.MULTILINE)
_STATEMENT = re.compile(r"^\s*(?:def|class|import|from|return|@)\b|^\s*[\w.\[\]]+\s*[-+*/]?=(?!=)|\w\(", re.MULTILINE)
_FIRST_LINE = re.compile(
    r"(?:async\s+)?def\s+\w+\s*\(|import\s+[\w.]+|from\s+[\w.]+\s+import\b|class\s+\w+\s*[:(]|@\w|[rRuU]?(\"{3}|'{3})"
    r"|(?:if|for|while|with|try|match)\b.*:\s*$"
    r"|[A-Za-z_]\w*\s*(?::\s*\w+\s*)?=(?!=)"
)
_PYTHON = {"", "python", "python3", "py", "py3", "pytorch"}
_MOST_OBJECTS = 50
#: Lines that are compared to find a piece of code in a reply.
_COMPARED = 20
_NAME_LENGTH = 80


class Reply(NamedTuple):
    """The code in a reply, and the name that the reply gives it (possibly empty)."""

    code: str
    name: str


class _Broken(NamedTuple):
    """An object that is no JSON: why, where, and whether the text simply ends too early."""

    reason: str
    line: int
    column: int
    cut_off: bool


def looks_like_reply(text: str) -> bool:
    """Say whether text that holds no function, or is no Python, is a reply."""
    return bool(_OPEN_FENCE.search(text) or _CODE_KEY.search(text) or text.lstrip()[:1] in {"{", "["}) or is_prose(text)


def line_in_reply(text: str, code: str, line: int) -> int:
    """The line of the reply on which a line of its code stands: of the last such code, where it is there twice.

    In a JSON string all of the code is on one line as a rule, and that is the one.
    """
    wanted = [each.strip() for each in code.splitlines()[line - 1 :][:_COMPARED]]
    lines = text.splitlines()
    for start in range(len(lines) - 1, -1, -1):
        if all(own.strip() == each for own, each in zip(lines[start:], wanted, strict=False)):
            return start + 1
    escaped = json.dumps(wanted[0])[1:-1]
    return next((n for n, own in enumerate(lines, 1) if wanted[0] in own or escaped in own), 1)


def begins_as_python(text: str) -> bool:
    """Say whether the first line that is neither blank nor a comment can only be Python."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return bool(_FIRST_LINE.match(next(lines, "")))


def is_prose(text: str) -> bool:
    """Say whether a text is sentences without a trace of code."""
    return not _STATEMENT.search(text) and len(re.findall(r"[^\W\d_]{2,}", text)) >= 3


def take_code(text: str) -> Reply | Complaint:
    """Give the one piece of code in a reply, or say why there is none."""
    objects, broken = _objects(text)
    with_code = [found for found in objects if "code" in found]
    if with_code:
        return _from_object(with_code)
    if broken is not None and (_CODE_KEY.search(text) or not _blocks(text)):
        if broken.cut_off:
            fix = "Ask for the reply again with room for a longer answer."
            return Complaint("S116", "The reply is cut off inside its JSON object.", broken.line, broken.column, fix)
        fix = 'Escape quotes inside the code as \\", and answer with JSON only.'
        message = f"The reply's JSON is malformed: {broken.reason}."
        return Complaint("S116", message, broken.line, broken.column, fix)
    blocks = _blocks(text)
    if blocks:
        return _from_blocks(blocks)
    if objects:
        keys = ", ".join(sorted(key for key in objects[0])[:8])
        return Complaint("S116", f"The reply's JSON object has no key code; it has: {_clean(keys) or 'no key'}.")
    return Complaint("S116", "The reply holds no code.")


def _objects(text: str) -> tuple[list[dict[str, object]], _Broken | None]:
    """Find the JSON objects of a text, and the first thing that began like one and failed."""
    # No number of a reply is used, and an int of thousands of digits would be an error of its own.
    decoder = json.JSONDecoder(strict=False, object_pairs_hook=_Pairs, parse_int=float)
    found: list[dict[str, object]] = []
    broken: _Broken | None = None
    position = 0
    for _ in range(_MOST_OBJECTS):
        match = _OBJECT.search(text, position)
        if match is None:
            break
        try:
            value, position = decoder.raw_decode(text, match.start())
        except json.JSONDecodeError as error:
            if error.msg.startswith("Invalid \\"):
                mended = _mend(text)
                if mended != text:
                    return _objects(mended)
            if broken is None:
                broken = _broken(error, text)
            position = match.end()
            continue
        found.append(value)
    return found, broken


class _Pairs(dict[str, object]):
    """An object that remembers whether a key was given twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.repeated = sorted(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)


def _mend(text: str) -> str:
    """Double the backslashes that begin no escape of JSON: formulas are full of them."""
    return _ESCAPE.sub(lambda match: match.group() if match.group(1) else "\\\\", text)


def _broken(error: json.JSONDecodeError, text: str) -> _Broken:
    cut = error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip().rstrip("`").rstrip())
    return _Broken(error.msg.lower(), error.lineno, error.colno, cut)


def _from_object(objects: list[dict[str, object]]) -> Reply | Complaint:
    if len(objects) > 1 and len({str(found["code"]) for found in objects}) > 1:
        return Complaint("S116", f"The reply holds {len(objects)} candidates.", fix="Answer with one JSON object.")
    only = objects[0]
    if "code" in getattr(only, "repeated", ()):
        return Complaint("S116", "The reply's JSON object has the key code twice.", fix="Answer with one candidate.")
    code, name = only["code"], only.get("name")
    if not isinstance(code, str):
        return Complaint("S116", "The reply's code is not a string.", fix="Give the code as one JSON string.")
    if not code.strip():
        return Complaint("S116", "The reply's code is empty.")
    blocks = _blocks(code)
    if blocks:
        taken = _from_blocks(blocks)
        return taken if isinstance(taken, Complaint) else taken._replace(name=_clean(name))
    return Reply(_dedent(code), _clean(name))


def _blocks(text: str) -> list[tuple[str, bool]]:
    """Give the fenced blocks that may be Python, and whether each is closed."""
    return [
        (match.group(3), not (match.end() == len(text) and not _closed(match)))
        for match in _FENCE.finditer(text)
        if match.group(2).lower() in _PYTHON
    ]


def _closed(match: re.Match[str]) -> bool:
    return match.group().rstrip().endswith(match.group(1)) and match.group().rstrip() != match.group(1)


def _from_blocks(blocks: list[tuple[str, bool]]) -> Reply | Complaint:
    functions = [(code, closed) for code, closed in blocks if _FUNCTION.search(code)]
    if not functions:
        return Complaint("S116", "The reply's fenced block defines no function.")
    if len({code.strip() for code, _ in functions}) > 1:
        fix = "Answer with one block of code."
        return Complaint("S116", f"The reply holds {len(functions)} candidates, one in each fenced block.", fix=fix)
    code, closed = functions[-1]
    if not closed:
        fix = "Ask for the reply again with room for a longer answer."
        return Complaint("S116", "The reply is cut off inside its fenced block.", fix=fix)
    return Reply(_dedent(code), "")


def _dedent(code: str) -> str:
    """Take off the indentation that a method in a class, or a block in a list, comes with."""
    first = next((line for line in code.splitlines() if line.strip()), "")
    return textwrap.dedent(code) if first[:1] in {" ", "\t"} else code


def _clean(name: object) -> str:
    """Give a name with printable characters only, capped."""
    if not isinstance(name, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in name).strip()[:_NAME_LENGTH]
