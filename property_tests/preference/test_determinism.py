"""P309: the same question, the same answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import whole
from harness.property_tests.common.same import answered_alike
from harness.property_tests.editions import since, until
from harness.property_tests.preference.strategies import domain_batches, training_batches

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

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


@until("2026.1")
@given(batch=domain_batches(reach=5.0))
def test_same_answer_again(candidate: PreferenceSubject, batch: PairBatch) -> None:
    """Four times in one request, and once more in the next."""
    answered_alike(candidate, RULE, batch, times=4)


@since("2026.2")
@given(batch=training_batches())
def test_same_answer_again_in_training(candidate: PreferenceSubject, batch: PairBatch) -> None:
    """Realistic batches: three times in one request, and once alone as training asks."""
    answered_alike(candidate, RULE, whole(candidate, batch), times=3, alone=True)
