"""P416: CPU and GPU agree."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import SkipTest

from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import classes, free_sizes, labelled, seeds
from harness.property_tests.common.same import devices_agree

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P416",
    name="labelled-device-agreement",
    severity=Severity.ERROR,
    summary="Where there is a GPU, it gives the same answers as the CPU, within rounding.",
    why=(
        "Training runs on the GPU. A tensor created on the CPU inside the loss fails there, and a function that "
        "differs between devices is not the one that was judged."
    ),
    fix="Create tensors like the inputs: torch.zeros_like(logits), torch.tensor(c, device=logits.device).",
    before="rows = torch.arange(len(targets))",
    after="rows = torch.arange(len(targets), device=targets.device)",
    introduced_in="classification-2026.1",
)


@settings(max_examples=20)
@given(size=free_sizes, count=classes, seed=seeds)
def test_devices_agree(candidate: Classifier, size: int, count: int, seed: int) -> None:
    """The same batch on both devices; not run where there is no GPU, and the report says so."""
    if not candidate.oracle.has_gpu:
        raise SkipTest("no GPU on this host")
    devices_agree(candidate, RULE, labelled(candidate, size, count, seed))
