"""P317: the smallest batch that a loss can work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.rules import Rule
from harness.core.verdict import Severity

if TYPE_CHECKING:
    from harness.subject.subject import Subject

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


def test_works_on_small_batches(oracle: Subject) -> None:
    """The smallest batch was found before; here it is judged."""
    smallest = oracle.smallest_batch
    if smallest == 1:
        return
    message = f"the smallest batch it works with is {smallest} pairs; smaller ones give NaN or an error"
    if smallest > RECIPE_BATCH:
        raise oracle.broken(RULE, message, oracle.probe(smallest - 1), smallest_batch=smallest)
    oracle.note(RULE, message, Severity.WARNING, **oracle.probe(1).as_counterexample(), smallest_batch=smallest)
