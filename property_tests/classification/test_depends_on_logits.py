"""P407: the loss depends on every logit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import classes, free_sizes, labelled, seeds

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P407",
    name="depends-on-logits",
    severity=Severity.ERROR,
    summary="Value and gradient depend on the logit of the right class and on those of the others.",
    why=(
        "A constant trains nothing, and neither does a count of mistakes: argmax has no gradient. A loss of the right "
        "logit alone raises all logits without end. All of them look healthy in a log: finite, and no crash."
    ),
    fix="Use all logits, and keep them attached to the graph; replace argmax by softmax.",
    before="return (logits.argmax(dim=1) != targets).float()",
    after="return 1 - torch.softmax(logits, dim=1).gather(1, targets[:, None])[:, 0]",
    introduced_in="classification-2026.1",
)

#: A side whose gradient is this much smaller than the other's is not trained on.
NEGLIGIBLE = 1e-6


@settings(max_examples=15)
@given(size=free_sizes, count=classes, seed=seeds)
def test_depends_on_right_and_wrong_classes(candidate: Classifier, size: int, count: int, seed: int) -> None:
    """Over ordinary logits some example has a gradient on either side, and moving that side changes a value."""
    batch = labelled(candidate, max(size, 8), count, seed, reach=2.0, grid=0, dtype=np.float64)
    right = np.arange(count)[None] == batch.targets[:, None]
    base, *moved = candidate.answers([batch, batch.moved(0.25 * right), batch.moved(0.25 * ~right)])
    if base.detached:
        raise candidate.broken(RULE, "it does not depend on the logits at all", batch)
    largest = np.abs(base.gradient).max(initial=0.0)
    for name, side, other in (("the right class", right, moved[0]), ("the wrong classes", ~right, moved[1])):
        if base.finite_gradients and not (np.abs(base.gradient[side]) > NEGLIGIBLE * largest).any():
            raise candidate.broken(RULE, f"no example has a gradient with respect to the logit of {name}", batch)
        if base.finite_values and np.array_equal(base.values, other.values):
            raise candidate.broken(RULE, f"moving the logits of {name} changes no value", batch)
