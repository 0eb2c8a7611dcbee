"""Preference training in a plain loop: the candidate's loss over log-probabilities, those of the reference kept.

A checkpoint holds what the next step depends on besides settings and seed.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import torch

from harness.protocol.job import Progress, StepError
from harness.trainer import checkpoint
from harness.trainer.reviews.model import Model, log_probs
from harness.trainer.reviews.texts import Pairs, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from harness.protocol.job import Say
    from harness.trainer.reviews.settings import Settings
    from harness.trainer.tasks import PairLoss

#: Steps between two words about progress.
_SAY = 5
#: Points of the learning curve, at least.
_POINTS = 5


@dataclass(frozen=True)
class Kept:
    """The pairs to train on and the reference's log-probabilities of them, two vectors of shape (N,)."""

    pairs: Pairs
    chosen: torch.Tensor
    rejected: torch.Tensor


@dataclass(frozen=True)
class Fitted:
    """How a training went: steps done of `total`, whether all was finite, seconds of a step (0 where none was done).

    `lowest` is the lowest margin rho of a pair in nats that the loss was asked for: many overflow there first.
    A training stops at the first step whose loss or gradient is not finite; `steps` were done before it. `rewards` are
    what the policy was worth on its way, by the number of steps done.
    """

    steps: int
    total: int
    finite: bool
    seconds_per_step: float
    lowest: float
    rewards: Mapping[int, float]


def batch_size(settings: Settings, loss: PairLoss, pairs: int) -> int:
    """Pairs in a batch: as set, or as many as the loss needs. Raises StepError where the data have fewer."""
    size = max(settings.batch, loss.smallest)
    if size > pairs:
        raise StepError(
            f"a batch takes {size} pairs, and there are {pairs}",
            fault="user",
            remedy="lower `batch` or give more pairs",
        )
    return size


def fit(
    policy: Model,
    kept: Kept,
    loss: PairLoss,
    settings: Settings,
    beta: float,
    *,
    seed: int,
    path: Path,
    purpose: str,
    say: Say,
    worth: Callable[[Model], float] | None = None,
) -> Fitted:
    """Train `policy` in place. Its checkpoints go to `path`; one of this `purpose` that lies there is gone on from.

    `worth` says a few times on the way what the policy is worth.

    Batches, their order and the rate are functions of seed and step, and there is no dropout: a training that was
    killed and goes on ends in the same weights. A last batch of an epoch that is not full is left out, since a loss
    may need its size.
    """
    size = batch_size(settings, loss, len(kept.pairs))
    per_epoch = len(kept.pairs) // size
    total = per_epoch * settings.epochs
    optimizer = torch.optim.Adam(policy.parameters(), lr=settings.rate, fused=True)
    every = spacing(total)
    reached = recall_state(path, purpose, policy, optimizer)
    begin, taken = reached.steps, 0.0

    def ended(*, finite: bool) -> Fitted:
        each = taken / max(1, reached.steps - begin)
        return Fitted(reached.steps, total, finite, each, reached.lowest, reached.rewards)

    for step in range(begin, total):
        started = time.perf_counter()
        epoch, turn = divmod(step, per_epoch)
        order = torch.randperm(len(kept.pairs), generator=torch.Generator().manual_seed(seed * 1009 + epoch))
        index = order[turn * size : (turn + 1) * size]
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * schedule(step, total, settings.rise)
        optimizer.zero_grad()
        value, margins = _backward(policy, kept, index, loss, settings, beta, progress=step / total)
        reached.lowest = min(reached.lowest, float(margins.min()))
        norm = float(torch.nn.utils.clip_grad_norm_(policy.parameters(), settings.clip or math.inf))
        if not (math.isfinite(value) and math.isfinite(norm)):
            say(Progress(step, total, f"not finite at step {step}", {"loss": value, "lowest": reached.lowest}))
            return ended(finite=False)
        optimizer.step()
        reached.steps = step + 1
        taken += time.perf_counter() - started
        if step % _SAY == 0 or step + 1 == total:
            right = float((margins > 0).float().mean())
            curve = {"loss": value, "margin": float(margins.mean()), "accuracy": right, "gradient": norm}
            say(Progress(step + 1, total, f"trains at beta {beta:g}", curve))
        if worth is not None and reached.steps % every == 0 and _is_finite(policy):
            reached.rewards[reached.steps] = worth(policy)
        if reached.steps % settings.keep == 0 and reached.steps < total:
            write_state(path, reached, purpose, policy, optimizer)
    return ended(finite=_is_finite(policy))


