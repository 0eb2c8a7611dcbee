"""P313: the extremes that real runs reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.oracle.batch import Batch
from harness.rules import Rule
from harness.verdict import Severity
from property_tests.scan import scan
from property_tests.strategies import sweep

if TYPE_CHECKING:
    from harness.judge.subject import Subject

RULE = Rule(
    id="P313",
    name="realistic-extremes",
    severity=Severity.ERROR,
    summary="Values and gradients are finite for log-probabilities down to -5000 and for very short or long texts.",
    why=(
        "A completion of 2,000 tokens has a log-probability of some thousands below zero, and its exponential "
        "is zero in every floating-point format. Losses that leave the log domain fail on the longest texts first."
    ),
    fix="Stay in the log domain, or divide by the completion's length before you exponentiate.",
    before="p = policy_chosen_logps.exp(); return -torch.log(p / (p + q))",
    after="return -F.logsigmoid(policy_chosen_logps - policy_rejected_logps)",
)

#: Tokens and nats per token: one-token answers to very long ones, sure of every word to clueless.
TOKENS = (1, 4, 60, 600, 2000)
NATS = (0.01, 0.5, 2.5)


@given(
    chosen=st.sampled_from(TOKENS),
    rejected=st.sampled_from(TOKENS),
    nats=st.sampled_from(NATS),
    beta=sweep,
    drift=st.integers(-8, 8),
)
def test_finite_at_the_extremes(
    oracle: Subject, chosen: int, rejected: int, nats: float, beta: float, drift: int
) -> None:
    """Long against short completions, with the policy some way from the reference, inside the domain."""
    pairs = oracle.size(2)
    lengths = np.full(pairs, float(chosen)), np.full(pairs, float(rejected))
    spread = 1.0 + 0.125 * np.arange(pairs) / pairs
    reference = -nats * lengths[0] * spread, -nats * lengths[1] * spread
    rho = drift * min(4.0, 0.1 * oracle.domain.reach) / beta / 2
    # The shift may leave no log-probability above zero, so it takes from whichever side has room.
    down_chosen, down_rejected = max(-rho, 0.0), max(rho, 0.0)
    room = 5000.0 - nats * 2.0 * max(chosen, rejected)
    if max(down_chosen, down_rejected) > max(room, 0.0):
        return
    vectors = (reference[0] - down_chosen, reference[1] - down_rejected, *reference, *lengths)
    batch = Batch(*(v.astype(np.float32) for v in vectors), beta=beta)
    scan(oracle, RULE, [batch], "{what} for log-probabilities " + _range(batch) + " at beta {beta}")


def _range(batch: Batch) -> str:
    low = min(float(v.min()) for v in batch.vectors[:4])
    high = max(float(v.max()) for v in batch.vectors[:4])
    return f"from {low:g} to {high:g}"
