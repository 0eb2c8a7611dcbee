"""P302: finite values in the operating domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import report_not_finite
from harness.property_tests.editions import since
from harness.property_tests.preference.strategies import domain_batches, training_batches

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P302",
    name="finite-value",
    severity=Severity.ERROR,
    summary="Every value is finite for beta from 0.025 to 1 and |beta rho| up to 50.",
    why=(
        "One NaN or infinity in one batch ends a training run, often hours in. Margins of this size occur: "
        "sequence log-probabilities are sums over hundreds of tokens."
    ),
    fix="Replace exp, log and division by forms that stay finite: F.logsigmoid, F.softplus, torch.clamp.",
    before="return torch.log(1 + torch.exp(-beta * rho))",
    after="return F.softplus(-beta * rho)",
)


@given(batch=domain_batches())
def test_values_are_finite(candidate: PreferenceSubject, batch: PairBatch) -> None:
    """No NaN and no infinity among the values."""
    report_not_finite(candidate, RULE, [batch], False)  # noqa: FBT003 - see there


@since("2026.2")
@given(batch=training_batches())
def test_values_are_finite_in_training(candidate: PreferenceSubject, batch: PairBatch) -> None:
    """The same where training lives: realistic batches of up to 1,024 pairs."""
    report_not_finite(candidate, RULE, [batch], False)  # noqa: FBT003 - see there
