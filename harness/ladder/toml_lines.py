"""Where something stands in a TOML file: tomllib tells lines of wrong spelling alone."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    #: Keys, and places in arrays.
    Path = Sequence[str | int]

_TOLD = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
#: What may be open at the end of a line inside of an array.
_CLOSERS = ("", "\n]", "\n]]", "\n}]", "\n]}", "\n]}]")


def line_of(text: str, path: Path) -> int:
    """The line, from 1, on which what `path` leads to begins; that of the nearest table around it where it is missing.

    The file is read line by line from its top: the first line after which the path leads anywhere is the one.
    """
    lines = text.split("\n")
    for long in range(len(path), 0, -1):
        for count in range(1, len(lines) + 1):
            if any(_leads(_read("\n".join(lines[:count]) + closer), path[:long]) for closer in _CLOSERS):
                return count
    return 1


def misspelt(text: str, error: tomllib.TOMLDecodeError) -> tuple[int, str]:
    """The line of what tomllib cannot read, and what is wrong with it."""
    told = str(error)
    found = _TOLD.search(told)
    line = int(found[1]) if found is not None and found[1] else text.count("\n") + 1
    return line, _TOLD.sub("", told)


def _read(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _leads(document: Any, path: Path) -> bool:
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True
