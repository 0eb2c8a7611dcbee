"""P309: the same question, the same answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.editions import since, until
from harness.property_tests.same import difference
from harness.property_tests.strategies import domain_batches, training_batches

if TYPE_CHECKING:
    from harness.protocol.batch import Batch
    from harness.subject.subject import Subject

RULE = Rule(
    id="P309",
    name="deterministic",
    severity=Severity.ERROR,
    summary="The same batch gives the same bits, every time.",
    why=(
        "A loss with noise cannot be reproduced, compared on paired seeds, or verified; uninitialised memory "
        "looks like noise and is worse."
    ),
    fix="Remove random numbers, uninitialised tensors (torch.empty) and anything that counts calls.",
    before="return losses + 0.01 * torch.randn_like(losses)",
    after="return losses",
)


@given(batch=domain_batches(reach=5.0))
def test_same_answer_again(oracle: Subject, batch: Batch) -> None:
    """Four times in one request, and once more in the next."""
    first, *others = oracle.answers([batch] * 4)
    others.append(oracle.answer(batch))
    for other in others:
        if what := difference(first, other):
            raise oracle.broken(RULE, f"the same batch gave different {what} when asked again", batch)


@since("2026.2")
@given(batch=training_batches())
def test_same_answer_again_in_training(oracle: Subject, batch: Batch) -> None:
    """Realistic batches: three times in one request, and once alone as training asks."""
    whole = batch.take([i % batch.pairs for i in range(oracle.size(batch.pairs))])
    first, *others = oracle.answers([whole] * 3)
    for other in (*others, *oracle.alone([whole])):
        if what := difference(first, other):
            raise oracle.broken(RULE, f"the same batch gave different {what} when asked again", whole)


until("2026.1")(test_same_answer_again)  # the test above takes its place
