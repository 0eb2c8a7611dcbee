"""Making untrusted text harmless: what a candidate wrote, printed, or called itself.

Every function takes any `str`, lone surrogates included, and never raises. All but the path functions
begin with `clean`, so that no format can forget it. Lengths are capped before anything else is done, so
that a megabyte costs no more than a page.
"""

from __future__ import annotations

import html as _html
import re
import unicodedata

from rich.markup import escape as _escape_markup

#: Longest name, path, sentence and block of text in a report, in characters.
NAME_CAP = 120
PATH_CAP = 500
LINE_CAP = 1000
BLOCK_CAP = 4000

# Whole escape sequences go, not only the ESC that begins them: the rest would stand there as litter. The
# patterns stop at the next beginning of one, so they take linear time. C1 forms are single characters.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
)
# Letters and symbols that are drawn as nothing although their category says otherwise.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(c) for c in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
_NEWLINES = frozenset("\u0085\u2028\u2029\r\x0b\x0c")
_REPLACEMENT = "\ufffd"


class _Table(dict[int, "str | None"]):
    """What each character becomes, worked out on first sight."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        out: str | None = char
        category = unicodedata.category(char)
        if char in _NEWLINES:
            out = "\n"
        elif char in "\n\t":
            out = char
        elif category in {"Cc", "Cf"} or char in _BLANK:  # controls, bidi, zero-width
            out = None
        elif category in {"Cs", "Cn", "Co"}:  # surrogates, non-characters, private use
            out = _REPLACEMENT
        self[code] = out
        return out


_TABLE = _Table()


def clean(text: str, cap: int = BLOCK_CAP) -> str:
    """Strip escape sequences, controls, bidi and invisible characters; cap to `cap` characters.

    Newlines and tabs stay. Characters without a meaning of their own become U+FFFD. The result is legal
    in XML 1.0 and encodes to UTF-8.
    """
    kept = text[: 4 * cap].replace("\r\n", "\n")
    kept = _ESCAPES.sub("", kept).translate(_TABLE)
    if len(kept) <= cap and len(text) <= 4 * cap:
        return kept
    return f"{kept[:cap]} ... [cut: {len(text)} characters in all]"


def one_line(text: str, cap: int = LINE_CAP) -> str:
    """Clean, with every run of white space made one space."""
    return " ".join(clean(text, cap).split())


def path(text: str) -> str:
    """Write a path on one line, each unsafe character spelt out: two paths never look the same."""
    shown = text if len(text) <= PATH_CAP else f"{text[: PATH_CAP // 2]}...{text[-PATH_CAP // 2 :]}"
    return "".join(c if _TABLE[ord(c)] == c and c not in "\n\t" else _spelt(c) for c in shown)


def _spelt(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def terminal(text: str, cap: int = LINE_CAP) -> str:
    """For a place where Rich reads markup: one line, with `[...]` taken literally."""
    return _escape_markup(one_line(text, cap))


def html(text: str, cap: int = BLOCK_CAP) -> str:
    """For HTML, as text or inside a quoted attribute."""
    return _html.escape(clean(text, cap), quote=True)


def workflow_data(text: str, cap: int = BLOCK_CAP) -> str:
    """For the message of a workflow command: one physical line whatever the text holds."""
    return clean(text, cap).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def workflow_property(text: str, cap: int = PATH_CAP) -> str:
    """For a property of a workflow command, where colon and comma end things too."""
    return workflow_data(one_line(text, cap), 4 * cap + 1000).replace(":", "%3A").replace(",", "%2C")


def markdown(text: str, cap: int = LINE_CAP) -> str:
    """For Markdown prose or a table cell, after a word of our own: nothing in it is markup or a link."""
    out = one_line(text, cap).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    out = re.sub(r"([\\`*_{}\[\]#|~$])", r"\\\1", out)
    # Mentions, references, emoji and bare addresses are found after escapes are undone: part them.
    return re.sub(r"(@|#|:|(?i:www))(?=[\w/.])", "\\1&#8203;", out)


def markdown_code(text: str, cap: int = LINE_CAP) -> str:
    """For a Markdown code span, in a table cell too."""
    out = one_line(text, cap).replace("|", "\\|") or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", out)), default=0))
    return f"{fence} {out} {fence}" if "`" in out else f"`{out}`"


def markdown_block(text: str, language: str = "", cap: int = BLOCK_CAP) -> str:
    """For a fenced block of text that cannot close its own fence."""
    out = clean(text, cap)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", out)), default=0))
    return f"{fence}{language}\n{out}\n{fence}"
