"""The four steps of iterative preference optimization: what `Task` asks for, `sample` before each training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.core.digests import json_digest
from harness.core.files import remove_halves
from harness.protocol.job import Progress, StepError
from harness.trainer.checkpoint import Pieces
from harness.trainer.iterate import rounds
from harness.trainer.iterate.settings import Settings
from harness.trainer.reviews import texts
from harness.trainer.reviews.embedded import WEIGHTS, Embedded, small_model
from harness.trainer.reviews.fit import Kept, fit
from harness.trainer.reviews.model import all_log_probs, divergences, load_weights, save_weights
from harness.trainer.reviews.model import sample as answers_to
from harness.trainer.reviews.store import digest_file, read_facts, read_tensors, write_facts, write_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from harness.protocol.job import Job, Say
    from harness.trainer.reviews.model import Model
    from harness.trainer.reviews.texts import Tokens
    from harness.trainer.tasks import PairLoss

_ABOUT = "about.json"
_QUESTIONS = "questions.safetensors"
_CHECKPOINT = "checkpoint.safetensors"


def prepare(job: Job, say: Say) -> Mapping[str, float]:
    """Teach a model the language, and draw the questions of the evaluation: see `Task.prepare`. Raises StepError."""
    settings, folder = Settings.of(job.settings), Path(job.out)
    world = Embedded(settings, folder, job.device)
    pieces = Pieces(folder, _purpose(job, settings))
    world.learned(job.seed, say, pieces)
    questions = world.questions(job.seed)
    write_tensors(texts.pack("questions", questions), folder / _QUESTIONS)
    files = {name: digest_file(folder / name) for name in (WEIGHTS, _QUESTIONS)}
    write_facts({"files": files, "prepared_for": _purpose(job, settings)}, folder / _ABOUT)
    pieces.clear()
    return {"questions": float(len(questions))}


def sample(job: Job, say: Say) -> Mapping[str, float]:
    """Make the pairs of a round with the policy of the round before: see `Task.sample`.

    `agreement` is AIPO's own quantity: the share of pairs that reference and ranker order alike, the reference being
    the policy that gave the answers. `chosen_longer` is the share whose chosen answer is the longer one. Raises
    StepError, the user's where the first round gives less than a batch. Of a later round that is the loss's own doing:
    `pairs` is 0 then, and the rounds end.
    """
    settings, folder = Settings.of(job.settings), Path(job.out)
    world = _world(job, settings)
    policy = _policy(Path(job.weights), settings, job)
    pieces = Pieces(folder, json_digest([_purpose(job, settings), job.round, digest_file(Path(job.weights) / WEIGHTS)]))
    given = rounds.answered(job, settings, world, policy, pieces, say)
    say(Progress(settings.answers, settings.answers, "ranks the answers"))
    pairs = rounds.preferred(given, rounds.scores(world, settings, given), settings.tie)
    if job.round == 1:
        rounds.must_do(given, pairs, settings)
    elif len(pairs) < settings.batch:
        pairs = pairs.take(())
    reference = [all_log_probs(policy, pairs.prompts, part) for part in (pairs.chosen, pairs.rejected)]
    if not all(part.isfinite().all() for part in reference):
        raise StepError("the reference gives an answer of its own no finite log-probability")
    rounds.write_pairs(folder, pairs, *reference)
    pieces.clear()
    return {
        "pairs": float(len(pairs)),
        "agreement": rounds.agreement(*reference),
        "chosen_longer": rounds.longer(pairs),
    }


def train(job: Job, loss: PairLoss, say: Say) -> Mapping[str, float]:
    """Train the policy of the round before on the pairs of this one: see `Task.train`. Raises StepError.

    `finite`, `stable_steps`, `steps` and `lowest_margin` are those of the task reviews.
    """
    settings, out = Settings.of(job.settings), Path(job.out)
    pairs, *reference = rounds.read_pairs(Path(job.data))
    before = Path(job.weights)
    policy = _policy(before, settings, job).train()
    remove_halves(out)
    made_of = [job.seed, job.round, asdict(settings), digest_file(before / WEIGHTS)]
    done = fit(
        policy,
        Kept(pairs, *reference),
        loss,
        settings,
        settings.betas[0],
        seed=1_009 * job.seed + job.round,
        path=out / _CHECKPOINT,
        purpose=json_digest([*made_of, texts.digest(pairs.prompts, pairs.chosen, pairs.rejected)]),
        say=say,
    )
    if done.finite:
        _extrapolate(policy, _policy(before, settings, job), settings.extrapolate)
        save_weights(policy, out / WEIGHTS)
    else:
        write_tensors({"steps": torch.tensor(done.steps)}, out / WEIGHTS, lost="not finite")
    (out / _CHECKPOINT).unlink(missing_ok=True)
    return {
        "finite": float(done.finite),
        "stable_steps": float(done.steps),
        "steps": float(done.total),
        "lowest_margin": done.lowest,
        "seconds_per_step": done.seconds_per_step,
    }


def score(job: Job, say: Say) -> Mapping[str, float]:
    """Score the policies of all rounds: see `Task.score`. Raises StepError.

    Each metric of the last policy that is finite, and `METRIC@ROUND` of every one, the start being round 0. `reward`,
    `grammar` and `length` are means over the answers to the questions at temperature 1, the same noise for every
    policy; `reward_gain` and `length_growth` are held against round 0's, as difference and as ratio; `kl` is
    KL(policy || round 0), nats in an answer. `reward_at_equal_length` is what `reward` would be had the answers round
    0's mean length: the reward less the difference in mean length times the slope of reward over tokens within each of
    both policies, pooled (analysis of covariance). `rounds` says how many policies were finite; the metrics of one
    that is not are those of nothing.
    """
    settings = Settings.of(job.settings)
    world = _world(job, settings)
    tensors, _ = read_tensors(Path(job.data) / _QUESTIONS)
    questions = texts.unpack("questions", tensors)
    start = _policy(Path(job.data), settings, job)
    first = _standing(world, settings, questions, start, job.seed)
    places = sorted(Path(job.weights).glob("round-*"), key=lambda place: int(place.name.partition("-")[2]))
    told = {0: _metrics(first, first, world, questions, start, start)}
    finite = 0
    for number, place in enumerate(places, 1):
        say(Progress(number - 1, len(places), "answers the questions"))
        if "lost" in read_tensors(place / WEIGHTS, "train again")[1]:
            told[number] = _lost(told[0])
            break
        policy = _policy(place, settings, job)
        now = _standing(world, settings, questions, policy, job.seed)
        told[number] = _metrics(first, now, world, questions, policy, start)
        finite = number
    points = {f"{name}@{number}": value for number, each in told.items() for name, value in each.items()}
    return {**told[max(told)], "rounds": float(finite), **points}


class _Standing:
    """Answers to the questions, and the reward and length of each, shape (N,)."""

    def __init__(self, given: Tokens, rewards: NDArray[np.float64]) -> None:
        self.given, self.rewards = given, rewards
        self.lengths = np.array([float(len(a)) for a in given])


def _standing(world: Embedded, settings: Settings, questions: Tokens, policy: Model, seed: int) -> _Standing:
    given = answers_to(policy, questions, most=settings.answer, end=world.end, seed=7_368_787 + seed)
    return _Standing(given, world.rewards(questions, given))


def _metrics(
    first: _Standing, now: _Standing, world: Embedded, questions: Tokens, policy: Model, start: Model
) -> dict[str, float]:
    reward, length = float(now.rewards.mean()), float(now.lengths.mean())
    longer = length - float(first.lengths.mean())
    return {
        "reward": reward,
        "reward_gain": reward - float(first.rewards.mean()),
        "reward_at_equal_length": reward - longer * slope((first.lengths, first.rewards), (now.lengths, now.rewards)),
        "length": length,
        "length_growth": length / float(first.lengths.mean()),
        "grammar": float(world.grammatical(questions, now.given).mean()),
        "kl": float(divergences(policy, start, questions, now.given, world.end).policy.double().mean()),
    }


def slope(*groups: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    """The slope of the second over the first of each group, pooled within groups; 0 where the first never varies."""
    pairs = [(x - x.mean(), y - y.mean()) for x, y in groups]
    spread = sum(float(x @ x) for x, _ in pairs)
    return sum(float(x @ y) for x, y in pairs) / spread if spread > 0.0 else 0.0


def _lost(start: Mapping[str, float]) -> dict[str, float]:
    nothing = dict.fromkeys(start, 0.0)
    return nothing | {"reward_gain": -start["reward"], "kl": float("inf")}


@torch.no_grad()
def _extrapolate(policy: Model, before: Model, share: float) -> None:
    """Go on by a share of the way from the weights before to those now."""
    for now, then in zip(policy.parameters(), before.parameters(), strict=True) if share else ():
        now.add_(now - then, alpha=share)


def _policy(place: Path, settings: Settings, job: Job) -> Model:
    """The policy that lies there, in evaluation mode. Raises StepError."""
    model = small_model(settings, 0)
    load_weights(model, place / WEIGHTS)
    return model.to(job.device)


def _world(job: Job, settings: Settings) -> Embedded:
    """The prepared source. Raises StepError for what is damaged, or of another job."""
    folder = Path(job.data)
    about = read_facts(folder / _ABOUT)
    if about.get("prepared_for") != _purpose(job, settings):
        raise StepError("the data were prepared with other settings or another seed", remedy="prepare them again")
    for name, digest in about["files"].items():
        if digest_file(folder / name) != digest:
            raise StepError(f"{name} is not as it was prepared", remedy="prepare the data again")
    return Embedded(settings, folder, job.device)


def _purpose(job: Job, settings: Settings) -> str:
    return json_digest({"seed": job.seed, "device": job.device, "settings": asdict(settings)})


__all__ = ["prepare", "sample", "score", "train"]
