"""P307: the loss depends on both completions of a pair."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.strategies import free_betas, free_progresses, free_sizes, many_seeds, seeds
from harness.property_tests.editions import since, until
from harness.protocol.batch_types import PairBatch
from harness.subject.batches import natural
from harness.subject.realistic import well_ordered

if TYPE_CHECKING:
    from harness.protocol.batch import Answer
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P307",
    name="depends-on-the-pair",
    severity=Severity.ERROR,
    summary="Value and gradient depend on the chosen and on the rejected log-probability.",
    why=(
        "A constant trains nothing; a loss of the chosen completion alone is imitation, and one of the rejected "
        "alone pushes all text away. Both look healthy in a log: they are finite and they do not crash. A loss may "
        "begin as imitation and move on with `progress`: over half of the course of training both have to count."
    ),
    fix="Use both policy log-probabilities, and keep them attached to the graph.",
    before="return -policy_chosen_logps",
    after="return -F.logsigmoid(beta * (policy_chosen_logps - policy_rejected_logps))",
)


#: A side whose gradient is this much smaller than the other's is not trained on.
NEGLIGIBLE = 1e-4


@until("2026.1")
@given(beta=free_betas, seed=seeds, progress=free_progresses, size=free_sizes)
def test_depends_on_both(candidate: PreferenceSubject, beta: float, seed: int, progress: float, size: int) -> None:
    """Over a spread of margins some pair has a gradient, on either side, and moving it changes a value."""
    pairs = candidate.size(max(size, 8))
    x = np.linspace(-3.0, 3.0, pairs)
    batch = natural(x, beta, seed=seed, progress=progress, dtype=np.float64)
    step = 0.25 / beta
    base, chosen, rejected = candidate.answers([batch, batch.shifted(step, 0.0), batch.shifted(0.0, -step)])
    if base.detached:
        raise candidate.broken(RULE, "it does not depend on the policy's log-probabilities at all", batch)
    for name, gradient, moved in (
        ("chosen", base.grad_chosen, chosen),
        ("rejected", base.grad_rejected, rejected),
    ):
        # Pair by pair: one pair's gradient may be many orders of magnitude above another's.
        larger = np.maximum(np.abs(base.grad_chosen), np.abs(base.grad_rejected))
        if base.finite_gradients and not (np.abs(gradient) > NEGLIGIBLE * larger).any():
            raise candidate.broken(RULE, f"no pair has a gradient with respect to its {name} completion", batch)
        if base.finite_values and np.array_equal(base.values, moved.values):
            raise candidate.broken(RULE, f"moving every {name} completion changes no value", batch)


#: Points of the course of training, from its start to its end.
COURSE = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


@since("2026.2")
@settings(max_examples=20)
@given(seed=many_seeds, size=free_sizes)
def test_depends_on_both_over_the_course(candidate: PreferenceSubject, seed: int, size: int) -> None:
    """Clearly right and clearly wrong pairs: at most points of the course both completions have gradients."""
    right = well_ordered(
        seed, candidate.size(max(size, 8)), low=0.25, high=3.0, domain=candidate.domain, dtype=np.float64
    )
    odd = np.arange(right.pairs) % 2 == 1
    mixed = (np.where(odd, *both) for both in zip(right.swapped().tensors, right.tensors, strict=True))
    batch = PairBatch.of(mixed, right.beta)
    course = [replace(batch, progress=p) for p in COURSE]
    step = 0.25 / batch.beta
    moves = [each for b in course for each in (b, b.shifted(-step, 0.0), b.shifted(0.0, -step))]
    answers = candidate.answers(moves)
    lacking: list[tuple[str, PairBatch]] = []
    for place, at in enumerate(course):
        base, chosen, rejected = answers[3 * place : 3 * place + 3]
        if what := _lacks(base, chosen, rejected):
            lacking.append((what, at))
    if len(lacking) > len(COURSE) / 2:
        raise candidate.broken(
            RULE, f"{lacking[-1][0]}, at {len(lacking)} of {len(COURSE)} points of the training", lacking[-1][1]
        )


def _lacks(base: Answer, chosen: Answer, rejected: Answer) -> str:
    """What the loss does not depend on, in words; empty where it depends on both completions."""
    if base.detached:
        return "it does not depend on the policy's log-probabilities at all"
    larger = np.maximum(np.abs(base.grad_chosen), np.abs(base.grad_rejected))
    for name, gradient, moved in (("chosen", base.grad_chosen, chosen), ("rejected", base.grad_rejected, rejected)):
        if base.finite_gradients and not (np.abs(gradient) > NEGLIGIBLE * larger).any():
            return f"no pair has a gradient with respect to its {name} completion"
        if base.finite_values and np.array_equal(base.values, moved.values):
            return f"moving every {name} completion changes no value"
    return ""
