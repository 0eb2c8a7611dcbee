"""Making untrusted text harmless: what a candidate wrote, printed, or called itself.

Every function takes any `str`, lone surrogates included, and never raises. All but the path functions
begin with `clean`, so that no format can forget it. Lengths are capped before anything else is done, so
that a megabyte costs no more than a page.

Commands that hide in a log are parted, too. GitHub's runner obeys `::command::` at the beginning of a line, blanks
aside, and `##[command]` anywhere in one; Azure's agent obeys `##vso[`, TeamCity `##teamcity[`, and GitLab folds a log
at `section_start:`. Any report can become a log (`--report json=-`), so each format parts these marks: where it has
escapes, at no cost to whoever reads it, and with a blank where it has none.
"""

from __future__ import annotations

import html as _html
import re
import unicodedata

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
#: How many marks a letter may carry. Languages need up to three; a tower of them covers the lines around.
_MARKS = 4
# What makes the next word a person, an issue, a label, a milestone or an address on some code host.
_SIGILS = re.compile(r"((?:[@#:]|www)(?=[\w/.])|(?:[!~%$^]|&amp;|\bGH-)(?=[\w\"]))", re.IGNORECASE)
# What begins a command of a log's. The blanks before it may be coloured. A wrapped text begins lines wherever it
# likes, so this has to be asked of the lines as they are printed.
_AT_START = re.compile(r"^((?:[^\S\n]|\x1b\[[0-9;]*m)*):(?=:)", re.MULTILINE)
_SECTION = re.compile(r"(section_(?:start|end))(?=:)", re.IGNORECASE)
# What follows a piece of a line is not known yet; in a whole text only these are commands.
_HASHES, _COMMANDS = re.compile("#(?=#)"), re.compile(r"#(?=#[^\s\[]*\[)")


class _Table(dict[int, "str | None"]):
    """What each character becomes, worked out on first sight; `line_end` is what ends a line that nobody laid out."""

    def __init__(self, line_end: str) -> None:
        super().__init__()
        self._line_end = line_end

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        out: str | None = char
        category = unicodedata.category(char)
        if char in _NEWLINES:
            out = self._line_end
        elif char in "\n\t":
            out = char
        elif category in {"Cc", "Cf"} or char in _BLANK:  # controls, bidi, zero-width
            out = None
        elif category in {"Cs", "Cn", "Co"}:  # surrogates, non-characters, private use
            out = _REPLACEMENT
        self[code] = out
        return out


_TABLE, _PIECES = _Table("\n"), _Table(" ")


def clean(text: str, cap: int = BLOCK_CAP) -> str:
    """Strip escape sequences, controls, bidi and invisible characters; cap to `cap` characters.

    Newlines and tabs stay. Characters without a meaning of their own become U+FFFD. The result is legal
    in XML 1.0 and encodes to UTF-8.
    """
    kept = text[: 4 * cap].replace("\r\n", "\n")
    kept = _settled(_ESCAPES.sub("", kept).translate(_TABLE))
    if len(kept) <= cap and len(text) <= 4 * cap:
        return kept
    return f"{kept[:cap]} ... [cut: {len(text)} characters in all]"


def _settled(text: str) -> str:
    """Drop combining marks that stand on nothing of the text's own, or are more than a letter carries."""
    if text.isascii():
        return text
    kept, room = [], 0
    for char in text:
        if unicodedata.category(char) in {"Mn", "Me"}:
            room -= 1
            if room < 0:
                continue
        else:
            room = 0 if char.isspace() else _MARKS
        kept.append(char)
    return "".join(kept)


def one_line(text: str, cap: int = LINE_CAP) -> str:
    """Clean, with every run of white space made one space."""
    return " ".join(clean(text, cap).split())


def piece(text: str) -> str:
    r"""Clean, of any length, and a line end only where a plain one was: for pieces of what is laid out already."""
    return _settled(_ESCAPES.sub("", text).translate(_PIECES))


def path(text: str) -> str:
    """Write a path on one line, whatever is not a plain letter spelt out.

    No two paths of up to `PATH_CAP` characters look the same, letters of other alphabets that are drawn
    like Latin ones included, and none reorders what stands beside it.
    """
    shown = text if len(text) <= PATH_CAP else f"{text[: PATH_CAP // 2]}...{text[-PATH_CAP // 2 :]}"
    out = "".join(_spelt_word(word) for word in re.split(r"(\w+)", shown))
    return re.sub(r"(?<= ) |^ | $", r"\\x20", out)


