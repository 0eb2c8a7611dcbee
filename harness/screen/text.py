"""Checks on a candidate's characters, before or without parsing."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

#: Control characters that ordinary text files contain: tab, line feed, form feed, carriage return.
_PLAIN_CONTROLS = "\t\n\f\r"
#: Unicode categories that show nothing or reorder what is shown: controls, formats, private use,
#: surrogates, line and paragraph separators.
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
#: Letters and marks that show nothing though their category does not say so.
_HIDDEN_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:#[^\r\n]*)?(?:\r\n|\r|\n|$)")
_UTF8_NAMES = {"utf-8", "utf8", "u8", "utf", "utf-8-unix", "utf_8"}
_MOST = 20


class Complaint(NamedTuple):
    """What the screen has against a candidate: a rule's id, a sentence, where, and what to change."""

    rule: str
    message: str
    line: int = 0
    column: int = 0
    fix: str | None = None


def check_bytes(data: bytes) -> Complaint | None:
    """Say why a file is no plain UTF-8 text. Its characters are looked at where it is known which of them run."""
    if not data.strip():
        return Complaint("S101", "The file is empty.")
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return Complaint("S102", "The file begins with a byte order mark.", 1, 1)
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode("utf-8", "replace"))
        byte = data[error.start]
        return Complaint("S102", f"The byte 0x{byte:02x} is not valid UTF-8.", line, column)
    return _nul(text)


def check_source(text: str) -> list[Complaint]:
    """Look at a file of Python: the encoding that it declares, and its characters."""
    return _cookies(text.encode("utf-8")) + check_text(text)


def check_text(text: str) -> list[Complaint]:
    """Look for NUL, invisible and reordering characters in what is going to run."""
    nul = _nul(text)
    found = [] if nul is None else [nul]
    if text.isascii() and text.isprintable():
        return found
    for match in re.finditer(r"[\x01-\x08\x0b\x0e-\x1f\x7f]|[^\x00-\x7f]", text):
        character = match.group()
        if unicodedata.category(character) in _HIDDEN_CATEGORIES or character in _HIDDEN_LETTERS:
            name = unicodedata.name(character, "control character")
            place = _place(text[: match.start()])
            found.append(Complaint("S111", f"There is a hidden character, U+{ord(character):04X} ({name}).", *place))
            if len(found) >= _MOST:
                break
    return found


def _nul(text: str) -> Complaint | None:
    if "\0" not in text:
        return None
    return Complaint("S102", "The text contains a NUL character.", *_place(text[: text.index("\0")]))


def _cookies(data: bytes) -> list[Complaint]:
    """Check the first two lines for a declared encoding, as Python looks for it."""
    rest = data
    for number in (1, 2):
        match = _COOKIE.match(rest)
        if match:
            coding = match.group(1).decode("ascii", "replace").lower()
            if coding.replace("_", "-") not in _UTF8_NAMES:
                return [Complaint("S103", f"The text declares the encoding {coding}.", number, 1)]
            return []
        blank = _BLANK.match(rest)
        if not blank:
            return []
        rest = rest[blank.end() :]
    return []


def _place(before: str) -> tuple[int, int]:
    """Give the line and column, from 1, of what follows `before`."""
    lines = re.split(r"\r\n|\r|\n", before)
    return len(lines), len(lines[-1]) + 1
