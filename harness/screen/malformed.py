"""What is wrong with an object that was meant to be JSON: each usual mistake has a sentence of its own."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from harness.screen.text import Complaint

if TYPE_CHECKING:
    import json

_TYPOGRAPHIC = "“”„‟«»‹›‘’‚‛″＂「」"
_ESCAPE_QUOTES = 'Escape quotes inside the code as \\", and answer with JSON only.'
#: What may stand where a key or a text was expected: a pattern, what it is, and what to write.
_MISTAKES = tuple(
    (re.compile(pattern), reason, fix)
    for pattern, reason, fix in (
        ("'", "its texts stand in single quotes, as in a Python dictionary", 'Write " around keys and texts.'),
        ("`", "a text stands between backticks", 'Write " around the code, and \\n for its line breaks.'),
        (r"//|/\*|\#", "it has a comment, and JSON knows none", "Leave the comment out."),
        (r"(?:None|True|False)\b", "it has a word of Python's", "Write null, true or false."),
        (r"(?:[rbfu]{1,2})[\"']", "a text has a prefix, as in Python", 'Write " around the code, without a prefix.'),
        (r"&(?:quot|apos|amp|lt|gt|#\d+);", "it is escaped for HTML", 'Write ", < and > as they are.'),
        (r"\+", "a text is put together with +", "Give the code as one JSON string."),
        (r"\(", "a text stands in parentheses, as in Python", "Give the code as one JSON string."),
        (r"[A-Za-z_]\w*\s*:", "a key stands without quotes", 'Write " around keys and texts.'),
    )
)
_BEGINNING = re.compile(
    r"\{\s*(?=['`“”„‟«»‹›‘’‚‛″＂「」]|//|/\*|\#|&quot;|[A-Za-z_]\w*\s*:)",
)
_CODE = re.compile(
    r"(?:['\"`“”„‟«»‹›‘’‚‛″＂「」{,\s]|&quot;)code(?:['\"`“”„‟«»‹›‘’‚‛″＂「」]|&quot;)?\s*:", re.IGNORECASE
)
_DIFF = re.compile(r"^<{5,9} ?(?:SEARCH|HEAD|ORIGINAL)?|^@@ -\d+", re.MULTILINE)
#: A function as an interactive interpreter shows it.
_PROMPTED = re.compile(
    r"^[ \t]*(?:>>>|\.\.\.|In ?\[\d+\]:)[ \t]*(?:(?:async[ \t]+)?def[ \t]+\w+|\w+[ \t]*=[ \t]*lambda\b)", re.MULTILINE
)


class Broken(NamedTuple):
    """An object that is no JSON: why, where, whether the text ends too early, and whether it has a key code."""

    reason: str
    fix: str
    line: int
    column: int
    cut_off: bool
    has_code: bool

    def complaint(self) -> Complaint:
        """The sentence for its writer."""
        if self.cut_off:
            fix = "Ask for the reply again with room for a longer answer."
            return Complaint("S116", "The reply is cut off inside its JSON object.", self.line, self.column, fix)
        message = f"The reply's JSON is malformed: {self.reason}."
        return Complaint("S116", message, self.line, self.column, self.fix)


def failed(error: json.JSONDecodeError, text: str, *, has_code: bool) -> Broken:
    """What the decoder's error means."""
    cut = error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip().rstrip("`").rstrip())
    reason, fix = _reason(text, error.pos) or (error.msg.lower(), _ESCAPE_QUOTES)
    return Broken(reason, fix, error.lineno, error.colno, cut, has_code)


def beginning(text: str) -> Broken | None:
    """An object that does not even begin like JSON; None where there is none that has code."""
    match = _BEGINNING.search(text)
    if match is None or not _CODE.search(text, match.start()):
        return None
    told = _reason(text, match.end())
    if told is None:
        return None
    line = text.count("\n", 0, match.end()) + 1
    column = match.end() - (text.rfind("\n", 0, match.end()) + 1) + 1
    return Broken(*told, line, column, cut_off=False, has_code=True)


def is_diff(text: str) -> bool:
    """Say whether a text is a change to some other text."""
    return bool(_DIFF.search(text))


def is_prompted(text: str) -> bool:
    """Say whether a function in a text stands behind an interpreter's prompts."""
    return bool(_PROMPTED.search(text))


def _reason(text: str, at: int) -> tuple[str, str] | None:
    """What stands at a place where JSON cannot go on, and what to write instead."""
    character = text[at : at + 1]
    before = text[max(0, at - 200) : at].rstrip()
    if character and character in _TYPOGRAPHIC:
        name = f"U+{ord(character):04X}, {unicodedata.name(character).lower()}"
        return f"it has typographic quotes ({name})", 'Write plain " around keys and texts.'
    if text[max(0, at - 2) : at + 1] == '"""' and before[:-2].rstrip()[-1:] == ":":
        fix = 'Write " around the code, and \\n for its line breaks.'
        return "a text stands in triple quotes, as in Python", fix
    if '"""' in text[max(0, at - 2) : at + 3]:
        return "a quote inside the code is not escaped", _ESCAPE_QUOTES
    if character and character in "}]" and before[-1:] == ",":
        return f"there is a comma before the closing {character}", "Leave the last comma out."
    for pattern, reason, fix in _MISTAKES:
        if pattern.match(text, at):
            return reason, fix
    return None


def of_code(code: str) -> tuple[str, str] | None:
    """Why code that was taken from a reply may not parse, and what to write instead; None where nothing is known."""
    if re.search(r"&(?:gt|lt|amp|quot|#39|#x27);", code):
        return "it is escaped for HTML, as in &gt; for >", "Write <, >, & and quotes as they are."
    if "\n" not in code.strip() and r"\n" in code:
        return "its line breaks are escaped twice, so that it is one line", "Write \\n once in the JSON string."
    if is_diff(code):
        return "it is a change (search and replace) and no code of its own", "Answer with the whole function."
    if is_prompted(code):
        return "it stands behind the prompts of an interpreter (>>>)", "Write the code without prompts."
    return None
