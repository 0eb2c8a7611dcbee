"""Single scores in the manner of MT-Bench (Zheng and others, arXiv 2306.05685): 1 to 10 for each turn of each question.

Questions and prompts are the user's files; none are shipped. The first turn is judged by itself, the second with the
conversation before it; mathematics, reasoning and coding against reference answers. Two differences from the published
script, both against hostile answers: a reply with several ratings counts by its last line, and not by the first rating
(a judge may quote an answer), and lines that mark the end of an answer are taken out of answers.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import UserError
from harness.llm.quoting import defused, last_line, markers
from harness.llm_judge.questions import FIELDS, fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.llm.request import Reply, Request
    from harness.llm_judge.judge import Judge
    from harness.llm_judge.questions import Prompt, Question

#: Categories that are judged against reference answers.
REFERENCED = frozenset({"math", "reasoning", "coding"})
_RATING = re.compile(r"\[\[(\d{1,2}(?:\.\d+)?)\]\]")
_BARE = re.compile(r"(?:rating|score)\W{0,6}\[(\d{1,2}(?:\.\d+)?)\]", re.IGNORECASE)
_HOW = "End it with a line of this form, and nothing after it: Rating: [[5]]"


@dataclass(frozen=True)
class Scores:
    """What the judge gave. `ratings` are (question, turn, rating), None where no reply could be read.

    `score` is the mean of all ratings, as MT-Bench reports it; `turns` and `categories` are means of parts. `defused`
    counts marks that were taken out of answers: more than 0 means that somebody should look at them.
    """

    ratings: tuple[tuple[str, int, float | None], ...]
    score: float
    turns: tuple[float, ...]
    categories: tuple[tuple[str, float], ...]
    excluded: int
    defused: int
    replies: int
    nonsense: int
    prompt_tokens: int
    completion_tokens: int
    models: tuple[str, ...]


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
    ratings = [
        (str(question.question_id), turn + 1, value)
        for (question, turn), value in zip(asked, heard.values, strict=True)
    ]
    by_turn: dict[int, list[float]] = defaultdict(list)
    by_category: dict[str, list[float]] = defaultdict(list)
    for (question, turn), value in zip(asked, heard.values, strict=True):
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
        replies=heard.replies,
        nonsense=heard.nonsense,
        prompt_tokens=heard.prompt_tokens,
        completion_tokens=heard.completion_tokens,
        models=heard.models,
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
        if len(reference) <= turn:
            raise UserError(f"question {name} ({question.category}) has no reference answer for turn {turn + 1}")
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
    """The rating of a whole reply, from 1 to 10: on its last line, or the same one wherever there is one."""
    if reply.finish not in {"stop", ""}:
        return None
    last = last_line(reply.text)
    found = _RATING.findall(last) or _RATING.findall(reply.text) or _BARE.findall(last)
    if len(set(found)) > 1:
        return None
    value = float(found[0]) if found else 0.0
    return value if 1.0 <= value <= 10.0 else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
