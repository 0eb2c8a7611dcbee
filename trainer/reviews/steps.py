"""The three steps of controlled generation: what `Task` asks for."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from harness.core.digests import json_digest
from harness.core.files import remove_halves
from harness.protocol.job import Progress
from harness.trainer.reviews import evaluate
from harness.trainer.reviews.fit import Kept, fit
from harness.trainer.reviews.model import load_weights, save_weights
from harness.trainer.reviews.prepared import Prepared, open_prepared, prepare
from harness.trainer.reviews.settings import Settings
from harness.trainer.reviews.store import read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.protocol.job import Job, Say
    from harness.trainer.reviews.model import Model
    from harness.trainer.tasks import PairLoss

#: Questions that a point of the learning curve is measured on.
_ASKED = 32


def train(job: Job, loss: PairLoss, say: Say) -> Mapping[str, float]:
    """Train one policy for each beta: see `Task.train`. Raises StepError.

    `finite` is the share of trainings that stayed finite, `stable_steps` the fewest steps that one of them did before
    its loss or a gradient was not finite (all of them where that never happened), `steps` how many there were to do,
    `lowest_margin` the lowest rho of a pair in nats that the loss was asked for. Of the embedded source, `reward@STEP`
    is the learning curve: the mean reward over the betas after so many steps, on the first few questions, up to where
    the first of the trainings broke off.
    """
    settings = Settings.of(job.settings)
    prepared = open_prepared(job, settings)
    kept = Kept(prepared.material.train, *prepared.recall("train"))
    fitted = []
    remove_halves(Path(job.out))
    for number, beta in enumerate(settings.betas):
        policy = prepared.world.reference().train()
        done = fit(
            policy,
            kept,
            loss,
            settings,
            beta,
            seed=job.seed,
            path=Path(job.out) / f"checkpoint-{number}.safetensors",
            purpose=json_digest([job.seed, beta, asdict(settings), prepared.world.digests]),
            say=_one_of(say, number, len(settings.betas)),
            worth=_worth(prepared, job.seed),
        )
        fitted.append(done)
        if done.finite:
            save_weights(policy, weights_path(job.out, number), beta=repr(beta))
        else:
            write_tensors({"steps": torch.tensor(done.steps)}, weights_path(job.out, number), lost=repr(beta))
    for number in range(len(settings.betas)):
        (Path(job.out) / f"checkpoint-{number}.safetensors").unlink(missing_ok=True)
    return {
        "finite": sum(f.finite for f in fitted) / len(fitted),
        "stable_steps": float(min(f.steps for f in fitted)),
        "steps": float(fitted[0].total),
        "lowest_margin": min(f.lowest for f in fitted),
        "seconds_per_step": sum(f.seconds_per_step for f in fitted) / len(fitted),
        **_curve([f.rewards for f in fitted]),
    }


def _worth(prepared: Prepared, seed: int) -> Callable[[Model], float] | None:
    """The reward of a policy on a few questions; None where it takes another large model to tell."""
    if prepared.settings.source != "grammar":
        return None
    few = replace(prepared.material, questions=prepared.material.questions[:_ASKED])

    def worth(policy: Model) -> float:
        given = evaluate.answers(policy, few, prepared.world, prepared.settings, seed)
        return float(prepared.world.rewards(few.questions, given).mean())

    return worth


def _curve(rewards: Sequence[Mapping[int, float]]) -> dict[str, float]:
    """The mean curve of several trainings, as far as all of them have come."""
    shared = [step for step in rewards[0] if all(step in one for one in rewards)]
    return {f"reward@{step}": sum(one[step] for one in rewards) / len(rewards) for step in shared}


def score(job: Job, say: Say) -> Mapping[str, float]:
    """Score the policies of all betas: see `Task.score`, and `evaluate.together` for the metrics. Raises StepError."""
    settings = Settings.of(job.settings)
    prepared = open_prepared(job, settings)
    return evaluate.together(
        {
            beta: _score_one(job, prepared, number, _one_of(say, number, len(settings.betas)))
            for number, beta in enumerate(settings.betas)
        },
        prepared.before,
    )


def weights_path(folder: str, number: int) -> Path:
    """Where the policy of the beta of that number lies, or the word that its training was not finite."""
    return Path(folder) / f"policy-{number}.safetensors"


def _score_one(job: Job, prepared: Prepared, number: int, say: Say) -> dict[str, float]:
    path = weights_path(job.weights, number)
    if "lost" in read_tensors(path, "train again")[1]:
        return evaluate.lost(prepared.before)
    say(Progress(0, 1, "answers the questions"))
    policy, reference = prepared.world.reference(), prepared.world.reference()
    load_weights(policy, path)
    return evaluate.score(
        policy,
        reference,
        prepared.material,
        prepared.recall("held"),
        prepared.answers,
        prepared.before,
        prepared.world,
        prepared.settings,
        job.seed,
    )


def _one_of(say: Say, number: int, count: int) -> Say:
    """Progress of one of several trainings as progress of all."""

    def told(progress: Progress, /) -> None:
        total = progress.total * count
        say(Progress(number * progress.total + progress.done, total, progress.what, progress.curve))

    return told


__all__ = ["prepare", "score", "train", "weights_path"]
