"""Taking the code out of a language model's reply.

A reply is a JSON object with `thought`, `name` and `code`, or prose around one fenced block of Python.
Raw line breaks inside JSON strings, backslashes of formulas, fences and prose around the object are put
up with: strict parsers lose good answers. A draft in a thought or in an earlier fence is no second answer:
the last whole one counts.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from harness.screen import malformed
from harness.screen.text import Complaint
from harness.screen.thoughts import begins_with_thought, without_marks, without_thoughts

if TYPE_CHECKING:
    from collections.abc import Callable

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
#: How many blocks are parsed, from the last one on, to find one that is whole.
_MOST_BLOCKS = 8
_LONGER = "Ask for the reply again with room for a longer answer."
_NAME_LENGTH = 80


class Reply(NamedTuple):
    """The code in a reply, the name that the reply gives it (possibly empty), what else is to be told, and which."""

    code: str
    name: str
    notes: tuple[str, ...] = ()
    which: str = "the last one"


class _Found(NamedTuple):
    """A JSON object, and where it begins and ends."""

    value: dict[str, object]
    start: int
    end: int


class _Block(NamedTuple):
    """A fenced block that may be Python, and whether its fence is closed."""

    code: str
    closed: bool


def looks_like_reply(text: str) -> bool:
    """Say whether text that holds no function, or is no Python, is a reply."""
    if _OPEN_FENCE.search(text) or _CODE_KEY.search(text) or text.lstrip()[:1] in {"{", "[", "<"}:
        return True
    return begins_with_thought(text) or is_prose(text) or malformed.is_prompted(text)


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


def take_code(text: str, whole: Callable[[str], bool] = lambda _: True) -> Reply | Complaint:
    """Give the one piece of code in a reply, or say why there is none. `whole` says whether code could be the loss."""
    text = _lines(text)
    answer = without_thoughts(text)
    taken = _take(answer.rest, whole)
    if isinstance(taken, Reply):
        outside = " outside its thoughts" if answer.rest != text else ""
        return _with_notes(taken._replace(which=f"{taken.which}{outside}"), text)
    bare = bool(_FUNCTION.search(answer.rest)) and not _CODE_KEY.search(answer.rest)
    if answer.rest != text and (taken is None or answer.unclosed) and not bare:
        # An answer that was given within a thought is better than none; so is one that only names such a mark.
        again = _take(without_marks(text), whole)
        if isinstance(again, Reply):
            return _with_notes(again, text, within=not _mentions(text))
        taken = taken or again
    if taken is not None:
        return taken
    if answer.unclosed and not bare:
        return Complaint("S116", "The reply is cut off inside its thoughts, before any code.", fix=_LONGER)
    return _nothing(text)


def _lines(text: str) -> str:
    """Lines as this machine ends them."""
    return re.sub(r"\r+\n", "\n", text)


def _take(text: str, whole: Callable[[str], bool]) -> Reply | Complaint | None:
    """What the text holds; None where there is nothing that looks like code."""
    objects, broken, text = _objects(text)
    with_code = [found for found in objects if "code" in found.value]
    if with_code:
        return _from_object(with_code, text, whole)
    blocks = _blocks(text)
    if broken is None and not any(_FUNCTION.search(block.code) for block in blocks):
        broken = malformed.beginning(text)
    if broken is not None and (broken.has_code or not blocks):
        return broken.complaint()
    if blocks:
        return _from_blocks(blocks, whole)
    return _without_code(objects[0].value) if objects else None


def _objects(text: str) -> tuple[list[_Found], malformed.Broken | None, str]:
    """Find the JSON objects of a text, the first thing that began like one and failed, and the text they are in."""
    # No number of a reply is used, and an int of thousands of digits would be an error of its own.
    decoder = json.JSONDecoder(strict=False, object_pairs_hook=_Pairs, parse_int=float)
    found: list[_Found] = []
    broken: malformed.Broken | None = None
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
                broken = malformed.failed(error, text, has_code=bool(_CODE_KEY.search(text)))
            position = match.end()
            continue
        found.append(_Found(value, match.start(), position))
    return found, broken, text


class _Pairs(dict[str, object]):
    """An object that remembers whether a key was given twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.repeated = sorted(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)


def _mend(text: str) -> str:
    """Double the backslashes that begin no escape of JSON: formulas are full of them."""
    return _ESCAPE.sub(lambda match: match.group() if match.group(1) else "\\\\", text)


def _from_object(objects: list[_Found], text: str, whole: Callable[[str], bool]) -> Reply | Complaint:
    only = objects[-1].value
    codes = {str(found.value["code"]) for found in _rivals(objects, text)}
    if len(codes) > 1:
        return Complaint("S116", f"The reply holds {len(codes)} candidates.", fix="Answer with one JSON object.")
    if "code" in getattr(only, "repeated", ()):
        return Complaint("S116", "The reply's JSON object has the key code twice.", fix="Answer with one candidate.")
    code, name = only["code"], only.get("name")
    if not isinstance(code, str):
        return Complaint("S116", "The reply's code is not a string.", fix="Give the code as one JSON string.")
    if not code.strip():
        return Complaint("S116", "The reply's code is empty.")
    code = _lines(code)
    blocks = _blocks(code)
    if blocks:
        taken = _from_blocks(blocks, whole)
        return taken if isinstance(taken, Complaint) else taken._replace(name=_clean(name))
    return Reply(_dedent(code), _clean(name), which="the last one in a JSON object")


