"""Preference learning on a bandit with contexts: the cheapest rung that trains something.

A softmax policy over K arms in each of C contexts starts from a reference policy that is none the wiser. Pairs of arms
drawn from the reference are ranked by their true rewards; in the noisy half of the task one label in five is turned
round. The policy is trained with the candidate's gradients, through the oracle, and scored by its true expected reward:
0 is the reference, 1 the best arm in every context. All of it is numpy on the host; the candidate only answers.

Not covered: anything about language. It tells losses that learn from those that do not, turn the preference round, or
fall apart under noise; good losses are not told from each other by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.protocol.batch_types import PairBatch
from harness.protocol.job import COUNT, SHARE, Declared, StepError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.protocol.batch import Answer
    from harness.protocol.job import Setting
    from harness.subject.subject import Subject

    Array = NDArray[np.float64]
    #: The policy's logits, None where it did not stay finite; its expected reward by step of the learning curve.
    Trained = tuple[Array | None, dict[int, float]]
    #: A training that asks for answers.
    Training = Generator[PairBatch, Answer, Trained]

#: Share of labels that are turned round, by the name of the task.
TASKS = {"clean": 0.0, "noisy": 0.2}
#: Points of the learning curve, evenly over the steps.
_POINTS = 5


@dataclass(frozen=True)
class Settings:
    """Sizes of the task and of the training. `rate` is Adam's step, `spread` the reference's SD in nats."""

    contexts: int = 16
    arms: int = 8
    pairs: int = 512
    batch: int = 64
    steps: int = 150
    rate: float = 0.1
    betas: tuple[float, ...] = (0.25, 1.0)
    spread: float = 0.5

    @classmethod
    def of(cls, given: Mapping[str, Setting]) -> Settings:
        """Read a rung's settings. Raises StepError (the user's) for an unknown name and a value that cannot be."""
        known = {f.name: f.default for f in fields(cls)}
        out = {}
        for name, value in given.items():
            if name not in known:
                wanted = f"one of {', '.join(known)}"
                raise StepError(f"the bandit has no setting {name!r}", fault="user", remedy=wanted)
            wrong, out[name] = _wrong(known[name], value)
            if wrong:
                raise StepError(f"the setting {name} of the bandit is {value!r}", fault="user", remedy=f"it is {wrong}")
        if out.get("arms", cls.arms) < 2:
            raise StepError("the setting arms of the bandit is below 2", fault="user", remedy="a pair is of two arms")
        return cls(**out)

    def declared(self) -> Declared:
        """What is measured: see `measure`."""
        each = {"score": (-math.inf, 1.0), "kl": COUNT}
        tasks = {f"{name}_{task}": span for task in TASKS for name, span in {**each, "accuracy": SHARE}.items()}
        return Declared({**each, "best": each["score"], "worst": each["score"], "finite": SHARE, **tasks})


def _wrong(default: object, value: Setting) -> tuple[str, Any]:
    """What a setting has to be, empty where it is that; and the value in the default's type."""
    several = value if isinstance(value, tuple) else (value,)
    numbers = [v for v in several if isinstance(v, (int, float)) and not isinstance(v, bool) and 0 < v < math.inf]
    fits = len(numbers) == len(several)
    if isinstance(default, tuple):
        ok = fits and 0 < len(set(numbers)) == len(numbers)
        return ("" if ok else "different positive numbers, one or more"), tuple(map(float, numbers))
    if isinstance(default, int):
        return ("" if fits and isinstance(value, int) else "a whole number above 0"), value
    return ("" if fits and value in numbers else "a positive number"), value


@dataclass(frozen=True)
class Task:
    """One drawn bandit: rewards and reference logits, shape (C, K); pairs as (context, chosen, rejected), (N, 3)."""

    rewards: Array
    reference: Array
    pairs: NDArray[np.int64]


