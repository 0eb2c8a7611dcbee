"""The step that answers: questions of one or more turns, put to a trained model or to what its training began with.

`questions.jsonl` in the job's data is the host's: on each line `id`, `turns`, `temperature` (0: the likeliest token
each time), `tokens` (the most of an answer) and `plain` (the turn goes to the model as it is, in no chat template).
What was answered is kept after each batch, and a step that was killed goes on there, to the same answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.protocol.job import Progress, StepError
from harness.trainer.checkpoint import Pieces
from harness.trainer.finetune import model as models
from harness.trainer.finetune import store
from harness.trainer.finetune.asking import ends, generated
from harness.trainer.finetune.scoring import policy_of
from harness.trainer.finetune.settings import Settings
from harness.trainer.finetune.tokens import ids, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.protocol.job import Job, Say

QUESTIONS, ANSWERS = "questions.jsonl", "answers.jsonl"


@dataclass
class _Asked:
    """A question, and what was answered so far: a text, its tokens and whether it came to an end, for each turn."""

    name: str
    turns: Sequence[str]
    temperature: float
    most: int
    plain: bool
    answers: list[tuple[str, int, bool]] = field(default_factory=list)

    def prompt(self, tokenizer: Any) -> tuple[int, ...]:
        """The tokens of the next turn, with all turns before it. Raises StepError where the template fails on it."""
        if self.plain:
            return tuple(ids(self.turns[0], tokenizer))
        said = [{"role": "assistant", "content": text} for text, _, _ in self.answers]
        asked = [{"role": "user", "content": text} for text in self.turns[: len(said) + 1]]
        both = [message for pair in zip(asked, said, strict=False) for message in pair]
        try:
            return tuple(ids([*both, asked[-1]], tokenizer, asks=True))
        except Exception as error:  # a template is a program of the user's, and may fail in any way
            told = f"the question {self.name} does not fit the chat template: {' '.join(str(error).split())[:300]}"
            raise StepError(told, fault="user", remedy="mend the template, or the question") from error


def answer(job: Job, say: Say) -> Mapping[str, float]:
    """Answer all questions; leave `answers.jsonl` in `job.out`: `id`, and a list each of `turns`, `tokens`, `ended`.

    Gives `answers`, their number, and `ended`, the share of them that came to an end by themselves. Raises StepError,
    the user's, for a model without a chat template, and for questions that it cannot take in.
    """
    settings, model = Settings.of(job.settings), models.folder(job, "model")
    lines = Path(job.data) / QUESTIONS
    asked = [_read(row) for row in store.read_lines(lines)]
    tokenizer = load_tokenizer(model, conversational=not all(one.plain for one in asked), what="the questions are")
    policy, whole = policy_of(job, model, settings)
    if not whole:
        raise StepError("the weights are not finite: nothing can be asked of them", remedy="see the fine-tune's rails")
    _check_room(policy, tokenizer, asked)
    weights = sorted(Path(job.weights).glob("*")) if job.weights else []
    purpose = (job.seed, settings, store.digest([lines]), store.digest(weights), job.device)
    pieces = Pieces(Path(job.out), repr(purpose))
    known: dict[str, Any] = pieces.known("answers") or {}
    total, last = sum(len(one.turns) for one in asked), ends(policy, tokenizer)
    for turn, number, batch in _batches(asked, settings.evaluation_batch):
        key = f"{turn}-{number}"
        if key not in known:
            tokens = generated(
                policy,
                tokenizer,
                [one.prompt(tokenizer) for one in batch],
                seed=1_000_003 * job.seed + 7_919 * turn + number,
                temperature=batch[0].temperature,
                most=batch[0].most,
                device=job.device,
            )
            known[key] = [(_text(tokenizer, made), len(made), made[-1] in last) for made in tokens]
            pieces.keep("answers", known)
        for one, made in zip(batch, known[key], strict=True):
            one.answers.append(made)
        say(Progress(sum(len(one.answers) for one in asked), total, "answers"))
    store.write_lines(Path(job.out) / ANSWERS, [_row(one) for one in asked])
    pieces.clear()
    return {"answers": float(total), "ended": sum(end for one in asked for _, _, end in one.answers) / total}


def _read(row: Mapping[str, Any]) -> _Asked:
    return _Asked(str(row["id"]), row["turns"], float(row["temperature"]), int(row["tokens"]), bool(row["plain"]))


def _batches(asked: Sequence[_Asked], size: int) -> Iterator[tuple[int, int, list[_Asked]]]:
    """Turn, number of the first question, and the questions of a batch; one way of sampling in each."""
    for turn in range(max(len(one.turns) for one in asked)):
        there = [(number, one) for number, one in enumerate(asked) if len(one.turns) > turn]
        for _, alike in groupby(there, key=lambda each: (each[1].temperature, each[1].most)):
            some = list(alike)
            for start in range(0, len(some), size):
                batch = some[start : start + size]
                yield turn, batch[0][0], [one for _, one in batch]


def _check_room(policy: Any, tokenizer: Any, asked: Sequence[_Asked]) -> None:
    """Refuse questions that, with the longest answers, are more than the model takes in. Raises StepError."""
    room = getattr(policy.config.get_text_config(), "max_position_embeddings", None)
    if room is None:
        return
    for one in asked:
        # Every turn by itself has at least the tokens that it adds to a conversation.
        own = [_Asked(one.name, [turn], 0.0, 0, one.plain).prompt(tokenizer) for turn in one.turns]
        need = sum(map(len, own)) + one.most * len(one.turns)
        if need > room:
            told = f"the question {one.name} needs up to {need} tokens with its answers, and the model takes in {room}"
            raise StepError(told, fault="user", remedy="lower the tokens of an answer, or leave the question out")


def _text(tokenizer: Any, tokens: Sequence[int]) -> str:
    return str(tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()


def _row(one: _Asked) -> dict[str, Any]:
    texts, tokens, ended = (list(column) for column in zip(*one.answers, strict=True))
    return {"id": one.name, "turns": texts, "tokens": tokens, "ended": ended}
