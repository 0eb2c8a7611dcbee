"""Training: the policy starts from the reference and follows the loss, once for each preference set and beta."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.core.digests import json_digest
from harness.protocol.job import Progress, StepError
from harness.trainer.control import data as prepared
from harness.trainer.control import kept
from harness.trainer.control.environment import lanes
from harness.trainer.control.policy import sampler
from harness.trainer.control.settings import QUICK, Settings

if TYPE_CHECKING:
    from harness.protocol.job import Job, Say
    from harness.trainer.control.data import Data
    from harness.trainer.control.policy import Policy
    from harness.trainer.tasks import PairLoss

#: Weights are also kept at this share of the steps, to see whether the return falls afterwards.
_MIDDLE = 0.4
_TOLD_EVERY = 25
#: Adam's rate falls to this share of its first value.
_LAST_RATE = 0.1


@dataclass(frozen=True)
class Run:
    """One training: a preference set, a beta, a number of steps. `name` is that of its file."""

    name: str
    pairs: str
    beta: float
    steps: int


def runs(settings: Settings) -> list[Run]:
    """All trainings of a seed, in their order, without the quick one."""
    return [Run(f"{name}-{beta:g}", name, beta, settings.steps) for name in settings.sets for beta in settings.betas]


def middle_of(steps: int) -> int:
    """The step in the middle of a training after which its weights are kept as well."""
    return max(1, round(_MIDDLE * steps))


def quick_run(settings: Settings) -> Run | None:
    """The short training that comes first; None where there is to be none."""
    if not settings.quick_steps:
        return None
    return Run(QUICK, "on_policy", settings.quick_beta, settings.quick_steps)


def train(job: Job, loss: PairLoss, say: Say) -> dict[str, float]:
    """Do the quick training, then all others unless that one learned nothing; leave one file for each in `job.out`.

    What a killed training has finished is kept; what it was at is begun again. Gives `finite`, `seconds_per_step` (of
    what was trained now, absent where nothing was), and `quick`, the score of the quick training: below `quick_least`
    it is the only one.
    """
    settings, out = Settings.of(job.settings), Path(job.out)
    source = prepared.read(Path(job.data), settings, job.seed)
    if loss.smallest > min(len(p) for p in source.pairs.values()):
        raise StepError(f"the loss needs {loss.smallest} pairs at once, and there are fewer", fault="user")
    mark = _mark(job, settings, source)
    plan, first = runs(settings), quick_run(settings)
    counter = _Counter(say, sum(r.steps for r in plan) + (first.steps if first else 0))
    metrics: dict[str, float] = {}
    if first is not None:
        ended = _once(first, settings, source, loss, job.seed, out, mark, counter)
        metrics[QUICK] = quick_score(settings, source, ended)
        if not metrics[QUICK] >= settings.quick_least:
            return metrics | counter.speed() | {"finite": float(ended is not None)}
    whole = [_once(run, settings, source, loss, job.seed, out, mark, counter) is not None for run in plan]
    return metrics | counter.speed() | {"finite": sum(whole) / len(whole)}


def quick_score(settings: Settings, source: Data, ended: Policy | None) -> float:
    """Score the quick training; one that was not finite is worth as much as acting at random."""
    if ended is None:
        return source.score(source.nothing)
    found = prepared.scored(settings, lanes(settings.environment), sampler(ended))
    return source.score(float(found.returns.mean()))


class _Counter:
    """Counts steps over all runs, and tells of them."""

    def __init__(self, say: Say, total: int) -> None:
        self._say, self._total, self._done = say, total, 0
        self._stepped, self._seconds = 0, 0.0

    def passed(self, steps: int) -> None:
        """Count steps that were done before."""
        self._done += steps

    def stepped(self, seconds: float, run: Run, step: int, loss: float, accuracy: float) -> None:
        """Count one step that was done now."""
        self._done, self._stepped, self._seconds = self._done + 1, self._stepped + 1, self._seconds + seconds
        if step % _TOLD_EVERY == _TOLD_EVERY - 1 or step == run.steps - 1:
            curve = {f"{run.name}.loss": loss, f"{run.name}.accuracy": accuracy}
            self._say(Progress(self._done, self._total, run.name, curve))

    def speed(self) -> dict[str, float]:
        """Seconds per step, where there was one."""
        return {"seconds_per_step": self._seconds / self._stepped} if self._stepped else {}


def _mark(job: Job, settings: Settings, source: Data) -> str:
    """Digest of what a run's file depends on besides the loss: a file with another mark is not gone on from."""
    what = {"settings": dataclasses.asdict(settings), "seed": job.seed, "data": source.digest}
    return json_digest(what)


