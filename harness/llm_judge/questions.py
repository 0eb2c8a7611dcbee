"""Question sets and other models' answers to them, in the forms in which they are published; the files are the user's.

| set | a question | somebody's answers |
|---|---|---|
| MT-Bench | `question_id`, `category`, `turns` of text, `reference` | `question_id`, `choices` with `turns` of text |
| Arena-Hard | the same with `turns` of `{"content": ...}`; or `uid`, `prompt` | the same; or `uid`, `messages` |
| AlpacaEval 2 | `instruction`, a list or lines; its `output` is a model's answer | `instruction`, `output` |
| TL;DR | `id`, `subreddit`, `title`, `post`; the `summary` there is a person's answer | |
| any other | `prompt` (a text), `id` or `row`, `reference` or `answer` | `prompt`, `answer` |

JSON lines, or one list of objects.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from harness.core.errors import UserError
from harness.core.files import json_of, text_of
from harness.llm_judge.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_LOOSE = ConfigDict(extra="ignore", frozen=True)
#: As the set's own prompts are written.
_SUMMARY = "SUBREDDIT: r/{subreddit}\n\nTITLE: {title}\n\nPOST: {post}\n\nTL;DR:"
#: The largest number for a question: what is fitted to larger ones is no figure.
_MOST = 1e6
#: Most turns of a question.
MOST_TURNS = 2


@dataclass(frozen=True)
class AskedQuestion:
    """One question of one or two turns; `output` is the answer to each turn that the set's own file has, if it does.

    `reference` is what the judge is told to be right, for each turn. `known` is the question's number or name as the
    set has it, None where there is none; `form` is that of the set's answers: "choices", "instruction" or "prompt".
    """

    name: str
    turns: tuple[str, ...]
    category: str = "general"
    reference: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    known: int | str | None = None
    form: str = "prompt"

    def answered(self, texts: Sequence[str], model: str) -> dict[str, Any]:
        """A model's answer to each turn, as a line of the set's own form."""
        if self.form == "choices":
            said = [{"index": 0, "turns": list(texts)}]
            return {"question_id": self.known, "model_id": model, "choices": said}
        if self.form == "instruction":
            return {"instruction": self.turns[0], "output": texts[0], "generator": model}
        return {"id": self.name if self.known is None else self.known, "prompt": self.turns[0], "answer": texts[0]}


def _turns(value: object) -> object:
    """Turns of text, or objects with the text as `content`."""
    if not isinstance(value, list):
        return value
    return [each.get("content") if isinstance(each, dict) else each for each in value]


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


#: A number or a name; true is neither.
_Id: TypeAlias = StrictInt | StrictStr | None
_Texts = Annotated[tuple[str, ...], BeforeValidator(_turns)]


class _Choice(BaseModel):
    model_config = _LOOSE
    turns: _Texts = Field(min_length=1)


class _Row(BaseModel):
    model_config = _LOOSE
    question_id: _Id = None
    uid: _Id = None
    id: _Id = None
    row: _Id = None
    category: str = "general"
    turns: Annotated[_Texts, Field(min_length=1, max_length=MOST_TURNS)] | None = None
    instruction: str | None = None
    prompt: str | None = None
    subreddit: str | None = None
    title: str = ""
    post: str | None = None
    reference: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    output: str | None = None
    answer: str | None = None
    summary: str | None = None
    choices: Annotated[tuple[_Choice, ...], Field(min_length=1)] | None = None
    messages: list[dict[str, Any]] | None = None

    def known(self) -> int | str | None:
        """What the set calls the question; None where it is known by its text alone."""
        return next((each for each in (self.question_id, self.uid, self.id, self.row) if each is not None), None)

    def name(self) -> str | None:
        """The same as a text."""
        known = self.known()
        return None if known is None else str(known)

    def form(self) -> str:
        """The form of the set's answers; see `AskedQuestion`."""
        if self.question_id is not None or self.uid is not None:
            return "choices"
        return "instruction" if self.instruction is not None else "prompt"

    def asked(self) -> tuple[str, ...] | None:
        """The turns, whatever the set calls them; None where it has none."""
        if self.turns is not None:
            return self.turns
        if self.post is not None:
            return (_SUMMARY.format(subreddit=self.subreddit or "", title=self.title, post=self.post),)
        text = self.instruction if self.instruction is not None else self.prompt
        return None if text is None else (text,)

    def answered(self) -> tuple[str, ...] | None:
        """Somebody's answer to each turn; None where the line has none."""
        if self.choices is not None:
            return self.choices[0].turns
        if self.messages is not None:
            return (
                tuple(_said(one.get("content", "")) for one in self.messages if one.get("role") == "assistant") or None
            )
        for text in (self.output, self.answer, self.summary):
            if text is not None:
                return (text,)
        return None


def _said(content: object) -> str:
    """The text of a message: as it is, or the `answer` that newer files of Arena-Hard wrap it in."""
    return str(content.get("answer", "")) if isinstance(content, dict) else str(content)


