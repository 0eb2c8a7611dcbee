"""P304: behaviour at and near rho = 0, where every training run begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import report_not_finite
from harness.property_tests.common.strategies import many_seeds, seeds, sizes, sweep
from harness.property_tests.editions import since
from harness.subject.batches import batch_of, plain, start_of_training
from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P304",
    name="behaviour-at-zero",
    severity=Severity.ERROR,
    summary="At and near rho = 0 value and slope are finite; a finite jump is a warning.",
    why=(
        "Policy and reference are equal when training begins, so every pair starts at rho = 0 exactly. A 0/0 "
        "there ends the run in its first step; a slope that grows without bound throws the weights away."
    ),
    fix="Make the expression smooth at zero: add a constant under the root, divide by a clamped magnitude.",
    before="return -rho / rho.abs().sqrt()",
    after="return -rho / (rho.abs() + 1.0).sqrt()",
)

#: Distances from zero, in nats: ordinary ones, and one that only a singularity notices.
ORDINARY, TINY = (1.0, 0.01), 1e-12
#: How many times steeper than at an ordinary distance the slope may be at a tiny one.
STEEPER = 1000.0


@given(size=sizes, beta=sweep, seed=seeds)
def test_finite_at_zero(candidate: PreferenceSubject, size: int, beta: float, seed: int) -> None:
    """All pairs at zero, and one pair at zero among others within a quarter of a nat."""
    among = np.random.Generator(np.random.PCG64(seed)).integers(-16, 17, size=candidate.size(size)) / 64
    among[0] = 0.0
    batches = [start_of_training(candidate.size(size), beta, seed=seed), batch_of(among, beta, seed=seed)]
    report_not_finite(candidate, RULE, batches, False, True)  # noqa: FBT003 - values first, then gradients


@given(beta=sweep)
def test_no_singularity_near_zero(candidate: PreferenceSubject, beta: float) -> None:
    """The slope on either side of zero stays within bounds, in float64 and down to 1e-12 nats."""
    spread = candidate.fill([1.0, 1.5])
    for sign in (1.0, -1.0):
        distances = (*ORDINARY, TINY)
        batches = [plain(sign * d * spread, beta, dtype=np.float64) for d in distances]
        answers = candidate.answers(batches)
        slopes = [float(np.abs(a.grad_chosen).max()) for a in answers]
        if not np.isfinite(slopes[-1]) or slopes[-1] > STEEPER * max(*slopes[:-1], 1e-6):
            message = (
                f"the slope grows without bound towards rho = 0: {slopes[1] * spread.size:.3g} at "
                f"{sign * ORDINARY[1]:g}, {slopes[-1] * spread.size:.3g} at {sign * TINY:g}"
            )
            raise candidate.broken(RULE, message, batches[-1])


@given(beta=sweep)
def test_jump_at_zero(candidate: PreferenceSubject, beta: float) -> None:
    """A finite jump is reported and not rejected: PADLL, a published loss, has one."""
    spread = candidate.fill([1.0, 1.5])
    offsets = (-1.0, -1e-9, 0.0, 1e-9, 1.0)
    far, left, at, right, beyond = candidate.answers([plain(d * spread, beta, dtype=np.float64) for d in offsets])
    jump = right.mean - left.mean
    # What the value does over a nat counts too: a loss that passes through zero at rho = 0 has not jumped.
    scale = max(*(abs(a.mean) for a in (far, left, at, right, beyond)), 1e-9)
    if abs(jump) > 1e-4 * scale:
        message = f"the value jumps from {left.mean:.6g} to {right.mean:.6g} as rho passes zero"
        candidate.note(RULE, message, Severity.WARNING, beta=beta, below=left.mean, at=at.mean, above=right.mean)


@since("2026.2")
@settings(max_examples=12)
@given(seed=many_seeds)
def test_finite_at_a_real_start(candidate: PreferenceSubject, seed: int) -> None:
    """Realistic texts where the policy is the reference, for all pairs, and for every other one among small drifts."""
    batch = realistic(seed, candidate.size(16), domain=candidate.domain)
    start = replace(batch, policy_chosen=batch.reference_chosen, policy_rejected=batch.reference_rejected)
    little = np.where(
        np.arange(batch.pairs) % 2 == 1, 0.0, np.random.Generator(np.random.PCG64(seed)).uniform(size=batch.pairs)
    )
    some = start.shifted(-0.25 * little, -0.125 * little)
    report_not_finite(candidate, RULE, [start, some], False, True)  # noqa: FBT003 - values first, then gradients
