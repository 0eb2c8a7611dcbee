"""Pairwise win rate: each pair of answers is judged in both orders, so that a taste for a position cancels out.

A prompt counts 1 where the judge prefers ours in both orders, 0 where it prefers theirs, and the mean of both verdicts
in between (a tie counts a half). `weighted` reads the judge's probabilities of its first token instead of its verdict,
as AlpacaEval 2 does: one token a call, and an endpoint that gives log-probabilities.

Pairs are brought together from two files of JSON lines, or from one that holds both. There `prompt` is a text or a list
of chat messages, `answer` a text; `instruction` and `output` are other names of the two. `reference` is another model's
answer to the same prompt, `row` (or `id`) what the prompt is known by; without it, it is known by its text. Anything
else on a line is left alone. `samples.jsonl` of a fine-tune has this form.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import InfrastructureError, UserError
from harness.core.files import text_of
from harness.llm.quoting import RULE, fenced, last_line, word_for
from harness.llm_judge.judge import Calls
from harness.llm_judge.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.llm.request import Reply, Request
    from harness.llm_judge.judge import Heard, Judge


_TASK = "You compare two answers, A and B, to the same instruction. "
#: What a judge is to look at. Of the second, "precise and concise", the field's comparisons of summaries have come.
CRITERIA = {
    "helpful": "Judge how well each does what is asked for: whether it is correct, helpful, complete and clear. "
    "Neither the order of the answers nor their length is a merit. ",
    "concise": "Both are summaries. Judge which of them says better what matters most in the text, without what does "
    "not matter or is not there: a good summary is precise and concise. The order of the answers is no merit. ",
}
_LETTER = "Reply with one letter and nothing else: A if answer A is better, B if answer B is better."
_VERDICT = (
    "End your reply with a line that holds your verdict and nothing else: [[A]] if answer A is better, [[B]] if answer "
    "B is better, [[C]] if they are equally good."
)
#: As in Arena-Hard: much better counts three times as much as better.
_FIVE = (
    "End your reply with a line that holds your verdict and nothing else: [[A>>B]] if answer A is much better, [[A>B]] "
    "if it is better, [[A=B]] if they are about equally good, [[B>A]] if answer B is better, [[B>>A]] if it is much "
    "better."
)
_WORDS = {"A": 1.0, "B": 0.0, "C": 0.5, "A>>B": 1.0, "A>B": 2 / 3, "A=B": 0.5, "B>A": 1 / 3, "B>>A": 0.0}
_LINE = re.compile(
    r"(?:(?:my |the )?(?:final )?(?:verdict|judge?ment|answer|choice)(?: is)?[\s:*]*)?\[\[(\S{1,4})\]\]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Form:
    """How a pair is judged: by which of `CRITERIA`, and by verdicts of three ("pairs") or five words ("arena")."""

    criterion: str = "helpful"
    weighted: bool = False
    five: bool = False

    @property
    def how(self) -> str:
        """What a reply has to end with."""
        return _LETTER if self.weighted else _FIVE if self.five else _VERDICT

    def read(self, reply: Reply) -> float | None:
        """How much the first answer is preferred, in [0, 1]; None where the reply does not say."""
        return _probability(reply) if self.weighted else _verdict(reply, five=self.five)


#: Prompts that a message names.
_NAMED = 3


@dataclass(frozen=True)
class Pair:
    """Two answers to one instruction: of the model that is judged, and of the one it is held against."""

    name: str
    instruction: str
    ours: str
    theirs: str


@dataclass(frozen=True)
class Outcome(Calls):
    """What the judge thinks of all pairs.

    `preferences` has a value in [0, 1] for each pair in order, None where a reply was unreadable in either order.
    `win_rate` is their mean with its 95 % interval over prompts (Student's t; nothing is said of other trainings).
    `wins` and `losses` are pairs on which both orders agree, `ties` all others; `consistent` is the share of pairs
    with the same verdict in both orders, `first` the mean verdict for whichever answer came first (.5: no bias).
    """

    preferences: tuple[float | None, ...]
    win_rate: float
    low: float
    high: float
    wins: int
    losses: int
    ties: int
    excluded: int
    identical: int
    consistent: float
    first: float

    def effects(self) -> tuple[float, ...]:
        """For each pair that was judged, 2 preference - 1, in [-1, 1]: what a gate for prompts takes."""
        return tuple(2.0 * value - 1.0 for value in self.preferences if value is not None)


def compare(judge: Judge, pairs: Sequence[Pair], form: Form = Form()) -> Outcome:
    """Judge all pairs in both orders. Pairs of the same text are ties, and are not asked about.

    Raises UserError for no pairs, names that are there twice, an empty instruction, and an endpoint without
    log-probabilities where they are needed; else as `Judge.hear`.
    """
    _check(pairs)
    differing = [number for number, pair in enumerate(pairs) if pair.ours != pair.theirs]
    requests = [_request(judge, pairs[n], swapped, form) for n in differing for swapped in (False, True)]
    heard = judge.hear(requests, form.read, form.how)
    both = list(zip(heard.values[::2], heard.values[1::2], strict=True))
    preferences: list[float | None] = [0.5] * len(pairs)
    for number, (straight, swapped) in zip(differing, both, strict=True):
        preferences[number] = None if straight is None or swapped is None else (straight + 1.0 - swapped) / 2.0
    if (lost := preferences.count(None)) > judge.manner.most_excluded * max(judge.planned / 2.0, len(pairs)):
        raise InfrastructureError(
            f"the judge {judge.manner.model} left {lost} of {len(pairs)} pairs without a verdict in both orders",
            remedy="choose a judge that keeps to the form; the recording has what it said",
        )
    whole = [(a, b) for a, b in both if a is not None and b is not None]
    return _outcome(preferences, whole, heard, len(pairs) - len(differing))


def _check(pairs: Sequence[Pair]) -> None:
    if not pairs:
        raise UserError("there are no pairs of answers to judge")
    if twice := [name for name, count in Counter(pair.name for pair in pairs).items() if count > 1]:
        raise UserError(f"the pair {twice[0]!r} is there twice")
    if empty := [pair.name for pair in pairs if not pair.instruction.strip()]:
        raise UserError(f"the pair {empty[0]!r} has no instruction")


def _request(judge: Judge, pair: Pair, swapped: bool, form: Form) -> Request:  # noqa: FBT001 - private
    first, second = (pair.theirs, pair.ours) if swapped else (pair.ours, pair.theirs)
    word = word_for((pair.instruction, pair.ours, pair.theirs))
    texts = (("instruction", pair.instruction), ("answer A", first), ("answer B", second))
    user = "\n\n".join([*(fenced(label, text, word) for label, text in texts), form.how])
    system = f"{_TASK}{CRITERIA[form.criterion]}{RULE.format(word=word)}"
    return judge.request(system, user, top=5 if form.weighted else 0, most_tokens=1 if form.weighted else None)


def _verdict(reply: Reply, *, five: bool = False) -> float | None:
    """How much the first answer is preferred, by the last line of the reply alone."""
    if reply.finish not in {"stop", ""}:
        return None  # cut off: whatever stands at its end is no conclusion
    found = _LINE.fullmatch(last_line(reply.text))
    word = "" if found is None else found[1].upper()
    return _WORDS.get(word) if five == (len(word) > 1) else None


def _probability(reply: Reply) -> float | None:
    """The share of the letter A in the probability of both letters."""
    if not reply.top:
        raise UserError("the judge's endpoint gives no log-probabilities", remedy="judge by verdicts: weighted=False")
    weight = {"A": 0.0, "B": 0.0}
    for token, logprob in reply.top:
        if (letter := token.strip().upper()) in weight:
            weight[letter] += math.exp(min(logprob, 0.0))
    total = sum(weight.values())
    return weight["A"] / total if total > 0.0 else None


def _outcome(
    preferences: list[float | None], whole: list[tuple[float, float]], heard: Heard[float], identical: int
) -> Outcome:
    judged = np.array([value for value in preferences if value is not None])
    low, high = _interval(judged)
    wins = sum(a > 0.5 > b for a, b in whole)
    losses = sum(a < 0.5 < b for a, b in whole)
    return Outcome(
        preferences=tuple(preferences),
        win_rate=float(judged.mean()) if judged.size else math.nan,
        low=low,
        high=high,
        wins=wins,
        losses=losses,
        ties=len(judged) - wins - losses,
        excluded=sum(value is None for value in preferences),
        identical=identical,
        consistent=sum((a > 0.5) == (b < 0.5) and (a < 0.5) == (b > 0.5) for a, b in whole) / len(whole)
        if whole
        else 1.0,
        first=float(np.mean(whole)) if whole else 0.5,
        **heard.calls(),
    )


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    from scipy import stats  # noqa: PLC0415 - takes a second to import

    if values.size < 2:
        return 0.0, 1.0
    half = float(stats.t.ppf(0.975, values.size - 1)) * float(values.std(ddof=1)) / math.sqrt(values.size)
    mean = float(values.mean())
    return max(mean - half, 0.0), min(mean + half, 1.0)


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    role: str
    content: str


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    prompt: str | list[_Message] = Field(validation_alias=AliasChoices("prompt", "instruction"))
    answer: str = Field(validation_alias=AliasChoices("answer", "output"))
    reference: str | None = None
    row: int | str | None = Field(default=None, validation_alias=AliasChoices("row", "id"))


@dataclass(frozen=True)
class Completion:
    """One answer. `name` is what the prompt is known by."""

    name: str
    instruction: str
    answer: str
    reference: str | None = None


def read_file(path: Path, shown: Shown | None = None) -> list[Completion]:
    """The answers of a file. Raises UserError for a file that cannot be read, or is none; see `read_lines`."""
    data = (shown or Shown()).load(path, "the file of answers", remedy="name a file of answers, or a run")
    return read_lines(data, str(path))


def read_lines(data: bytes, where: str) -> list[Completion]:
    """The answers of a text. Raises UserError for a line that is none, a prompt that comes twice, and an empty text."""
    lines = text_of(data, where).split("\n")
    out: dict[str, Completion] = {}
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        one = _completion(text, f"line {number} of {where}")
        if one.name in out:
            raise UserError(f"line {number} of {where} has the prompt {one.name[:80]!r} once more")
        out[one.name] = one
    if not out:
        raise UserError(f"{where} holds no answers", remedy='a line is {"prompt": "...", "answer": "..."}')
    return list(out.values())


def _completion(text: str, where: str) -> Completion:
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        part = ".".join(str(part) for part in first["loc"][:1])
        raise UserError(
            f"{where} is no answer: {part or 'line'}: {first['msg']}",
            remedy='a line is {"prompt": "...", "answer": "..."}',
        ) from error
    instruction = line.prompt if isinstance(line.prompt, str) else _conversation(line.prompt)
    name = instruction if line.row is None else str(line.row)
    return Completion(name, instruction, line.answer, line.reference)


def _conversation(messages: Sequence[_Message]) -> str:
    """Messages as one text; a single one of a user is its content."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    return "\n\n".join(f"{one.role}: {one.content}" for one in messages)


def against(ours: Sequence[Completion], theirs: Sequence[Completion]) -> list[Pair]:
    """Two models' answers to the same prompts. Raises UserError where the prompts are not the same."""
    other = {one.name: one for one in theirs}
    missing = [one.name for one in ours if one.name not in other]
    extra = sorted(set(other) - {one.name for one in ours})
    for who, names in (("second", missing), ("first", extra)):
        if names:
            shown = ", ".join(repr(name[:60]) for name in names[:_NAMED])
            raise UserError(
                f"{len(names)} prompts have no answer in the {who} file: {shown}",
                remedy="judge answers to the same prompts",
            )
    for one in ours:
        if one.instruction != other[one.name].instruction:
            raise UserError(f"the prompt {one.name[:60]!r} is not the same in both files")
    return [Pair(one.name, one.instruction, one.answer, other[one.name].answer) for one in ours]


def against_reference(ours: Sequence[Completion]) -> list[Pair]:
    """Answers against the `reference` on the same lines. Raises UserError where a line has none."""
    pairs = []
    for one in ours:
        if one.reference is None:
            raise UserError(
                f"the answer to {one.name[:60]!r} has no reference", remedy="name a second file to hold it against"
            )
        pairs.append(Pair(one.name, one.instruction, one.answer, one.reference))
    return pairs
