"""What a tree computes, and its gradients, in numpy: to see beforehand what would be refused. No fitness is made here.

Reverse mode over a tree of a few dozen nodes. The text that is handed in computes the same in torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.discover.evolve.grammar import Array, Back
    from harness.discover.evolve.tree import Node
    from harness.protocol.batch_types import PairBatch

#: What each margin gains from one nat more of the policy's chosen and of its rejected log-probability.
_SLOPES = {
    "rho": (1.0, -1.0),
    "policy": (1.0, -1.0),
    "reference": (0.0, 0.0),
    "chosen": (1.0, 0.0),
    "rejected": (0.0, 1.0),
}


def margin(name: str, batch: PairBatch) -> Array:
    """A margin of the grammar, shape (B,), in the batch's own precision."""
    pc, pr, rc, rr = batch.tensors[:4]
    if name == "rho":
        return (pc - pr) - (rc - rr)
    return {"policy": pc - pr, "reference": rc - rr, "chosen": pc - rc, "rejected": pr - rr}[name]


@dataclass(frozen=True)
class Computed:
    """Values, shape (B,), and the gradients of their mean by the policy's log-probabilities, each of shape (B,)."""

    values: Array
    grad_chosen: Array
    grad_rejected: Array

    @property
    def finite(self) -> bool:
        """Whether everything is finite."""
        return all(bool(np.isfinite(v).all()) for v in (self.values, self.grad_chosen, self.grad_rejected))


@dataclass(frozen=True)
class _Tape:
    """How a gradient goes down: through `back` to what is below, or by `slopes` into a margin."""

    back: Back | None = None
    below: tuple[_Tape, ...] = ()
    slopes: tuple[float, float] = (0.0, 0.0)


def compute(tree: Node, batch: PairBatch) -> Computed:
    """Values and gradients, in the precision of `batch`. What overflows is infinite, and raises nothing."""
    grads = [np.zeros_like(batch.policy_chosen), np.zeros_like(batch.policy_chosen)]

    def forward(each: Node) -> tuple[Array, _Tape]:
        if each.kind == "nats":
            return margin(each.name, batch), _Tape(slopes=_SLOPES[each.name])
        if each.name == "constant":
            return np.full_like(batch.policy_chosen, each.constants[0]), _Tape()
        below = [forward(arg) for arg in each.args]
        constants = (batch.beta,) if each.name == "scaled" else each.constants
        out, back = each.op.run(tuple(value for value, _ in below), constants)
        return out, _Tape(back, tuple(tape for _, tape in below))

    def backward(tape: _Tape, gradient: Array) -> None:
        if tape.back is None:
            for place, slope in enumerate(tape.slopes):
                grads[place] += slope * gradient
            return
        for below, part in zip(tape.below, tape.back(gradient), strict=True):
            backward(below, part)

    with np.errstate(all="ignore"):
        values, tape = forward(tree)
        backward(tape, np.full_like(values, 1.0 / values.size))
    return Computed(values, grads[0], grads[1])
