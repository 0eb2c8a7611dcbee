"""What a judge's rung compares: question sets, and who answered what; all of it looked at before anybody is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import InfrastructureError, UserError
from harness.core.files import LINES, load_text
from harness.ladder.judge_settings import BY_CATEGORY, OTHER_CATEGORY
from harness.llm_judge import mtbench
from harness.llm_judge.length import Compared
from harness.llm_judge.questions import numbers_of, read_outputs, read_questions, summed_length, with_references

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.ladder.judge_settings import JudgeSettings
    from harness.llm_judge.questions import AskedQuestion

#: Who answers, besides the candidate: the baseline's model, the one before training, somebody in a file of the user's.
CANDIDATE, BASELINE, START, OUTPUTS = "candidate", "baseline", "start", "outputs"


@dataclass(frozen=True)
class Sets:
    """What the user's files hold: questions, somebody's answers to them, a judge's prompts, and what else there is."""

    asked: tuple[AskedQuestion, ...]
    outputs: Mapping[str, tuple[str, ...]] | None
    prompts: Mapping[str, mtbench.Prompt]
    difficulties: Mapping[str, float]
    anchors: Sequence[Compared]


def read_sets(settings: JudgeSettings, inputs: Mapping[str, Path]) -> Sets:
    """The user's files, read and held against one another before anybody answers or is asked. Raises UserError."""
    asked: Sequence[AskedQuestion] = read_questions(inputs["questions"])
    asked = asked[: settings.questions or None]
    if "references" in inputs:
        asked = with_references(asked, inputs["references"])
    if settings.template == "none" and (several := [one.name for one in asked if len(one.turns) > 1]):
        told = f"the question {several[0]!r} has two turns, and nothing but a chat template tells them apart"
        raise UserError(told, remedy='set template = "chat", or leave questions of two turns out')
    outputs = None
    if settings.against == OUTPUTS:
        outputs = {one.name: one.output for one in asked}
        if "outputs" in inputs:
            outputs = read_outputs(inputs["outputs"], asked)
        elif missing := [name for name, texts in outputs.items() if not texts]:
            remedy = 'name a file of answers as outputs = "/a/path" in inputs.toml'
            raise UserError(f"the question {missing[0][:80]!r} has no answer of somebody else's", remedy=remedy)
    prompts = mtbench.read_prompts(inputs["prompts"]) if settings.form == "scores" else {}
    difficulties = numbers_of(inputs["difficulties"], asked) if "difficulties" in inputs else {}
    anchors = _anchors(inputs["anchors"]) if "anchors" in inputs else ()
    if settings.form == "scores":
        mtbench.check(rated(asked), prompts)
    return Sets(tuple(asked), outputs, prompts, difficulties, anchors)


class _Anchor(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    preference: float = Field(ge=0.0, le=1.0)
    ours: int = Field(ge=0, le=10**9)
    theirs: int = Field(ge=0, le=10**9)


def _anchors(path: Path) -> tuple[Compared, ...]:
    """Comparisons of an opponent with versions of itself: `{"preference", "ours", "theirs"}`, lengths in characters."""
    found = []
    for number, line in enumerate(load_text(path, LINES, "the file of anchors").split("\n"), 1):
        if not line.strip():
            continue
        try:
            one = _Anchor.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            told = f"line {number} of {path} is no anchor: {'.'.join(map(str, first['loc'])) or 'line'}: {first['msg']}"
            raise UserError(told, remedy="preferences in [0, 1], and lengths in characters") from error
        found.append(Compared(one.preference, one.ours, one.theirs))
    return tuple(found)


def rated(asked: Sequence[AskedQuestion]) -> list[mtbench.Question]:
    """The questions as whoever gives scores takes them."""
    return [
        mtbench.Question(question_id=one.name, category=one.category, turns=one.turns, reference=one.reference)
        for one in asked
    ]


@dataclass(frozen=True)
class Answered:
    """What one side answered: by question the texts of its turns; the share of answers that came to an end."""

    whose: str
    turns: Mapping[str, tuple[str, ...]]
    ended: float
    lines: bytes = b""

    def length(self, name: str) -> int:
        """Characters of all turns."""
        return summed_length(self.turns[name])

    def mean_length(self) -> float:
        """Over all questions."""
        return sum(map(self.length, self.turns)) / len(self.turns)


def read_answers(lines: bytes, asked: Sequence[AskedQuestion], whose: str) -> Answered:
    """What a container wrote, held against what was asked. Raises InfrastructureError for anything else."""
    try:
        rows = {str(row["id"]): row for row in map(json.loads, lines.decode("utf-8").splitlines())}
        turns = {one.name: tuple(map(str, rows[one.name]["turns"])) for one in asked}
        ended = [bool(end) for one in asked for end in rows[one.name]["ended"]]
        if set(rows) != set(turns) or any(len(turns[one.name]) != len(one.turns) for one in asked):
            raise ValueError("other questions, or other turns")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InfrastructureError(f"what {whose} answered cannot be read: {error}") from error
    return Answered(whose, turns, sum(ended) / len(ended), lines)


@dataclass(frozen=True)
class Sampling:
    """How answers are made; see `JudgeSettings`."""

    answer: int = 1024
    temperature: float = 0.0
    by_category: bool = False
    template: str = "chat"

    def temperature_of(self, category: str) -> float:
        """At which temperature a question of a category is answered."""
        return BY_CATEGORY.get(category, OTHER_CATEGORY) if self.by_category else self.temperature


def question_lines(asked: Sequence[AskedQuestion], sampling: Sampling) -> bytes:
    """The questions as the trainer's container takes them."""
    rows = [
        {
            "id": one.name,
            "turns": one.turns,
            "temperature": sampling.temperature_of(one.category),
            "tokens": sampling.answer,
            "plain": sampling.template == "none",
        }
        for one in asked
    ]
    return "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows).encode()