def draw_task(settings: Settings, flipped: float, seed: int) -> Task:
    """Draw a task. The same seed gives the same arms, rewards and pairs, whatever share of labels is flipped."""
    draw = np.random.Generator(np.random.PCG64([seed, 11]))
    shape = (settings.contexts, settings.arms)
    rewards = draw.normal(size=shape)
    reference = settings.spread * draw.normal(size=shape)
    context = draw.integers(settings.contexts, size=settings.pairs)
    # Two different arms, each as likely as the reference makes it: the two largest of logits with Gumbel noise.
    noisy = reference[context] + draw.gumbel(size=(settings.pairs, settings.arms))
    two = np.argsort(-noisy, axis=1)[:, :2]
    values = rewards[context[:, None], two]
    wins = (values[:, 0] >= values[:, 1]) ^ (draw.uniform(size=settings.pairs) < flipped)
    chosen, rejected = np.where(wins, two[:, 0], two[:, 1]), np.where(wins, two[:, 1], two[:, 0])
    return Task(rewards, reference, np.stack([context, chosen, rejected], axis=1))


def log_softmax(logits: Array) -> Array:
    """Log-probabilities of each row, in nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    out: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return out


def expected_reward(task: Task, logits: Array) -> float:
    """True expected reward of a policy, averaged over contexts."""
    return float((np.exp(log_softmax(logits)) * task.rewards).sum(axis=1).mean())


def measure(subject: Subject, seed: int, settings: Settings | None = None) -> dict[str, float]:
    """Train with the candidate on both tasks of one seed, at each beta.

    For each task, averaged over betas: `score_T` (0 the reference, 1 the best), `kl_T` (nats, policy to reference),
    `accuracy_T` (the share of pairs that the policy orders as their labels do). `score` is the mean of both scores,
    `best` and `worst` those of single betas, `kl` the largest of all, `finite` the share of trainings that did not end
    in NaN or infinity: one that did is worth as much as the worst policy. `score@STEP` is the mean score of all tasks
    and betas after so many steps, the learning curve: it ends where the first of the trainings broke off. Raises
    CandidateFault where the candidate does not answer. All trainings of a seed go on side by side: none knows of
    another, and each step of all of them is one request.
    """
    settings = settings or Settings()
    tasks = {name: draw_task(settings, flipped, seed) for name, flipped in TASKS.items()}
    size = subject.size(settings.batch)
    pairs = [(beta, name) for beta in settings.betas for name in tasks]
    ended = _side_by_side(subject, [_train(size, tasks[name], beta, settings, seed) for beta, name in pairs], seed)
    trained = dict(zip(pairs, ended, strict=True))
    curves: list[dict[int, float]] = []
    tried = [_at(tasks, {name: trained[beta, name] for name in tasks}, curves) for beta in settings.betas]
    out = {name: sum(metrics[name] for metrics in tried) / len(tried) for name in tried[0]}
    scores = [metrics["score"] for metrics in tried]
    out |= {"best": max(scores), "worst": min(scores), "kl": max(metrics["kl"] for metrics in tried)}
    shared = [step for step in curves[0] if all(step in curve for curve in curves)]
    return out | {f"score@{step}": sum(curve[step] for curve in curves) / len(curves) for step in shared}


def _side_by_side(subject: Subject, trainings: Sequence[Training], seed: int) -> list[Trained]:
    """What each training comes to: the next batch of all of them is asked at once, until each has ended.

    They are asked in another order each time: of all answers one in so many is asked again, and that has to meet each.
    """
    draw = np.random.Generator(np.random.PCG64([seed, 13]))
    out: dict[int, Trained] = {}
    waiting = dict(enumerate(map(next, trainings)))
    while waiting:
        order = draw.permutation([*waiting]).tolist()
        answers = subject.answers([waiting[place] for place in order])
        for place, answer in zip(order, answers, strict=True):
            try:
                waiting[place] = trainings[place].send(answer)
            except StopIteration as ended:
                out[place] = ended.value
                del waiting[place]
    return [out[place] for place in range(len(trainings))]


def _at(tasks: dict[str, Task], trained: Mapping[str, Trained], curves: list[dict[int, float]]) -> dict[str, float]:
    """The metrics at one beta; `curves` gets the scores by step of each training."""
    out: dict[str, float] = {}
    finite = len(tasks)
    for name, task in tasks.items():
        logits, rewards = trained[name]
        base, best = expected_reward(task, task.reference), float(task.rewards.max(axis=1).mean())
        curves.append({step: (reward - base) / (best - base) for step, reward in rewards.items()})
        if logits is None:
            finite, reached = finite - 1, float(task.rewards.min(axis=1).mean())
            out |= {f"kl_{name}": math.inf, f"accuracy_{name}": 0.0}
        else:
            reached = expected_reward(task, logits)
            out |= _drift(task, logits, name)
        out[f"score_{name}"] = (reached - base) / (best - base)
    out["score"] = sum(out[f"score_{name}"] for name in tasks) / len(tasks)
    out["kl"] = max(out[f"kl_{name}"] for name in tasks)
    out["finite"] = finite / len(tasks)
    return out


def _drift(task: Task, logits: Array, name: str) -> dict[str, float]:
    now, before = log_softmax(logits), log_softmax(task.reference)
    context, chosen, rejected = task.pairs.T
    right = now[context, chosen] - before[context, chosen] > now[context, rejected] - before[context, rejected]
    return {
        f"kl_{name}": float((np.exp(now) * (now - before)).sum(axis=1).mean()),
        f"accuracy_{name}": float(right.mean()),
    }


def _train(size: int, task: Task, beta: float, settings: Settings, seed: int) -> Training:
    """Adam on the policy's logits: gives batches, takes answers. At its end the policy, and the learning curve.

    The policy is None where a gradient or the policy itself is no longer finite.
    """
    rewards: dict[int, float] = {}
    told = {settings.steps * part // _POINTS for part in range(1, _POINTS + 1)}
    draw = np.random.Generator(np.random.PCG64([seed, 12]))
    logits, before = task.reference.copy(), log_softmax(task.reference)
    mean, square = np.zeros_like(logits), np.zeros_like(logits)
    for step in range(settings.steps):
        context, chosen, rejected = task.pairs[draw.integers(settings.pairs, size=size)].T
        now = log_softmax(logits)
        vectors = (now[context, chosen], now[context, rejected], before[context, chosen], before[context, rejected])
        lengths = np.ones(size), np.ones(size)
        batch = PairBatch.of((v.astype(np.float32) for v in (*vectors, *lengths)), beta, progress=step / settings.steps)
        answer = yield batch
        if not answer.finite_gradients or not answer.finite_values:
            return None, rewards
        gradient = _through_softmax(now, context, chosen, rejected, answer.grad_chosen, answer.grad_rejected)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        corrected = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.999 ** (step + 1))
        rate = settings.rate * (1.0 - step / settings.steps)
        logits = logits - rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
        if not np.isfinite(logits).all():
            return None, rewards
        if step + 1 in told:
            rewards[step + 1] = expected_reward(task, logits)
    return logits, rewards


def _through_softmax(
    now: Array,
    context: NDArray[np.int64],
    chosen: NDArray[np.int64],
    rejected: NDArray[np.int64],
    grad_chosen: NDArray[np.floating],
    grad_rejected: NDArray[np.floating],
) -> Array:
    """From gradients with respect to log-probabilities, shape (B,), to those with respect to the logits, (C, K)."""
    gradient = np.zeros_like(now)
    np.add.at(gradient, (context, chosen), grad_chosen.astype(np.float64))
    np.add.at(gradient, (context, rejected), grad_rejected.astype(np.float64))
    total = np.zeros(len(now))
    np.add.at(total, context, (grad_chosen.astype(np.float64) + grad_rejected.astype(np.float64)))
    return gradient - total[:, None] * np.exp(now)