def _is_finite(policy: Model) -> bool:
    return all(bool(p.isfinite().all()) for p in policy.parameters())


def spacing(total: int) -> int:
    """Steps between two points of the learning curve: 1, 2 or 5 times a power of ten.

    Round, so that trainings of nearly as many steps (each seed has its own number of pairs) have points in common.
    """
    most = max(1, total // _POINTS)
    power = 10 ** (len(str(most)) - 1)
    return next(part * power for part in (5, 2, 1) if part * power <= most)


def schedule(step: int, total: int, rise: float) -> float:
    """Share of the full rate at a step: a linear rise, then half a cosine to zero."""
    rising = int(rise * total)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1.0 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def _backward(
    policy: Model,
    kept: Kept,
    index: torch.Tensor,
    loss: PairLoss,
    settings: Settings,
    beta: float,
    *,
    progress: float,
) -> tuple[float, torch.Tensor]:
    """Gradients of one batch into the policy; gives the loss and the margins rho, shape (B,)."""
    some = kept.pairs.take(index.tolist())
    device = policy.device
    reference = torch.cat([kept.chosen[index], kept.rejected[index]]).to(device)
    texts = [(p, c) for part in (some.chosen, some.rejected) for p, c in zip(some.prompts, part, strict=True)]
    lengths = torch.tensor([float(len(c)) for _, c in texts], device=device)
    count = len(index)

    def log_probs_of(first: int, last: int) -> torch.Tensor:
        batch = rows([p for p, _ in texts[first:last]], [c for _, c in texts[first:last]]).to(device)
        return log_probs(policy, batch, settings.precision)

    def value_of(now: torch.Tensor) -> torch.Tensor:
        return loss(
            now[:count],
            now[count:],
            reference[:count],
            reference[count:],
            beta,
            chosen_lengths=lengths[:count],
            rejected_lengths=lengths[count:],
            progress=progress,
        )

    if not settings.micro or settings.micro >= count:
        now = log_probs_of(0, 2 * count)
        value = value_of(now)
        value.backward()
    else:
        # The loss sees the whole batch, the model a part at a time: once for the numbers, once for their gradients.
        parts = [(i, min(i + 2 * settings.micro, 2 * count)) for i in range(0, 2 * count, 2 * settings.micro)]
        with torch.no_grad():
            now = torch.cat([log_probs_of(*part) for part in parts])
        now.requires_grad_()
        value = value_of(now)
        value.backward()
        slope = torch.zeros_like(now) if now.grad is None else now.grad
        for first, last in parts:
            (log_probs_of(first, last) * slope[first:last]).sum().backward()
    moved = now.detach() - reference
    return float(value.detach()), (moved[:count] - moved[count:]).cpu()


@dataclass
class Reached:
    """What a training has come to: steps done, the lowest margin so far, the rewards on its way, by step."""

    steps: int = 0
    lowest: float = 0.0
    rewards: dict[int, float] = field(default_factory=dict)


def write_state(path: Path, reached: Reached, purpose: str, model: Model, optimizer: torch.optim.Optimizer) -> None:
    """Write the weights, Adam's moments and what was reached. `purpose` says which training it is."""
    weights = dict(model.named_parameters())
    tree = {"purpose": purpose, "reached": asdict(reached), "weights": weights, "optimizer": optimizer.state_dict()}
    checkpoint.save(path, tree)


def recall_state(path: Path, purpose: str, model: Model, optimizer: torch.optim.Optimizer) -> Reached:
    """Take up what lies there and give what was reached: no steps where nothing lies there.

    Raises StepError for a file that is damaged or of another training: it is not guessed what it meant.
    """
    tree = checkpoint.load(path)
    if tree is None:
        return Reached()
    weights = dict(model.named_parameters())
    try:
        if tree["purpose"] != purpose or set(tree["weights"]) != set(weights):
            raise ValueError("it is of another training")
        with torch.no_grad():
            for name, parameter in weights.items():
                parameter.copy_(tree["weights"][name])
        optimizer.load_state_dict(tree["optimizer"])
        reached = tree["reached"]
        return Reached(int(reached["steps"]), float(reached["lowest"]), dict(reached["rewards"]))
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise StepError(f"{path.name} is of no use: {error}", remedy="remove it, and train again") from error
