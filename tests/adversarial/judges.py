"""What a few cases have to show beyond a verdict and what was told."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import inputs

from harness.core.result import CheckReport, CheckResult
from harness.report.formats import Format, write

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSIONS = {
    hashlib.sha256(inputs.HONEST).hexdigest(): ("accepted", "sign 1.0"),
    hashlib.sha256(inputs.INVERTED).hexdigest(): ("rejected", "sign -1.0"),
}
#: What may be in a report as it is, of all that shows nothing or reorders what is shown.
_PLAIN = {"\n", "\t"}
#: What a browser and a build server act on: the one anywhere, the other at the beginning of a line.
_LIVE = {Format.HTML: ("<script>alert", "<img src=x")} | dict.fromkeys(
    (Format.TEXT, Format.GITHUB), ("\n::set-output", "\n##vso", "\n##[group]")
)


def fits_its_hash(result: CheckResult) -> str:
    """The text that was judged, in every fork, is the one whose hash is told; and the file was swapped."""
    if Path(result.path).stem not in inputs.SWAPPED:
        return "nobody swapped the file"
    if result.sha256 not in _VERSIONS:
        return f"neither text has the hash {result.sha256}"
    word, sign = _VERSIONS[result.sha256]
    printed = set(result.output.splitlines())
    if result.verdict.word != word or printed != {sign}:
        return f"the text of this hash is to be {word} and prints {sign}: {result.verdict.word}, {printed}"
    return ""


def reports_are_plain(result: CheckResult) -> str:
    """No report, in any format, has a character in it that a reader would act on."""
    report = CheckReport("2026.1", 0, (result,))
    for format_ in Format:
        text = write(report, format_)
        acted_on = {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - _PLAIN
        if acted_on:
            return f"the report as {format_} has the characters {acted_on!r}"
        live = [words for words in _LIVE.get(format_, ()) if words in f"\n{text}"]
        if live:
            return f"the report as {format_} has {live}"
        if format_ is Format.JUNIT:
            ET.fromstring(text)  # noqa: S314 - it is ours, and an error is what is looked for
    return ""


JUDGES: dict[str, Callable[[CheckResult], str]] = {
    "11_swapped_when_opened": fits_its_hash,
    "11_swapped_all_the_time": fits_its_hash,
    "11_rewritten_all_the_time": fits_its_hash,
    "28_terminal_sequences": reports_are_plain,
    "28_binary": reports_are_plain,
    "28_commands_for_others": reports_are_plain,
    "28_hostile_message": reports_are_plain,
}
