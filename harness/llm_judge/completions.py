"""Answers to be judged, in JSON lines: a prompt and an answer each; and two such files brought together.

`prompt` is a text or a list of chat messages, `answer` a text; `instruction` and `output` are other names of the two.
`reference` is another model's answer to the same prompt, `row` (or `id`) what the prompt is known by; without it, it is
known by its text. Anything else on a line is left alone. `samples.jsonl` of a fine-tune has this form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import UserError
from harness.core.files import LINES, load_bytes, text_of
from harness.llm_judge.pairwise import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Prompts that a message names.
_NAMED = 3


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


def read_file(path: Path) -> list[Completion]:
    """The answers of a file. Raises UserError for a file that cannot be read, or is none; see `read_lines`."""
    return read_lines(
        load_bytes(path, LINES, "the file of answers", remedy="name a file of answers, or a run"), str(path)
    )


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