def read_questions(path: Path, shown: Shown | None = None) -> tuple[AskedQuestion, ...]:
    """All questions of a file. Raises UserError for what is none, an empty one, and one that comes twice."""
    out: dict[str, AskedQuestion] = {}
    for where, row in _rows(path, "the file of questions", shown):
        turns = row.asked()
        if not turns or not all(text.strip() for text in turns):
            told = f"{where} has no question: turns, instruction, prompt or post"
            raise UserError(told, remedy="give the question file of MT-Bench, Arena-Hard, AlpacaEval or TL;DR")
        name = row.name() or turns[0]
        if name in out:
            raise UserError(f"{where} has the question {name[:80]!r} once more", remedy="leave one of the two out")
        own = row.answered() or ()
        own = own if len(own) == len(turns) else ()
        out[name] = AskedQuestion(name, turns, row.category, row.reference, own, row.known(), row.form())
    return tuple(out.values())


def read_outputs(path: Path, asked: Sequence[AskedQuestion], shown: Shown | None = None) -> dict[str, tuple[str, ...]]:
    """Somebody's answers by question, one for each turn. Raises UserError where one is missing, or comes twice.

    A line belongs to the question of its id, or of its text where it has none. Answers to other questions are left
    alone: published files answer whole sets.
    """
    by_name, by_text = {one.name: one.name for one in asked}, {one.turns[0]: one.name for one in asked}
    out: dict[str, tuple[str, ...]] = {}
    for where, row in _rows(path, "the file of answers", shown):
        said, turns = row.answered(), row.asked()
        if said is None:
            raise UserError(f"{where} has no answer: choices, messages, output, answer or summary")
        known = row.name()
        name = by_name.get(known) if known is not None else None
        if name is None and turns:
            name = by_text.get(turns[0])
        if name is None:
            continue
        if name in out:
            raise UserError(f"{where} answers the question {name[:80]!r} once more", remedy="leave one of the two out")
        out[name] = said
    for one in asked:
        if len(out.get(one.name, ())) < len(one.turns):
            told = f"{path} has no answer to turn {len(out.get(one.name, ())) + 1} of the question {one.name[:80]!r}"
            raise UserError(told, remedy="give a file that answers all questions")
    return {name: said[: len(one.turns)] for one in asked for name, said in [(one.name, out[one.name])]}


def with_references(asked: Sequence[AskedQuestion], path: Path, shown: Shown | None = None) -> list[AskedQuestion]:
    """The questions with what a file of reference answers (MT-Bench's form) has for some of them."""
    names = {one.name for one in asked}
    found: dict[str, tuple[str, ...]] = {}
    for where, row in _rows(path, "the file of reference answers", shown):
        said, name = row.answered(), row.name()
        if said is None:
            raise UserError(f"{where} has no answer: choices, messages, output, answer or summary")
        if name in names:
            found[str(name)] = said
    return [replace(one, reference=found.get(one.name, one.reference)) for one in asked]


def numbers_of(path: Path, asked: Sequence[AskedQuestion], shown: Shown | None = None) -> dict[str, float]:
    """A number for each question, from a JSON object by name or text, or a list in the questions' order.

    Raises UserError where one is missing or is no finite number.
    """
    data = (shown or Shown()).load(path, "the file of numbers", remedy="name a JSON file with one number a question")
    found = json_of(data, str(path))
    if isinstance(found, list) and len(found) == len(asked):
        found = {one.name: value for one, value in zip(asked, found, strict=True)}
    if not isinstance(found, dict):
        raise UserError(f"{path} is no object of numbers, nor a list of {len(asked)}")
    out = {}
    for one in asked:
        value = found.get(one.name, found.get(one.turns[0]))
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= _MOST:
            told = f"{path} has no number for the question {one.name[:80]!r}"
            raise UserError(told, remedy=f"numbers from -{_MOST:g} to {_MOST:g}")
        out[one.name] = float(value)
    return out


def _rows(path: Path, what: str, shown: Shown | None) -> Iterator[tuple[str, _Row]]:
    data = (shown or Shown()).load(path, what, remedy="name a file of JSON lines, or of one JSON list")
    text = text_of(data, f"{what} {path}")
    if text.lstrip().startswith("["):
        listed = json_of(text, str(path))
        each: list[tuple[str, str]] = [(f"entry {n} of {path}", json.dumps(one)) for n, one in enumerate(listed, 1)]
    else:
        each = [(f"line {n} of {path}", line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not each:
        raise UserError(f"{path} is empty", remedy=f"name {what}")
    for where, line in each:
        try:
            yield where, _Row.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            part = ".".join(str(key) for key in first["loc"] if isinstance(key, (str, int)))
            told = f"{where} is none of {what}: {part or 'line'}: {first['msg']}"
            raise UserError(told, remedy="mend that line: each is a JSON object") from error


def summed_length(texts: Sequence[str]) -> int:
    """Characters of all turns together."""
    return sum(map(len, texts))


def as_conversation(turns: Sequence[str], said: Mapping[int, str] | Sequence[str]) -> tuple[str, str]:
    """Instruction and answer of a question of several turns, as one text each for whoever compares pairs."""
    if len(turns) == 1:
        return turns[0], said[0]
    asked = "\n\n".join(f"turn {n}: {text}" for n, text in enumerate(turns, 1))
    return asked, "\n\n".join(f"to turn {n}: {said[n - 1]}" for n in range(1, len(turns) + 1))
