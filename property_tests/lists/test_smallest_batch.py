"""P517: the smallest batch that a loss can work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.rows import works_on_small_batches

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P517",
    name="lists-smallest-batch",
    severity=Severity.ERROR,
    summary="The loss works on batches of two lists; needing two is a warning, needing more rejects.",
    why=(
        "Variances of a single value are NaN. Lists are long, so that a device often holds one or two of them, and "
        "the last batch of an epoch can be a single one: then the whole run is NaN."
    ),
    fix="Use statistics that exist for small batches, such as var(unbiased=False).",
    before="return losses / losses.std()",
    after="return losses / (1 + losses.std(unbiased=False))",
    introduced_in="lists-2026.1",
)

#: What a statistic of several lists may need.
ALLOWED = 2


def test_works_on_small_batches(candidate: ListSubject) -> None:
    """The smallest batch was found before; here it is judged."""
    works_on_small_batches(candidate, RULE, ALLOWED)
