"""P405: the loss depends on the targets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import classes, free_sizes, labelled, seeds

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P405",
    name="depends-on-targets",
    severity=Severity.ERROR,
    summary="With other right classes the values are other ones.",
    why=(
        "A loss of the logits alone, such as their entropy, makes a network sure of whatever it says. The training "
        "curve falls as it should, and nothing is learnt."
    ),
    fix="Compare the logits with the targets.",
    before="return -(probabilities * log_probabilities).sum(dim=1)",
    after="return -log_probabilities.gather(1, targets[:, None])[:, 0]",
    introduced_in="classification-2026.1",
)


@settings(max_examples=10)
@given(size=free_sizes, count=classes, seed=seeds)
def test_other_targets_other_values(candidate: Classifier, size: int, count: int, seed: int) -> None:
    """All targets move on by one class."""
    batch = labelled(candidate, max(size, 8), count, seed, grid=0, dtype=np.float64)
    other = replace(batch, targets=(batch.targets + 1) % count)
    first, second = candidate.answers([batch, other])
    if first.finite_values and np.array_equal(first.values, second.values):
        raise candidate.broken(RULE, "another right class for every example changes no value", batch)
