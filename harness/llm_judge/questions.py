"""MT-Bench's files, in JSON lines: questions, prompts of the judge, answers, reference answers."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import UserError
from harness.core.files import LINES, load_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LOOSE = ConfigDict(extra="ignore", frozen=True)
#: The fields that a prompt of each name may have, by whether it is about the second turn.
FIELDS = {
    False: frozenset({"question", "answer", "ref_answer_1", "ref_answer_2"}),
    True: frozenset({"question_1", "question_2", "answer_1", "answer_2", "ref_answer_1", "ref_answer_2"}),
}


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


M = TypeVar("M", bound=BaseModel)


def read_questions(path: Path) -> tuple[Question, ...]:
    """All questions. Raises UserError for a file that holds none, or one of them twice."""
    return tuple(_unique(path, _lines(path, Question), lambda one: str(one.question_id)).values())


def read_prompts(path: Path) -> dict[str, Prompt]:
    """The judge's prompts by name. Raises UserError as the others do."""
    return _unique(path, _lines(path, Prompt), lambda one: one.name)


def read_answers(path: Path) -> dict[str, tuple[str, ...]]:
    """By question, the turns of a model's first answer; reference answers have the same form."""
    found = _unique(path, _lines(path, _Answer), lambda one: str(one.question_id))
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


def _lines(path: Path, kind: type[M]) -> list[M]:
    text = load_text(path, LINES, f"the file of {_words(kind)}s", remedy=f"name a file with a {_words(kind)} a line")
    found = []
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
