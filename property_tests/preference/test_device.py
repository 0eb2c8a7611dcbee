"""P316: CPU and GPU agree."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import SkipTest

from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import whole
from harness.property_tests.common.same import devices_agree
from harness.property_tests.editions import since
from harness.property_tests.preference.strategies import domain_batches, training_batches

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P316",
    name="device-agreement",
    severity=Severity.ERROR,
    summary="Where there is a GPU, it gives the same answers as the CPU, within rounding.",
    why=(
        "Training runs on the GPU. A tensor created on the CPU inside the loss fails there, and a function that "
        "differs between devices is not the one that was judged."
    ),
    fix="Create tensors like the inputs: torch.zeros_like(rho), torch.tensor(c, device=rho.device).",
    before="margin = torch.tensor([0.5])",
    after="margin = 0.5",
)


@settings(max_examples=20)
@given(batch=domain_batches(reach=10.0))
def test_devices_agree(candidate: PreferenceSubject, batch: PairBatch) -> None:
    """The same batch on both devices; not run where there is no GPU, and the report says so."""
    if not candidate.oracle.has_gpu:
        raise SkipTest("no GPU on this host")
    devices_agree(candidate, RULE, whole(candidate, batch))


@since("2026.2")
@settings(max_examples=20)
@given(batch=training_batches())
def test_devices_agree_in_training(candidate: PreferenceSubject, batch: PairBatch) -> None:
    """Realistic batches on both devices, as above."""
    if not candidate.oracle.has_gpu:
        raise SkipTest("no GPU on this host")
    devices_agree(candidate, RULE, whole(candidate, batch))
