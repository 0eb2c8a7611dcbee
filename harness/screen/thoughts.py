"""The parts of a reply in which a reasoning model thinks aloud: what stands in them is a draft."""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

_TAG = r"(?:\w{1,8}:|ant)?(?:think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad|draft)"
#: What begins and ends a thought: tags of several models, and the channels of the harmony format.
_MARK = re.compile(
    rf"<(?P<end>/?)(?P<tag>{_TAG})\b[^<>\n]{{0,40}}>"
    r"|(?P<open>\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|channel\|>(?:analysis|commentary)\b|\Aanalysis(?=[A-Z]))"
    r"|(?P<shut>\[/THINK\]|◁/think▷|<\|END_THINKING\|>|assistantfinal"
    r"|(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>final(?: ?<\|constrain\|>\w+)?<\|message\|>|<\|end\|>)",
    re.IGNORECASE,
)
_KINDS = {"[": "bracket", "◁": "triangle", "<|START_T": "command", "<|END_THI": "command"}
_MOST_MARKS = 1000
#: What chat models end a text with, where whoever asked them left it in.
_END = re.compile(
    r"(?:<\|(?:return|im_end|eo[tm](?:_id)?|end|end_?of_?(?:text|turn)(?:_token)?)\|>|</s>|<eos>|<end_of_turn>"
    r"|<\uff5cend\u2581of\u2581sentence\uff5c>)\Z",
    re.IGNORECASE,
)
_LONGEST_END = 30


class Thoughts(NamedTuple):
    """A reply without its thoughts, letter for letter, and whether the last of them has no end."""

    rest: str
    unclosed: bool


def begins_with_thought(text: str) -> bool:
    """Say whether the first thing in a text is the mark of a thought."""
    return bool(_MARK.match(text.lstrip()))


def without_thoughts(text: str) -> Thoughts:
    """Blank the thoughts of a reply. A beginning may be missing, since chat templates write it themselves."""
    spans, unclosed = _spans(text)
    return Thoughts(_blanked(text, spans), unclosed)


def after_thoughts(text: str) -> str:
    """What follows the last thought, in the lines where it stands; the text itself where there is none."""
    spans = [span for span in _spans(text)[0] if span[1] < len(text)]
    if not spans:
        return text
    end = spans[-1][1]
    following = text[end:]
    if "\n" not in following[: len(following) - len(following.lstrip())]:
        following = following.lstrip()  # in the line of the mark
    return "\n" * text.count("\n", 0, end) + following


def without_marks(text: str) -> str:
    """Blank the marks alone."""
    return _blanked(text, [mark.span() for mark in islice(_MARK.finditer(text), _MOST_MARKS)])


def without_end(text: str) -> str:
    """Blank the marks of the end of a text; one that ends a thought stays, for that is not cut off."""
    start = len(text.rstrip())
    while mark := _END.search(text, max(0, start - _LONGEST_END), start):
        start = len(text[: mark.start()].rstrip())
    blanked = _blanked(text, [(start, len(text))])
    return text if _spans(blanked)[1] > _spans(text)[1] else blanked


def _spans(text: str) -> tuple[list[tuple[int, int]], bool]:
    """Where thoughts begin and end, and whether the last one has no end."""
    spans: list[tuple[int, int]] = []
    begun: list[tuple[str, int]] = []
    for mark in islice(_MARK.finditer(text), _MOST_MARKS):
        kind = _kind(mark)
        if mark["open"] or (mark["tag"] and not mark["end"]):
            begun.append((kind, mark.start()))
        elif any(name == kind for name, _ in begun):
            while True:
                name, start = begun.pop()
                if name == kind:
                    break
            if not begun:
                spans.append((start, mark.end()))
        elif mark["tag"] and not begun:
            spans = [(0, mark.end())]
        elif not begun:
            spans.append(mark.span())
    if begun:
        spans.append((begun[0][1], len(text)))
    return spans, bool(begun)


def _kind(mark: re.Match[str]) -> str:
    if mark["tag"]:
        return mark["tag"].lower()
    said = mark.group().upper()
    return next((kind for begin, kind in _KINDS.items() if said.startswith(begin)), "channel")


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], re.sub(r"[^\n]", " ", text[start:end])]
        at = end
    return "".join((*parts, text[at:]))
