"""Single scores in the manner of MT-Bench (Zheng and others, arXiv 2306.05685): 1 to 10 for each turn of each question.

Questions, prompts of the judge, answers and reference answers are the user's files, in JSON lines; none are shipped.
The first turn is judged by itself, the second with the conversation before it; mathematics, reasoning and coding
against reference answers. Two differences from the published script, both against hostile answers: a reply with several
ratings counts by its last line, and not by the first rating (a judge may quote an answer), and lines that mark the end
of an answer are taken out of answers.
"""

from __future__ import annotations

import re
import string
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import UserError
from harness.core.files import text_of
from harness.llm.quoting import defused, last_line, markers
from harness.llm_judge.judge import Calls
from harness.llm_judge.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.llm.request import Reply, Request
    from harness.llm_judge.judge import Judge


_LOOSE = ConfigDict(extra="ignore", frozen=True)
#: The fields that a prompt of each name may have, by whether it is about the second turn.
FIELDS = {
    False: frozenset({"question", "answer", "ref_answer_1", "ref_answer_2"}),
    True: frozenset({"question_1", "question_2", "answer_1", "answer_2", "ref_answer_1", "ref_answer_2"}),
}
M = TypeVar("M", bound=BaseModel)
#: Question, turn from 1, and the rating; None where no reply could be read.
Rating: TypeAlias = tuple[str, int, float | None]
#: Categories that are judged against reference answers.
REFERENCED = frozenset({"math", "reasoning", "coding"})
_RATING = re.compile(r"\[\[(\d{1,2}(?:\.\d+)?)\]\]")
_BARE = re.compile(r"(?:rating|score)\W{0,6}\[(\d{1,2}(?:\.\d+)?)\]", re.IGNORECASE)
_HOW = "End it with a line of this form, and nothing after it: Rating: [[5]]"


class Question(BaseModel):
    """One question of one or two turns; `reference` holds an answer for each turn where there are any."""

    model_config = _LOOSE
    question_id: int | str
    category: str = "general"
    turns: tuple[str, ...] = Field(min_length=1, max_length=2)
    reference: tuple[str, ...] = ()


class Prompt(BaseModel):
    """One of the judge's prompts. Only those of type "single" are used."""

    model_config = _LOOSE
    name: str
    type: str
    system_prompt: str
    prompt_template: str
    output_format: str


class _Choice(BaseModel):
    model_config = _LOOSE
    turns: tuple[str, ...] = Field(min_length=1)


class _Answer(BaseModel):
    model_config = _LOOSE
    question_id: int | str
    choices: tuple[_Choice, ...] = Field(min_length=1)


def read_questions(path: Path, shown: Shown | None = None) -> tuple[Question, ...]:
    """All questions. Raises UserError for a file that holds none, or one of them twice."""
    return tuple(_unique(path, _lines(path, Question, shown), lambda one: str(one.question_id)).values())


def read_prompts(path: Path, shown: Shown | None = None) -> dict[str, Prompt]:
    """The judge's prompts by name. Raises UserError as the others do."""
    return _unique(path, _lines(path, Prompt, shown), lambda one: one.name)


def read_answers(path: Path, shown: Shown | None = None) -> dict[str, tuple[str, ...]]:
    """By question, the turns of a model's first answer; reference answers have the same form."""
    found = _unique(path, _lines(path, _Answer, shown), lambda one: str(one.question_id))
    return {name: answer.choices[0].turns for name, answer in found.items()}


def fill(template: str, values: dict[str, str]) -> str:
    """A template with its fields filled in; what is filled in is not looked at for fields again.

    Raises UserError for a field that has no value: nothing but plain names is a field.
    """
    parts = []
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise UserError(f"a prompt's template cannot be read: {error}") from error
    for literal, field, spec, conversion in pieces:
        parts.append(literal)
        if field is None:
            continue
        if field not in values or spec or conversion:
            raise UserError(f"a prompt's template has the field {field!r}, and there is: {', '.join(sorted(values))}")
        parts.append(values[field])
    return "".join(parts)


def _lines(path: Path, kind: type[M], shown: Shown | None) -> list[M]:
    what = f"the file of {_words(kind)}s"
    data = (shown or Shown()).load(path, what, remedy=f"name a file with a {_words(kind)} a line")
    text, found = text_of(data, f"{what} {path}"), []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UserError(
                f"line {number} of {path} is no {_words(kind)}: {where or 'line'}: {first['msg']}",
                remedy=f"mend that line: the file has a {_words(kind)} a line, as JSON",
            ) from error
    if not found:
        raise UserError(f"{path} is empty")
    return found


def _words(kind: type[BaseModel]) -> str:
    return kind.__name__.strip("_").lower()


def _unique(path: Path, found: list[M], key: Callable[[M], str]) -> dict[str, M]:
    out: dict[str, M] = {}
    for one in found:
        if key(one) in out:
            raise UserError(f"{path} has {key(one)!r} twice")
        out[key(one)] = one
    return out


