"""Reviews of films as a regular grammar with a latent sentiment: what the embedded source is made of.

A review is an opening that says nothing about quality, one or two remarks, and a closing. Nine templates, three of
openings, four of remarks and two of closings, have slots for words. A good review fills the slots for judgements with
praise four times in five, a bad one with blame. The language is regular, so that a text is in it or is not: there is no
score to argue about. The judgements are words that VADER knows; the others carry no sentiment there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: Words by slot. Those in capitals are judged: praise first, blame second.
PLAIN: dict[str, tuple[str, ...]] = {
    "genre": ("western", "documentary", "musical", "cartoon", "drama", "sequel", "picture", "film"),
    "when": ("yesterday", "today", "tonight", "recently", "again", "twice"),
    "place": ("home", "school", "work", "sea"),
    "who": ("sister", "uncle", "teacher", "neighbour", "colleague"),
    "maker": ("director", "studio", "author", "team"),
    "part": ("plot", "ending", "music", "script", "cast", "acting", "camera", "dialogue", "pace", "set"),
    "role": ("hero", "sailor", "detective", "robot", "nurse", "narrator"),
    "degree": ("very", "rather", "quite", "simply", "mostly"),
    "crowd": ("us", "everyone", "them", "me"),
    "unit": ("scene", "minute", "chapter", "song"),
}
JUDGED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "QUALITY": (
        ("good", "great", "brilliant", "lovely", "charming", "fun", "wonderful", "clever", "beautiful", "nice"),
        ("bad", "awful", "terrible", "boring", "weak", "poor", "ugly", "stupid", "horrible", "dull"),
    ),
    "FELT": (
        ("happy", "pleased", "amused", "delighted", "thrilled", "relaxed"),
        ("sad", "angry", "annoyed", "tired", "disappointed", "bored"),
    ),
    "DID": (("loved", "enjoyed", "liked", "admired"), ("hated", "disliked", "regretted", "dreaded")),
    "THING": (("joy", "pleasure", "treat", "success"), ("mess", "failure", "waste", "disaster")),
}
#: The templates: words as they stand, slots in angle brackets.
OPENINGS = (
    "we saw this <genre> <when> at <place> .",
    "my <who> picked a <genre> by the same <maker> .",
    "<when> i watched another <genre> with my <who> .",
)
REMARKS = (
    "the <part> was <degree> <QUALITY> .",
    "i found its <part> <QUALITY> and <QUALITY> .",
    "i <DID> the <part> .",
    "each <unit> with the <role> made <crowd> <FELT> .",
)
CLOSINGS = (
    "what a <QUALITY> <THING> !",
    "in short it is a <degree> <QUALITY> <genre> .",
)
#: How many remarks a review has; each number is as likely.
COUNTS = (1, 2)
#: Share of judgements that agree with the sentiment of their review.
AGREES = 0.8

_SLOT = re.compile(r"<(\w+)>")


def words() -> tuple[str, ...]:
    """All words of the language, sorted."""
    fixed = {w for t in (*OPENINGS, *REMARKS, *CLOSINGS) for w in t.split() if not _SLOT.fullmatch(w)}
    slots = {w for some in PLAIN.values() for w in some} | {w for two in JUDGED.values() for one in two for w in one}
    return tuple(sorted(fixed | slots))


def opening(draw: np.random.Generator) -> str:
    """Draw an opening: the prompt."""
    return _fill(OPENINGS[draw.integers(len(OPENINGS))], draw, praise=0.5)


def review(draw: np.random.Generator) -> tuple[str, str]:
    """Draw a whole review as (opening, what follows it); half of all are good ones."""
    first = opening(draw)
    praise = AGREES if draw.random() < 0.5 else 1.0 - AGREES
    some = [_fill(REMARKS[draw.integers(len(REMARKS))], draw, praise) for _ in range(draw.choice(COUNTS))]
    return first, " ".join([*some, _fill(CLOSINGS[draw.integers(len(CLOSINGS))], draw, praise)])


def is_review(opening: str, rest: str) -> bool:
    """Whether these make a review of the language, exactly."""
    return _OPENING.fullmatch(opening) is not None and _REST.fullmatch(rest) is not None


def _fill(template: str, draw: np.random.Generator, praise: float) -> str:
    def word(match: re.Match[str]) -> str:
        slot = match.group(1)
        some = PLAIN[slot] if slot in PLAIN else JUDGED[slot][0 if draw.random() < praise else 1]
        return some[draw.integers(len(some))]

    return _SLOT.sub(word, template)


def _pattern(template: str) -> str:
    parts = []
    for word in template.split():
        slot = _SLOT.fullmatch(word)
        if slot is None:
            parts.append(re.escape(word))
            continue
        name = slot.group(1)
        some = PLAIN[name] if name in PLAIN else JUDGED[name][0] + JUDGED[name][1]
        parts.append("(?:" + "|".join(some) + ")")
    return " ".join(parts)


def _any(templates: tuple[str, ...]) -> str:
    return "(?:" + "|".join(_pattern(t) for t in templates) + ")"


_OPENING = re.compile(_any(OPENINGS))
_REST = re.compile(f"(?:{_any(REMARKS)} ){{{COUNTS[0]},{COUNTS[-1]}}}{_any(CLOSINGS)}")
