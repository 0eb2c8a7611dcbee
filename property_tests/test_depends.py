"""P307: the loss depends on both completions of a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given

from harness.judge.batches import natural
from harness.rules import Rule
from harness.verdict import Severity
from property_tests.strategies import free_betas, free_progresses, free_sizes, seeds

if TYPE_CHECKING:
    from harness.judge.subject import Subject

RULE = Rule(
    id="P307",
    name="depends-on-the-pair",
    severity=Severity.ERROR,
    summary="Value and gradient depend on the chosen and on the rejected log-probability.",
    why=(
        "A constant trains nothing; a loss of the chosen completion alone is imitation, and one of the rejected "
        "alone pushes all text away. Both look healthy in a log: they are finite and they do not crash."
    ),
    fix="Use both policy log-probabilities, and keep them attached to the graph.",
    before="return -policy_chosen_logps",
    after="return -F.logsigmoid(beta * (policy_chosen_logps - policy_rejected_logps))",
)


#: A side whose gradient is this much smaller than the other's is not trained on.
NEGLIGIBLE = 1e-4


@given(beta=free_betas, seed=seeds, progress=free_progresses, size=free_sizes)
def test_depends_on_both(oracle: Subject, beta: float, seed: int, progress: float, size: int) -> None:
    """Over a spread of margins some pair has a gradient, on either side, and moving it changes a value."""
    pairs = oracle.size(max(size, 8))
    x = np.linspace(-3.0, 3.0, pairs)
    batch = natural(x, beta, seed=seed, progress=progress, dtype=np.float64)
    step = 0.25 / beta
    base, chosen, rejected = oracle.answers([batch, batch.shifted(step, 0.0), batch.shifted(0.0, -step)])
    if base.detached:
        raise oracle.broken(RULE, "it does not depend on the policy's log-probabilities at all", batch)
    for name, gradient, moved in (
        ("chosen", base.grad_chosen, chosen),
        ("rejected", base.grad_rejected, rejected),
    ):
        # Pair by pair: one pair's gradient may be many orders of magnitude above another's.
        larger = np.maximum(np.abs(base.grad_chosen), np.abs(base.grad_rejected))
        if base.finite_gradients and not (np.abs(gradient) > NEGLIGIBLE * larger).any():
            raise oracle.broken(RULE, f"no pair has a gradient with respect to its {name} completion", batch)
        if base.finite_values and np.array_equal(base.values, moved.values):
            raise oracle.broken(RULE, f"moving every {name} completion changes no value", batch)
