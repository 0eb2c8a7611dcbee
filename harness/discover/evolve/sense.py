"""Whether a tree is worth a proposal: what the properties would refuse at once, and what was asked before, is not.

The judge is the gate, which knows nothing of trees. This only spares it what can be told from a tree in milliseconds:
values that are not finite, no gradient where training begins, the wrong direction, one side that is not looked at.

For that a tree's values and gradients are computed in numpy, in reverse mode over a few dozen nodes; no fitness is made
here. The text that is handed in computes the same in torch.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.protocol.batch_types import PairBatch
from harness.subject.batches import clear, natural, start_of_training

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.discover.evolve.grammar import Array
    from harness.discover.evolve.tree import Node


#: What each leaf gains from one nat more of the policy's chosen and of its rejected log-probability.
_SLOPES = {
    "rho": (1.0, -1.0),
    "policy": (1.0, -1.0),
    "reference": (0.0, 0.0),
    "chosen": (1.0, 0.0),
    "rejected": (0.0, 1.0),
    "constant": (0.0, 0.0),
}
_BETAS = (0.025, 0.25, 1.0)
#: Bounds of the largest gradient of a pair where training begins; the properties have wider ones.
_LEAST, _MOST = 1e-5, 1e5
#: A side whose gradient is this much smaller than the other's is not looked at.
_ASIDE = 1e-3
#: Deepest log-probabilities that are tried, in nats, and how far the policy is from the reference there.
_DEEP = (-5000.0, -1500.0, -1.0)
_DRIFT = (-4.0, 0.0, 4.0)
#: Digits of a function's mark: gradients that agree to them train alike.
_DIGITS = 3


def margin(name: str, batch: PairBatch) -> Array:
    """A margin of the grammar, shape (B,), in the batch's own precision."""
    four: tuple[Array, ...] = batch.tensors[:4]
    pc, pr, rc, rr = four
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


def compute(tree: Node, batch: PairBatch) -> Computed:
    """Values and gradients, in the precision of `batch`. What overflows is infinite, and raises nothing."""
    grads = [np.zeros_like(batch.policy_chosen), np.zeros_like(batch.policy_chosen)]

    def forward(each: Node) -> tuple[Array, Callable[[Array], None]]:
        """The values of a part, and what takes the gradient by them further down."""
        if each.name in _SLOPES:
            constant = each.name == "constant"
            out = np.full_like(batch.policy_chosen, each.constants[0]) if constant else margin(each.name, batch)
            return out, functools.partial(arrive, _SLOPES[each.name])
        below = [forward(arg) for arg in each.args]
        constants = (batch.beta,) if each.name == "scaled" else each.constants
        out, back = each.op.run(tuple(value for value, _ in below), constants)

        def down(gradient: Array) -> None:
            for (_, further), part in zip(below, back(gradient), strict=True):
                further(part)

        return out, down

    def arrive(slopes: tuple[float, float], gradient: Array) -> None:
        for place, slope in enumerate(slopes):
            grads[place] += slope * gradient

    with np.errstate(all="ignore"):
        values, down = forward(tree)
        down(np.full_like(values, 1.0 / values.size))
    return Computed(values, grads[0], grads[1])


@functools.cache
def _wide() -> tuple[PairBatch, ...]:
    """The operating domain, sparsely, and the deepest texts."""
    spread = np.linspace(-50.0, 50.0, 41)
    batches = [natural(spread, beta, seed=number) for number, beta in enumerate(_BETAS)]
    corners = [(chosen, rejected, drift) for chosen in _DEEP for rejected in _DEEP for drift in _DRIFT]
    for beta in _BETAS:
        chosen, rejected, drift = (np.array(column, dtype=np.float32) for column in zip(*corners, strict=True))
        moved = (chosen + np.minimum(drift / beta, 0), rejected - np.maximum(drift / beta, 0))
        lengths = np.full_like(chosen, 64.0)
        batches.append(PairBatch.of((*(v.astype(np.float32) for v in moved), chosen, rejected, lengths, lengths), beta))
    return tuple(batches)


@functools.cache
def _first() -> tuple[PairBatch, ...]:
    """The first step of a training, a few pairs each: a loss of the policy alone sees other margins in each of them."""
    return tuple(start_of_training(4, beta, seed=number) for beta in _BETAS for number in range(8))


@functools.cache
def _ordered() -> tuple[PairBatch, ...]:
    """Clearly right pairs, one and many to a batch."""
    sizes = ((2.0, 1), (2.0, 8), (5.0, 8), (20.0, 8), (50.0, 3))
    return tuple(
        clear(np.linspace(low, 1.25 * low, pairs), beta, seed=number)
        for beta in _BETAS
        for number, (low, pairs) in enumerate(sizes)
    )


@functools.cache
def _usual() -> tuple[PairBatch, ...]:
    """Margins as training has them."""
    spread = np.linspace(-6.0, 6.0, 24)
    return tuple(natural(spread, beta, seed=number, dtype=np.float64) for number, beta in enumerate((0.1, 1.0)))


def objection(tree: Node) -> str:
    """Why a tree is not worth a proposal, in a word; empty where it is."""
    if not tree.fits:
        return "size"
    if not all(compute(tree, batch).finite for batch in _wide()):
        return "finite"
    if not all(_starts(compute(tree, batch)) for batch in _first()):
        return "start"
    if not all(_depends(compute(tree, batch)) for batch in _usual()):
        return "depends"
    if not all(_right(tree, batch) for batch in _ordered()):
        return "direction"
    return ""


def mark(tree: Node) -> str:
    """The same for trees that train alike: a digest of their gradients, whatever their scale, in 12 hex digits."""
    parts = []
    for batch in _usual():
        found = compute(tree, batch)
        gradients = np.concatenate([found.grad_chosen, found.grad_rejected])
        largest = float(np.abs(gradients).max())
        parts.append(np.round(gradients / (largest or 1.0), _DIGITS) + 0.0)
    return hashlib.sha256(np.concatenate(parts).astype("<f4").tobytes()).hexdigest()[:12]


def _largest(found: Computed) -> tuple[float, float]:
    pairs = found.values.size
    return pairs * float(np.abs(found.grad_chosen).max()), pairs * float(np.abs(found.grad_rejected).max())


def _starts(found: Computed) -> bool:
    return _LEAST < max(_largest(found)) < _MOST


def _depends(found: Computed) -> bool:
    chosen, rejected = _largest(found)
    return min(chosen, rejected) > _ASIDE * max(chosen, rejected)


def _right(tree: Node, batch: PairBatch) -> bool:
    back = batch.swapped()
    first = np.arange(batch.pairs) % 2 == 0
    some = PairBatch.of((np.where(first, b, a) for a, b in zip(batch.tensors, back.tensors, strict=True)), batch.beta)
    good, bad, half = (float(compute(tree, each).values.astype(np.float64).mean()) for each in (batch, back, some))
    return good < bad and good < half