def name(text: str) -> str:
    """Write what a candidate calls itself, as a path is written."""
    return path(one_line(text, NAME_CAP))


def _spelt_word(word: str) -> str:
    if word.isascii() and word.isprintable() and "\\" not in word:
        return word
    from harness.core.look_alike import look_alike  # noqa: PLC0415 - ordinary names do without it

    # Its complaints are about letters; the ASCII ones among them stay in any case.
    suspect = not word.isascii() and bool(look_alike(word))
    return "".join(c if _is_plain(c) and (c.isascii() or not suspect) else _spelt(c) for c in word)


def _is_plain(char: str) -> bool:
    if char.isascii():
        return char.isprintable() and char != "\\"
    return (
        char.isalpha()
        and _TABLE[ord(char)] == char
        and unicodedata.normalize("NFKC", char) == char
        and unicodedata.bidirectional(char) == "L"
    )


def _spelt(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def terminal(text: str, cap: int = LINE_CAP) -> str:
    """For a place where Rich reads markup: one line, with `[...]` taken literally."""
    from rich.markup import escape  # noqa: PLC0415 - slow to import, and needed when a report is shown

    return escape(one_line(text, cap))


def html(text: str, cap: int = BLOCK_CAP) -> str:
    """For HTML, as text or inside a quoted attribute."""
    return part_in_markup(_html.escape(clean(text, cap), quote=True))


def workflow_data(text: str, cap: int = BLOCK_CAP) -> str:
    """For the message of a workflow command: one physical line whatever the text holds."""
    return part_commands(clean(text, cap)).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def workflow_property(text: str, cap: int = PATH_CAP) -> str:
    """For a property of a workflow command, where colon and comma end things too."""
    return workflow_data(one_line(text, cap), 4 * cap + 1000).replace(":", "%3A").replace(",", "%2C")


def markdown(text: str, cap: int = LINE_CAP) -> str:
    """For Markdown prose or a table cell, after a word of our own: nothing in it is markup or a link."""
    out = one_line(text, cap).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    out = re.sub(r"([\\`*_{}\[\]#|~$])", r"\\\1", out)
    # Mentions, references, emoji and bare addresses are found after escapes are undone: part them.
    return _SIGILS.sub(r"\1&#8203;", out)


def markdown_code(text: str, cap: int = LINE_CAP) -> str:
    """For a Markdown code span, in a table cell too."""
    # A backslash before the one that escapes a bar would undo it in GitHub's tables.
    out = part_commands(one_line(text, cap)).replace("\\|", "\\ |").replace("|", "\\|") or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", out)), default=0))
    return f"{fence} {out} {fence}" if "`" in out else f"`{out}`"


def markdown_block(text: str, language: str = "", cap: int = BLOCK_CAP) -> str:
    """For a fenced block of text that cannot close its own fence."""
    out = clean(text, cap)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", out)), default=0))
    return f"{fence}{language}\n{out}\n{fence}"


def markdown_quote(text: str, language: str = "", cap: int = BLOCK_CAP) -> str:
    """For a fenced block of a stranger's text: nobody takes a line of it for a command of theirs either."""
    # GitLab looks for its quick actions (`/close`) with a simpler idea of fences, in which a longer one ends early.
    out = re.sub("`(?=``)", "` ", re.sub(r"(?m)^(?=/)", " ", part_commands(clean(text, cap))))
    return markdown_block(out, language, len(out))


def part_commands(lines: str, *, program: bool = False) -> str:
    """For plain text of one line or many, as it will be printed. Comments of a whole `program` stay as they were."""
    hashes = _COMMANDS if program else _HASHES
    return _SECTION.sub(r"\1 ", hashes.sub("# ", _AT_START.sub(r"\1: ", lines)))


def part_in_json(document: str) -> str:
    r"""For a JSON document: `##` stands in its strings only, and `#\u0023` is the same string."""
    return document.replace("##", "#\\u0023")


def part_in_markup(text: str) -> str:
    """For the texts and attributes of HTML or XML: references stand for the same characters."""
    return text.replace("##", "#&#35;").replace("::", ":&#58;")
