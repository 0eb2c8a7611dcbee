"""Commands that hide in a log.

GitHub's runner obeys `::command::` at the beginning of a line, blanks aside, and `##[command]` anywhere in
one; Azure's agent obeys `##vso[`, TeamCity `##teamcity[`, and GitLab folds a log at `section_start:`. Any report
can become a log (`--report json=-`), so each format parts these marks: where it has escapes, at no cost
to whoever reads it, and with a blank where it has none.
"""

from __future__ import annotations

import re

# The blanks before it may be coloured. A wrapped text begins lines wherever it likes, so this has to be asked
# of the lines as they are printed.
_AT_START = re.compile(r"^((?:[^\S\n]|\x1b\[[0-9;]*m)*):(?=:)", re.MULTILINE)
_SECTION = re.compile(r"(section_(?:start|end))(?=:)", re.IGNORECASE)
# What follows a piece of a line is not known yet; in a whole text only these are commands.
_HASHES, _COMMANDS = re.compile("#(?=#)"), re.compile(r"#(?=#[^\s\[]*\[)")


def part(lines: str, *, program: bool = False) -> str:
    """For plain text of one line or many, as it will be printed. Comments of a whole `program` stay as they were."""
    hashes = _COMMANDS if program else _HASHES
    return _SECTION.sub(r"\1 ", hashes.sub("# ", _AT_START.sub(r"\1: ", lines)))


def part_in_json(document: str) -> str:
    r"""For a JSON document: `##` stands in its strings only, and `#\u0023` is the same string."""
    return document.replace("##", "#\\u0023")


def part_in_markup(text: str) -> str:
    """For the texts and attributes of HTML or XML: references stand for the same characters."""
    return text.replace("##", "#&#35;").replace("::", ":&#58;")
