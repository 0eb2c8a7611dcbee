"""P303: finite gradients in the operating domain."""

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
    id="P303",
    name="finite-gradient",
    severity=Severity.ERROR,
    summary="Every gradient is finite for beta from 0.025 to 1 and |beta rho| up to 50.",
    why=(
        "torch.where and torch.clamp hide a NaN in the value and let it through in the gradient, because "
        "both branches are differentiated. The optimizer then writes NaN into every weight."
    ),
    fix="Make the argument safe before the operation, and not its result afterwards (the double-where trick).",
    before="return torch.where(z > 0, torch.sqrt(z), 0 * z)",
    after="return torch.where(z > 0, torch.sqrt(torch.where(z > 0, z, 1.0)), 0 * z)",
)


@given(batch=domain_batches())
def test_gradients_are_finite(candidate: PreferenceSubject, batch: PairBatch) -> None:
    """No NaN and no infinity among the gradients of either log-probability."""
    report_not_finite(candidate, RULE, [batch], True)  # noqa: FBT003 - see there


@since("2026.2")
@given(batch=training_batches())
def test_gradients_are_finite_in_training(candidate: PreferenceSubject, batch: PairBatch) -> None:
    """The same where training lives: realistic batches of up to 1,024 pairs."""
    report_not_finite(candidate, RULE, [batch], True)  # noqa: FBT003 - see there
