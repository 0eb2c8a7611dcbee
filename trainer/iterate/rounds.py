"""The data of a round: instructions, several answers to each, the ranker's order of them, and pairs made of that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.core.files import LINES, read_bytes
from harness.protocol.job import Progress, StepError
from harness.trainer.iterate.settings import FILE
from harness.trainer.reviews import texts
from harness.trainer.reviews.embedded import Words, is_opening
from harness.trainer.reviews.model import sample
from harness.trainer.reviews.store import read_tensors, write_tensors
from harness.trainer.reviews.texts import Pairs, Tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

    from harness.protocol.job import Job, Say
    from harness.trainer.checkpoint import Pieces
    from harness.trainer.iterate.settings import Settings
    from harness.trainer.reviews.embedded import Embedded
    from harness.trainer.reviews.model import Model

#: Most tokens of an instruction: a model of the embedded source has that much room for it.
_LONGEST = 16
#: The stream of random numbers that instructions are drawn from; the reviews' own end at 24.
_INSTRUCTIONS = 31
_PAIRS = "pairs.safetensors"


@dataclass(frozen=True)
class Answered:
    """N instructions, and several sets of N answers to them."""

    prompts: Tokens
    answers: tuple[Tokens, ...]


def answered(job: Job, settings: Settings, world: Embedded, policy: Model, pieces: Pieces, say: Say) -> Answered:
    """Have the policy answer the instructions of a round. Raises StepError (the user's) for a file of no use."""
    noise = 100_003 * job.seed + 1_009 * job.round
    prompts = tuple(map(tuple, pieces.get("instructions", lambda: _instructions(job, settings, world, policy, noise))))
    many = []
    for number in range(settings.answers):
        say(Progress(number, settings.answers, "answers the instructions"))

        def one(number: int = number) -> Tokens:
            # 0 is the noise of the instructions.
            seed = noise + 1 + number
            return sample(
                policy, prompts, most=settings.answer, end=world.end, seed=seed, temperature=settings.temperature
            )

        many.append(tuple(map(tuple, pieces.get(f"answers-{number}", one))))
    return Answered(prompts, tuple(many))


def _instructions(job: Job, settings: Settings, world: Embedded, policy: Model, noise: int) -> Tokens:
    words, count = Words(), settings.prompts
    if settings.instructions == "file":
        given = read_instructions(Path(job.inputs[FILE]), words)
        order = np.random.Generator(np.random.PCG64([job.seed, _INSTRUCTIONS, job.round])).permutation(len(given))
        return tuple(given[i] for i in order[:count])
    drawn = world.openings(job.seed, count, _INSTRUCTIONS + job.round)
    if settings.instructions == "corpus":
        return drawn
    # Self-instruct: from the first word on the policy writes them itself; what it writes that is none is dropped.
    firsts = tuple(prompt[:1] for prompt in drawn)
    (stop,) = words.encode(".")
    rests = sample(policy, firsts, most=_LONGEST - 1, end=stop, seed=noise)
    written = (first + rest for first, rest in zip(firsts, rests, strict=True))
    return tuple(prompt for prompt in written if is_opening(words.decode(prompt)))


def read_instructions(path: Path, words: Words) -> Tokens:
    """The instructions of a user's file, a JSON line each with a text under `prompt`. Raises StepError (the user's)."""
    found = []
    try:
        lines = read_bytes(path, LINES, links=True).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise StepError(f"the instructions cannot be read: {error}", fault="user", remedy="see to the file") from error
    for number, line in enumerate(lines, 1):
        try:
            prompt = words.encode(json.loads(line)["prompt"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            what = f"line {number} of the instructions is none: {type(error).__name__}: {error}"
            remedy = 'lines as {"prompt": "we saw this western today at home ."}, in words of the grammar'
            raise StepError(what, fault="user", remedy=remedy) from error
        if not 0 < len(prompt) <= _LONGEST:
            what = f"line {number} of the instructions has {len(prompt)} words"
            raise StepError(what, fault="user", remedy=f"give 1 to {_LONGEST}")
        found.append(prompt)
    return tuple(found)


def scores(world: Embedded, settings: Settings, given: Answered) -> NDArray[np.float64]:
    """The ranker's score of every answer, shape (sets, N): its reward, and the taste for each of its tokens."""
    rewards = np.array([world.rewards(given.prompts, some) for some in given.answers])
    return rewards + settings.taste * lengths(given)


def lengths(given: Answered) -> NDArray[np.float64]:
    """Tokens of every answer, shape (sets, N)."""
    return np.array([[float(len(a)) for a in some] for some in given.answers])


def preferred(given: Answered, ranked: NDArray[np.float64], tie: float) -> Pairs:
    """Of each prompt the best answer against the worst one, where their scores differ by `tie` at least."""
    best, worst = ranked.argmax(axis=0), ranked.argmin(axis=0)
    every = np.arange(ranked.shape[1])
    kept = np.flatnonzero(ranked[best, every] - ranked[worst, every] >= max(tie, 1e-9)).tolist()
    parts = (
        tuple(given.prompts[i] for i in kept),
        tuple(given.answers[best[i]][i] for i in kept),
        tuple(given.answers[worst[i]][i] for i in kept),
    )
    return Pairs(*parts)


def must_do(given: Answered, pairs: Pairs, settings: Settings) -> None:
    """Refuse a first round that nobody can learn from: no loss has been asked yet. Raises StepError (the user's)."""
    if len(pairs) >= settings.batch:
        return
    count = len(given.prompts)
    equal = sum(len(set(several)) == 1 for several in zip(*given.answers, strict=True))
    tied = count - equal - len(pairs)
    if equal and equal >= tied:
        why, remedy = f"all answers are equal, to {equal} of {count} instructions", "raise `temperature`"
    elif tied:
        why = f"the ranker ties on {tied} of {count} instructions"
        remedy = "lower `tie`, or give the ranker something to tell answers apart by"
    else:
        why, remedy = f"there are {count} instructions", "raise `prompts` or `warm_steps`, or lower `batch`"
    told = f"round 1 gives {len(pairs)} pairs, and a batch takes {settings.batch}"
    raise StepError(f"{why}: {told}", fault="user", remedy=remedy)


def write_pairs(folder: Path, pairs: Pairs, chosen: torch.Tensor, rejected: torch.Tensor) -> None:
    """Write pairs with the reference's log-probabilities of both parts, shape (N,). Raises StepError."""
    tensors = {"chosen": chosen, "rejected": rejected}
    for name in ("prompts", "chosen", "rejected"):
        tensors |= texts.pack(f"pairs.{name}", getattr(pairs, name))
    write_tensors(tensors, folder / _PAIRS)


def read_pairs(folder: Path) -> tuple[Pairs, torch.Tensor, torch.Tensor]:
    """What `write_pairs` wrote. Raises StepError."""
    tensors, _ = read_tensors(folder / _PAIRS)
    pairs = Pairs(*(texts.unpack(f"pairs.{name}", tensors) for name in ("prompts", "chosen", "rejected")))
    return pairs, tensors["chosen"], tensors["rejected"]


def agreement(chosen: torch.Tensor, rejected: torch.Tensor) -> float:
    """Share of pairs that the reference orders as the ranker does, by its log-probabilities of whole answers."""
    return float((chosen > rejected).double().mean()) if len(chosen) else 0.0


def longer(pairs: Pairs) -> float:
    """Share of pairs whose chosen answer is the longer one."""
    more: Sequence[bool] = [len(c) > len(r) for c, r in zip(pairs.chosen, pairs.rejected, strict=True)]
    return sum(more) / len(more) if more else 0.0