def _once(
    run: Run, settings: Settings, source: Data, loss: PairLoss, seed: int, out: Path, mark: str, counter: _Counter
) -> Policy | None:
    """The policy of one run, trained now or before; None where it was not finite."""
    path = out / f"{run.name}.safetensors"
    weights = None
    with contextlib.suppress(StepError):  # none yet, a part of a file, or another training's: it is trained
        weights = kept.read_tensors(path, mark)
        counter.passed(run.steps)
    if weights is None:
        weights = _fit(run, settings, source, loss, seed, counter)
        kept.write_tensors(path, weights, mark)
    policy, _ = unpacked(weights, source)
    return policy


def unpacked(weights: dict[str, torch.Tensor], source: Data) -> tuple[Policy | None, Policy | None]:
    """The policies at the end and in the middle of a run; None for one that is missing or not finite."""
    out: list[Policy | None] = []
    for where in ("end.", "middle."):
        part = {k.removeprefix(where): v for k, v in weights.items() if k.startswith(where)}
        usable = bool(part) and all(bool(v.isfinite().all()) for v in part.values())
        out.append(prepared.load_policy(copy.deepcopy(source.policy), part) if usable else None)
    return out[0], out[1]


def _fit(
    run: Run, settings: Settings, source: Data, loss: PairLoss, seed: int, counter: _Counter
) -> dict[str, torch.Tensor]:
    """Train: weights at the end and in the middle, and no more of them once something is not finite."""
    policy = copy.deepcopy(source.policy)
    optimizer = torch.optim.Adam(policy.parameters(), lr=settings.rate, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, _LAST_RATE, total_iters=run.steps)
    draw = np.random.Generator(np.random.PCG64([seed, 61]))
    pairs, size = source.pairs[run.pairs], max(settings.batch, loss.smallest)
    out: dict[str, torch.Tensor] = {"steps": torch.zeros(())}
    for step in range(run.steps):
        began = time.perf_counter()
        some = pairs[torch.from_numpy(draw.integers(len(pairs), size=size))]
        value, right = _value(policy, source, some, loss, run.beta, step / run.steps)
        if not bool(value.isfinite()):
            return out
        optimizer.zero_grad()
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(policy.parameters(), settings.clip)
        if not bool(norm.isfinite()):
            return out
        optimizer.step()
        schedule.step()
        out["steps"] += 1
        counter.stepped(time.perf_counter() - began, run, step, float(value.detach()), right)
        if step + 1 == middle_of(run.steps):
            out |= {f"middle.{k}": v.clone() for k, v in policy.state_dict().items()}
    return out | {f"end.{k}": v.clone() for k, v in policy.state_dict().items()}


def _value(
    policy: Policy, source: Data, some: torch.Tensor, loss: PairLoss, beta: float, progress: float
) -> tuple[torch.Tensor, float]:
    """The loss on some pairs, and the share of them that the policy now orders as they are labelled."""
    start, chosen, rejected = some.T
    pools, starts = torch.cat([chosen, rejected]), torch.cat([start, start])
    alive = source.alive[pools, starts]
    # A token is one dimension's action at one step: so many factors has the probability of a trajectory.
    lengths = (alive.sum(-1) * source.bins.shape[-1]).to(torch.float32).chunk(2)
    now = policy.of_trajectories(source.seen[pools, starts], source.bins[pools, starts], alive).chunk(2)
    before = source.reference_logps[pools, starts].chunk(2)
    with torch.no_grad():
        right = float(((now[0] - now[1]) > (before[0] - before[1])).float().mean())
    value = loss(
        *(now[0], now[1], before[0], before[1], beta),
        chosen_lengths=lengths[0],
        rejected_lengths=lengths[1],
        progress=progress,
    )
    return value, right
