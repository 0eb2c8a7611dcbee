"""P318: training can begin."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.strategies import betas, many_seeds, seeds
from harness.property_tests.editions import since, until
from harness.subject.batches import start_of_training
from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P318",
    name="learns-from-the-start",
    severity=Severity.ERROR,
    summary="Where policy and reference are equal the gradient is not zero.",
    why=(
        "Training starts from the reference model, so rho is zero for every pair. A loss that is flat there "
        "gives no gradient in the first step, and so in none: exactly nothing is learnt."
    ),
    fix="Give the loss a slope at rho = 0; even functions of rho and hinges that start later have none.",
    before="return (beta * rho) ** 2",
    after="return (beta * rho - 1) ** 2",
)


#: Per pair: below this Adam's own epsilon drowns it, above that the square of its norm leaves float32.
LEAST, MOST = 1e-6, 1e6


@until("2026.1")
@given(beta=betas, seed=seeds)
def test_gradient_at_the_start(candidate: PreferenceSubject, beta: float, seed: int) -> None:
    """Some pair has a gradient when the policy is the reference."""
    _gradient_is_usable(candidate, start_of_training(candidate.size(4), beta, seed=seed))


@since("2026.2")
@given(beta=betas, seed=seeds)
def test_gradient_at_the_start_of_either_order(candidate: PreferenceSubject, beta: float, seed: int) -> None:
    """The same, and of the exchanged pairs: one that ranks without a reference is done with those that it has right."""
    batch = start_of_training(candidate.size(4), beta, seed=seed)
    _gradient_is_usable(candidate, batch, batch.swapped())


def _gradient_is_usable(candidate: PreferenceSubject, *batches: PairBatch) -> None:
    answers = candidate.answers(batches)
    found = np.stack([np.abs([a.grad_chosen, a.grad_rejected]) for a in answers])
    batch = batches[int(found.max(axis=(1, 2)).argmax())]
    if not found.any():
        raise candidate.broken(RULE, "every gradient is zero where policy and reference are equal", batch)
    largest = batch.pairs * float(found.max())
    if largest < LEAST or (largest > MOST and np.isfinite(largest)):
        size = "smaller than training can use" if largest < LEAST else "larger than training can stand"
        message = f"the gradient where policy and reference are equal is {size}: {largest:.3g} for a pair"
        raise candidate.broken(RULE, message, batch, largest_gradient=largest)


@since("2026.2")
@settings(max_examples=12)
@given(seed=many_seeds)
def test_gradient_at_a_real_start(candidate: PreferenceSubject, seed: int) -> None:
    """The same for realistic texts: their lengths differ, and what the reference says of them."""
    batch = realistic(seed, candidate.size(16), progress=0.0, domain=candidate.domain)
    start = replace(batch, policy_chosen=batch.reference_chosen, policy_rejected=batch.reference_rejected)
    _gradient_is_usable(candidate, start, start.swapped())
