"""The oracle as a loss that a trainer calls: `loss = oracle_loss(pc, pr, rc, rr, beta); loss.backward()`.

The candidate stays in its sandbox. Values and gradients come from there as numbers; autograd goes on from them.
They cross as float32, whatever the model computes in, and the gradients are cast back to the policy's own dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.core.errors import CandidateFault
from harness.protocol.batch import MAX_NUMBERS
from harness.protocol.batch_types import LabelledBatch, PairBatch
from harness.protocol.job import StepError
from harness.protocol.rules import WRONG_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.protocol.batch import Answer, Batch
    from harness.protocol.spotcheck import Answering

_NAMES = (
    "policy_chosen",
    "policy_rejected",
    "reference_chosen",
    "reference_rejected",
    "chosen_lengths",
    "rejected_lengths",
)


class _OverOracle:
    """A loss over whatever answers batches: one object for each rank.

    Nothing is asked twice: the host does that by itself (`harness.training.serving`).
    Raises StepError for what cannot be asked (shapes, a reference that is not finite, a beta that is none), and
    passes on what the other side raises. Numbers of the model that are not finite, as after a divergence, give a loss
    of NaN as they would in any trainer, and nobody is asked.
    """

    def __init__(self, answering: Answering, *, smallest: int = 1) -> None:
        self._answering = answering
        self.smallest = smallest

    def _over(self, batch: Batch, *differentiated: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch that was made of these tensors, on which `backward()` works."""
        fine = all(np.isfinite(numbers).all() for numbers in batch.differentiated())
        loss: torch.Tensor = _Asked.apply(self._ask if fine else _undefined, batch, *differentiated)
        return loss

    def _ask(self, batch: Batch) -> _Numbers:
        answer = self._answering.answer(batch)
        if answer.shape not in {(), (batch.rows,)}:
            message = f"it returned shape {answer.shape} for a batch of {batch.rows}"
            raise CandidateFault(WRONG_OUTPUT.finding(message))
        return _numbers(answer)


class OracleLoss(_OverOracle):
    """A `harness.trainer.tasks.PairLoss` over whatever answers batches."""

    def __call__(
        self,
        policy_chosen: torch.Tensor,
        policy_rejected: torch.Tensor,
        reference_chosen: torch.Tensor,
        reference_rejected: torch.Tensor,
        beta: float,
        *,
        chosen_lengths: torch.Tensor | None = None,
        rejected_lengths: torch.Tensor | None = None,
        progress: float = 0.5,
    ) -> torch.Tensor:
        """Mean loss, a float32 scalar on the policy's device.

        The four are summed log-probabilities in nats, shape (B,); lengths are tokens per completion, shape (B,), 1
        where they are not given; `progress` is the training fraction from 0 to 1.
        """
        lengths = [torch.ones_like(policy_chosen) if t is None else t for t in (chosen_lengths, rejected_lengths)]
        tensors = (policy_chosen, policy_rejected, reference_chosen, reference_rejected, *lengths)
        _check(tensors, beta, progress, self.smallest)
        vectors = [_plain(t) for t in tensors]
        if not all(np.isfinite(v).all() for v in vectors[2:]):
            raise StepError("the reference's log-probabilities or the lengths are not finite")
        return self._over(PairBatch.of(vectors, float(beta), float(progress)), policy_chosen, policy_rejected)


class OracleClassLoss(_OverOracle):
    """A `harness.trainer.tasks.ClassLoss` over whatever answers batches."""

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss, a float32 scalar on the logits' device: logits (N, C), targets (N,), whole numbers."""
        if logits.ndim != 2 or targets.shape != logits.shape[:1] or not self.smallest <= len(targets):
            raise StepError(
                f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} are no batch for this loss"
            )
        examples, classes = logits.shape
        if logits.numel() > MAX_NUMBERS:
            raise StepError(
                f"{examples} examples of {classes} classes are more than {MAX_NUMBERS} logits",
                fault="user",
                remedy="lower the setting `batch`",
            )
        return self._over(LabelledBatch(_plain(logits), targets.detach().to("cpu", torch.int64).numpy()), logits)


#: The loss of each contract over the oracle. Lists are for checks alone: no task trains on them.
LOSSES: dict[str, type[OracleLoss | OracleClassLoss]] = {"preference": OracleLoss, "classification": OracleClassLoss}


#: The mean of the values, and its gradients with respect to what is differentiated.
_Numbers = tuple[torch.Tensor, list[torch.Tensor]]


def _plain(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float32).contiguous().numpy()


def _numbers(answer: Answer) -> _Numbers:
    # Copies: the answer's arrays lie in the bytes that came over the wire, which nobody may write to.
    values, *gradients = (torch.from_numpy(np.array(numbers)) for numbers in (answer.values, *answer.gradients))
    return values.mean().to(torch.float32), gradients


def _undefined(batch: Batch) -> _Numbers:
    return torch.tensor(float("nan")), [torch.full(t.shape, float("nan")) for t in batch.differentiated()]


class _Asked(torch.autograd.Function):
    """The step of the graph that happens elsewhere."""

    @staticmethod
    def forward(
        ctx: Any, ask: Callable[[Batch], _Numbers], batch: Batch, *differentiated: torch.Tensor
    ) -> torch.Tensor:
        """The mean, with the gradients kept for later."""
        mean, gradients = ask(batch)
        pairs = zip(gradients, differentiated, strict=True)
        ctx.save_for_backward(*(gradient.to(tensor.device) for gradient, tensor in pairs))
        ctx.dtypes = [tensor.dtype for tensor in differentiated]
        return mean.to(differentiated[0].device)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradients, times that of the mean."""
        pairs = zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        return None, None, *((outer * gradient).to(dtype) for gradient, dtype in pairs)


def _check(tensors: tuple[torch.Tensor, ...], beta: float, progress: float, smallest: int) -> None:
    """Refuse what cannot be asked: that is a mistake of the trainer, and never the candidate's."""
    pairs = tensors[0].numel()
    for name, tensor in zip(_NAMES, tensors, strict=True):
        if tensor.shape != (pairs,):
            raise StepError(f"{name} has shape {tuple(tensor.shape)} where the first vector has {pairs} pairs")
    if not smallest <= pairs <= MAX_NUMBERS:
        raise StepError(f"a batch of {pairs} pairs, where this loss takes {smallest} to {MAX_NUMBERS}")
    if not 0.0 < beta < float("inf") or not 0.0 <= progress <= 1.0:
        raise StepError(f"beta {beta} or progress {progress} is out of range")