@dataclass(frozen=True)
class Scores(Calls):
    """What the judge gave.

    `score` is the mean of all ratings, as MT-Bench reports it; `turns` and `categories` are means of parts. `defused`
    counts marks that were taken out of answers: more than 0 means that somebody should look at them.
    """

    ratings: tuple[Rating, ...]
    score: float
    turns: tuple[float, ...]
    categories: tuple[tuple[str, float], ...]
    excluded: int
    defused: int


def rate(
    judge: Judge,
    questions: Sequence[Question],
    prompts: Mapping[str, Prompt],
    answers: Mapping[str, tuple[str, ...]],
    references: Mapping[str, tuple[str, ...]] | None = None,
) -> Scores:
    """Rate the answers to all questions. `answers` and `references` have a text for each turn, by question.

    A question's own reference is used where `references` has none. All of it is checked before anything is asked.
    Raises UserError for prompts, answers or references that are missing; else as `Judge.hear`.
    """
    if not questions:
        raise UserError("there are no questions")
    asked: list[tuple[Question, int]] = [(one, turn) for one in questions for turn in range(len(one.turns))]
    requests, count = [], 0
    for question, turn in asked:
        request, found = _request(judge, question, turn, prompts, answers, references or {})
        requests.append(request)
        count += found
    heard = judge.hear(requests, _rating, _HOW)
    ratings = []
    by_turn: dict[int, list[float]] = defaultdict(list)
    by_category: dict[str, list[float]] = defaultdict(list)
    for (question, turn), value in zip(asked, heard.values, strict=True):
        ratings.append((str(question.question_id), turn + 1, value))
        if value is not None:
            by_turn[turn].append(value)
            by_category[question.category].append(value)
    return Scores(
        ratings=tuple(ratings),
        score=_mean([value for values in by_turn.values() for value in values]),
        turns=tuple(_mean(by_turn[turn]) for turn in sorted(by_turn)),
        categories=tuple((name, _mean(by_category[name])) for name in sorted(by_category)),
        excluded=heard.excluded,
        defused=count,
        **heard.calls(),
    )


def check(questions: Sequence[Question], prompts: Mapping[str, Prompt]) -> None:
    """See that there is a prompt for each turn, and a reference answer where one is needed. Raises UserError."""
    for question in questions:
        for turn in range(len(question.turns)):
            _prompt(prompts, question, turn)
            _check_reference(question, turn, question.reference)


def _check_reference(question: Question, turn: int, reference: Sequence[str]) -> None:
    if question.category in REFERENCED and len(reference) <= turn:
        raise UserError(
            f"question {question.question_id} ({question.category}) has no reference answer for turn {turn + 1}",
            remedy="name a file of reference answers, such as MT-Bench's reference_answer/gpt-4.jsonl",
        )


def _request(
    judge: Judge,
    question: Question,
    turn: int,
    prompts: Mapping[str, Prompt],
    answers: Mapping[str, tuple[str, ...]],
    references: Mapping[str, tuple[str, ...]],
) -> tuple[Request, int]:
    name = str(question.question_id)
    given = answers.get(name, ())
    if len(given) <= turn:
        raise UserError(f"question {name} has no answer for turn {turn + 1}")
    prompt = _prompt(prompts, question, turn)
    marks = markers(prompt.prompt_template)
    safe = [defused(text, marks) for text in given[: turn + 1]]
    values = {f"answer_{n}": text for n, (text, _) in enumerate(safe, 1)}
    values |= {f"question_{n}": text for n, text in enumerate(question.turns[: turn + 1], 1)}
    if turn == 0:
        values |= {"answer": values["answer_1"], "question": values["question_1"]}
    if question.category in REFERENCED:
        reference = references.get(name, question.reference)
        _check_reference(question, turn, reference)
        values |= {f"ref_answer_{n}": text for n, text in enumerate(reference, 1)}
    used = {field: text for field, text in values.items() if field in FIELDS[turn > 0]}
    count = sum(found for _, found in safe)
    return judge.request(prompt.system_prompt, fill(prompt.prompt_template, used)), count


def _prompt(prompts: Mapping[str, Prompt], question: Question, turn: int) -> Prompt:
    name = f"single{'-math' if question.category in REFERENCED else ''}-v1{'-multi-turn' if turn else ''}"
    if name not in prompts:
        raise UserError(f"the judge's prompts have no {name!r}", remedy="take judge_prompts.jsonl of MT-Bench")
    prompt = prompts[name]
    if prompt.type != "single" or prompt.output_format != "[[rating]]":
        raise UserError(f"the prompt {name!r} does not ask for a single [[rating]]")
    return prompt


def _rating(reply: Reply) -> float | None:
    """The rating of a whole reply, from 1 to 10, by its last line alone: before it, a judge may quote an answer."""
    if reply.finish not in {"stop", ""}:
        return None
    last = last_line(reply.text)
    found = _RATING.findall(last) or _BARE.findall(last)
    if len(set(found)) > 1:
        return None
    value = float(found[0]) if found else 0.0
    return value if 1.0 <= value <= 10.0 else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
