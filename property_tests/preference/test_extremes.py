"""P313: the extremes that real runs reach."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import report_asked_elsewhere, scan
from harness.property_tests.common.strategies import fit_reach, many_seeds, progresses, sweep
from harness.property_tests.editions import since
from harness.protocol.batch_types import PairBatch
from harness.subject.realistic import EDGES, edges

if TYPE_CHECKING:
    from harness.subject.preference import PreferenceSubject

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

#: Tokens, and nats per token: one-token answers to very long ones, sure of every word to driven far away.
TOKENS = (1, 4, 60, 600, 2000, 4096)
NATS = (0.01, 0.5, 2.5, 100.0)
#: The deepest log-probability of a completion that is asked for, in nats.
DEEPEST = 5000.0


@settings(max_examples=4)
@given(beta=sweep, drift=st.integers(-4, 4), progress=progresses)
def test_finite_at_the_extremes(candidate: PreferenceSubject, beta: float, drift: int, progress: float) -> None:
    """Every combination of lengths and nats, with the policy some way from the reference, inside the domain."""
    batches = [
        _batch(candidate.size(2), chosen, rejected, nats, drift / beta, beta, progress)
        for nats in NATS
        for chosen, rejected in itertools.product(TOKENS, TOKENS)
    ]
    scan(candidate, RULE, batches, "a pair of extreme log-probabilities or lengths")


def _batch(pairs: int, chosen: int, rejected: int, nats: float, rho: float, beta: float, progress: float) -> PairBatch:
    """Equal lengths and nats throughout, a little spread; rho is taken from the side that has room."""
    rho = float(np.clip(rho, -fit_reach(np.inf) / beta, fit_reach(np.inf) / beta))
    spread = 1.0 - 0.125 * np.arange(pairs) / pairs
    lengths = np.full(pairs, float(chosen)), np.full(pairs, float(rejected))
    reference = [-np.minimum(nats * n, DEEPEST) * spread for n in lengths]
    vectors = (reference[0] - max(-rho, 0.0), reference[1] - max(rho, 0.0), *reference, *lengths)
    return PairBatch.of((v.astype(np.float32) for v in vectors), beta, progress)


@since("2026.2")
@settings(max_examples=12)
@given(seed=many_seeds)
def test_finite_at_the_edges(candidate: PreferenceSubject, seed: int) -> None:
    """Completions that the model is certain of, of one token, equal ones; in a mix, and each kind by itself."""
    mixed = [edges(seed + size, candidate.size(size), domain=candidate.domain) for size in (len(EDGES), 1, 2, 64)]
    pairs = [mixed[0].take([place] * candidate.smallest_batch) for place in range(len(EDGES))]
    scan(
        candidate,
        RULE,
        [*pairs, *mixed],
        "at an edge of the inputs: certain, one-token or equal completions",
    )


@since("2026.2")
def test_nothing_that_was_asked_is_not_finite(candidate: PreferenceSubject) -> None:
    """Whatever the properties before this one asked inside the domain: none of them judges what is not finite."""
    report_asked_elsewhere(candidate, RULE)
