"""P317: the smallest batch that a loss can work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.rows import works_on_small_batches

if TYPE_CHECKING:
    from harness.subject.preference import PreferenceSubject

#: The per-device batch of the DiscoPOP paper's recipe: a loss that needs more cannot run there.
RECIPE_BATCH = 2

RULE = Rule(
    id="P317",
    name="smallest-batch",
    severity=Severity.ERROR,
    summary="The loss works on batches of two pairs; needing two is a warning, needing more rejects.",
    why=(
        "Variances and standard deviations of a single value are NaN. The usual recipes put two pairs on a "
        "device, and the last batch of an epoch can be a single one: then the whole run is NaN."
    ),
    fix="Use statistics that exist for small batches, such as var(unbiased=False).",
    before="scale = torch.sigmoid(x.var())",
    after="scale = torch.sigmoid(x.var(unbiased=False))",
)


def test_works_on_small_batches(candidate: PreferenceSubject) -> None:
    """The smallest batch was found before; here it is judged."""
    works_on_small_batches(candidate, RULE, RECIPE_BATCH)