def _rivals(objects: list[_Found], text: str) -> list[_Found]:
    """The objects that stand beside the last one; one in a fence of its own before it is a draft."""
    fences = [match.span() for match in _FENCE.finditer(text)]

    def fence(found: _Found) -> int:
        return next((i for i, (start, end) in enumerate(fences) if start <= found.start < end), -1)

    last = fence(objects[-1])
    return [found for found in objects if fence(found) in {-1, last}]


def _without_code(found: dict[str, object]) -> Complaint:
    keys = _clean(", ".join(sorted(found)[:8])) or "no key"
    message = f"The reply's JSON object has no key code; it has: {keys}"
    for key, value in found.items():
        if (isinstance(value, dict) and "code" in value) or (isinstance(value, str) and _CODE_KEY.search(value)):
            fix = "Answer with the inner object alone."
            return Complaint("S116", f"{message}. The key code stands inside {_clean(key)}.", fix=fix)
    near = next((key for key in found if key.strip().lower() == "code"), "")
    if near:
        return Complaint(
            "S116", f"{message}. Keys are told apart by case.", fix=f'Write "code" in place of "{_clean(near)}".'
        )
    return Complaint("S116", f"{message}.")


def _nothing(text: str) -> Complaint:
    if malformed.is_diff(text):
        return _DIFF
    if re.search(r"\r(?!\n)", text):
        message = "The reply holds no code that can be told: its lines end with a carriage return alone."
        return Complaint("S116", message, fix="End lines with a line feed.")
    if _FUNCTION.search(text):
        message = "The reply's code stands among sentences or tags, neither in JSON nor in a fence."
        return Complaint("S116", message, fix="Put the code into one fenced block, or answer with one JSON object.")
    if malformed.is_prompted(text):
        return _BEHIND_PROMPTS
    return Complaint("S116", "The reply holds no code.")


_DIFF = Complaint(
    "S116",
    "The reply is a change (search and replace) and no code of its own.",
    fix="Answer with the whole function, as it is after the change.",
)
_BEHIND_PROMPTS = Complaint(
    "S116",
    "The reply's code stands behind the prompts of an interpreter (>>>).",
    fix="Write the code without prompts, in one block of Python.",
)


def _blocks(text: str) -> list[_Block]:
    return [
        _Block(match.group(3), not (match.end() == len(text) and not _closed(match)))
        for match in _FENCE.finditer(text)
        if match.group(2).lower() in _PYTHON
    ]


def _closed(match: re.Match[str]) -> bool:
    return match.group().rstrip().endswith(match.group(1)) and match.group().rstrip() != match.group(1)


def _from_blocks(blocks: list[_Block], whole: Callable[[str], bool]) -> Reply | Complaint:
    functions = [block for block in blocks if _FUNCTION.search(block.code)]
    if not functions:
        if any(malformed.is_diff(block.code) for block in blocks):
            return _DIFF
        if any(malformed.is_prompted(block.code) for block in blocks):
            return _BEHIND_PROMPTS
        return Complaint("S116", "The reply's fenced block defines no function.")
    last = functions[-1]
    several = len({block.code.strip() for block in functions}) > 1
    closed = [_dedent(block.code) for block in functions[-_MOST_BLOCKS:] if block.closed]
    code = next((code for code in reversed(closed) if whole(code)), None) if several else None
    if code is None and not last.closed:
        return Complaint("S116", "The reply is cut off inside its fenced block.", fix=_LONGER)
    notes = () if last.closed else ("The reply is cut off inside its last fenced block.",)
    if code is None or code == _dedent(last.code):
        return Reply(_dedent(last.code), "", notes)
    return Reply(code, "", notes, "the last one that can be the loss")


def _pieces(text: str) -> list[str]:
    """All code with a function that a text holds, in objects and in blocks of its own."""
    objects, _, text = _objects(text)
    codes = [_lines(str(found.value["code"])) for found in objects if "code" in found.value]
    blocks = [block.code for part in (text, *codes) for block in _blocks(part)]
    return [_dedent(code).strip() for code in (*codes, *blocks) if _FUNCTION.search(code) and "```" not in code]


def _with_notes(taken: Reply, text: str, *, within: bool = False) -> Reply:
    """The reply with what is to be told of everything else in it."""
    notes = list(taken.notes)
    others = set(_pieces(text)) - {taken.code.strip()}
    if within:
        notes.append("The code stands in the reply's thoughts; no other follows them.")
    if others:
        many = len(others) > 1
        notes.insert(
            0,
            f"The reply holds {len(others) + 1} pieces of code; {taken.which} is judged, and the "
            f"{'others are' if many else 'other is'} left aside.",
        )
    return taken._replace(notes=tuple(notes))


def _mentions(text: str) -> bool:
    """Whether the mark of a thought only stands inside the answer's own object, which reaches beyond it."""
    objects, _, text = _objects(text)
    rest = without_thoughts(text).rest
    return any("code" in o.value and (rest[o.start] == "{" or rest[o.end - 1] == "}") for o in objects)


def _dedent(code: str) -> str:
    """Take off the indentation that a method in a class, or a block in a list, comes with."""
    first = next((line for line in code.splitlines() if line.strip()), "")
    return textwrap.dedent(code) if first[:1] in {" ", "\t"} else code


def _clean(name: object) -> str:
    """Give a name with printable characters only, capped."""
    if not isinstance(name, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in name).strip()[:_NAME_LENGTH]
