"""Scores: what the trained policies return, how far they went, and whether they went too far."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.protocol.job import Progress
from harness.trainer.control import data as prepared
from harness.trainer.control import kept, training
from harness.trainer.control.environment import lanes
from harness.trainer.control.policy import sampler
from harness.trainer.control.settings import QUICK, Settings, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Job, Say
    from harness.trainer.control.data import Data
    from harness.trainer.control.environment import Lanes
    from harness.trainer.control.policy import Policy
    from harness.trainer.control.training import Run

#: Over-optimisation: pairs are ordered as labelled in more than this share, and yet the score fell by more than that.
_WELL_ORDERED, _FELL = 0.9, 0.1


@dataclass(frozen=True)
class Outcome:
    """What one run came to. A run that was not finite scores as acting at random does; the rest is NaN then.

    `kl` is the divergence from the reference over the policy's own episodes, in nats per episode; `drift` the mean
    change of the chosen trajectories' log-probabilities, in nats; `accuracy` the share of the set's pairs that the
    policy orders as they are labelled, by its log-ratios.
    """

    score: float
    middle: float
    kl: float
    drift: float
    accuracy: float

    @property
    def finite(self) -> bool:
        """Whether the training ended with finite weights."""
        return not math.isnan(self.kl)

    @property
    def went_too_far(self) -> bool:
        """Whether the score fell while the pairs were ordered better and better."""
        return self.accuracy > _WELL_ORDERED and self.score < self.middle - _FELL


def score(job: Job, say: Say) -> dict[str, float]:
    """Score the weights of a seed.

    For each preference set S: `score_S` at its best beta, `score_S_beta_B` at each beta (its point written "_"), and
    over all runs: `score` (mean of the sets' scores at their best betas), `worst` (the lowest mean of a beta over the
    sets), `sd` (over the betas, pooled over the sets), `finite`, `accuracy` (at the best betas), `kl` (the most),
    `drift` (the least), `overoptimised` (share of runs). `score@STEP` is the learning curve of `score`, in the middle
    and at the end; it is not there where a run at a best beta did not come to its end. The expert-over-reference set
    has its own `score_expert` and no part in `score`. `quick` is the quick training's score; where that one ended the
    training, `score` and `worst` are its own and nothing else is there.
    """
    settings = Settings.of(job.settings)
    source, folder = prepared.read(Path(job.data), settings, job.seed), Path(job.weights)
    first, plan, metrics = training.quick_run(settings), training.runs(settings), {}
    if first is not None:
        ended, _ = training.unpacked(kept.read_tensors(folder / f"{first.name}.safetensors"), source)
        metrics[QUICK] = quick = training.quick_score(settings, source, ended)
        if not quick >= settings.quick_least:
            return {**metrics, "score": quick, "worst": quick, "finite": float(ended is not None)}
    world, found = lanes(settings.environment), {}
    for done, run in enumerate(plan):
        weights = kept.read_tensors(folder / f"{run.name}.safetensors")
        found[run] = _outcome(run, training.unpacked(weights, source), source, settings, world)
        say(Progress(done + 1, len(plan), run.name, {f"{run.name}.score": found[run].score}))
    return metrics | gathered(settings, found)


def gathered(settings: Settings, found: Mapping[Run, Outcome]) -> dict[str, float]:
    """Metrics of a seed from the outcomes of its runs; see `score`."""
    at = {(run.pairs, run.beta): outcome for run, outcome in found.items()}
    best = {name: max((at[name, beta] for beta in settings.betas), key=lambda o: o.score) for name in settings.sets}
    out = {f"score_{name}": outcome.score for name, outcome in best.items()}
    out |= {f"score_{run.pairs}_beta_{plain(run.beta)}": outcome.score for run, outcome in found.items()}
    # The axis of its own saturates every contrastive loss: where it is the only set, it is what there is.
    counted = [name for name in settings.sets if name != "expert"] or list(settings.sets)
    scores = {name: [at[name, beta].score for beta in settings.betas] for name in counted}
    outcomes = list(found.values())
    if all(best[name].finite for name in counted):
        middle = statistics.fmean(best[name].middle for name in counted)
        end = statistics.fmean(best[name].score for name in counted)
        out |= {f"score@{training.middle_of(settings.steps)}": middle, f"score@{settings.steps}": end}
    return out | {
        "score": statistics.fmean(best[name].score for name in counted),
        "worst": min(statistics.fmean(column) for column in zip(*scores.values(), strict=True)),
        "sd": statistics.fmean(statistics.pvariance(row) for row in scores.values()) ** 0.5,
        "finite": statistics.fmean(float(o.finite) for o in outcomes),
        "accuracy": statistics.fmean(best[name].accuracy for name in counted),
        "kl": max((o.kl for o in outcomes if o.finite), default=float("inf")),
        "drift": min((o.drift for o in outcomes if o.finite), default=float("-inf")),
        "overoptimised": statistics.fmean(float(o.went_too_far) for o in outcomes),
    }


def _outcome(
    run: Run, policies: tuple[Policy | None, Policy | None], source: Data, settings: Settings, world: Lanes
) -> Outcome:
    end, middle = policies
    if end is None:
        return Outcome(source.score(source.nothing), *[float("nan")] * 4)
    episodes = prepared.scored(settings, world, sampler(end))
    halfway = episodes if middle is None else prepared.scored(settings, world, sampler(middle))
    drift, accuracy = _on_pairs(end, source, run.pairs)
    return Outcome(
        source.score(float(episodes.returns.mean())),
        source.score(float(halfway.returns.mean())),
        _divergence(end, source.policy, episodes.seen, episodes.alive),
        drift,
        accuracy,
    )


@torch.no_grad()
def _divergence(policy: Policy, reference: Policy, seen: np.ndarray, alive: np.ndarray) -> float:
    """KL(policy || reference) over the policy's own episodes, in nats per episode: exact at each state on the way."""
    states = torch.from_numpy(seen)
    now, before = policy(states), reference(states)
    each = (now.exp() * (now - before)).sum((-1, -2)).double().numpy()
    return float(np.where(alive, each, 0.0).sum(axis=1).mean())


@torch.no_grad()
def _on_pairs(policy: Policy, source: Data, name: str) -> tuple[float, float]:
    start, chosen, rejected = source.pairs[name].T
    ratios = [
        policy.of_trajectories(source.seen[pool, start], source.bins[pool, start], source.alive[pool, start])
        - source.reference_logps[pool, start]
        for pool in (chosen, rejected)
    ]
    return float(ratios[0].double().mean()), float((ratios[0] > ratios[1]).double().mean())
