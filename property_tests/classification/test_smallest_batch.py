"""P417: the smallest batch that a loss can work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.rows import works_on_small_batches

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

#: What a statistic of several examples may need. The last batch of an epoch can be smaller than the others.
ALLOWED = 2

RULE = Rule(
    id="P417",
    name="labelled-smallest-batch",
    severity=Severity.ERROR,
    summary="The loss works on batches of two examples; needing two is a warning, needing more rejects.",
    why=(
        "Variances of a single value are NaN, and the last batch of an epoch can be a single example: then the "
        "whole run is NaN."
    ),
    fix="Use statistics that exist for small batches, such as var(unbiased=False).",
    before="return losses / losses.std()",
    after="return losses / (1 + losses.std(unbiased=False))",
    introduced_in="classification-2026.1",
)


def test_works_on_small_batches(candidate: Classifier) -> None:
    """The smallest batch was found before; here it is judged."""
    works_on_small_batches(candidate, RULE, ALLOWED)
