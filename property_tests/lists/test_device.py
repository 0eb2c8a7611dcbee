"""P516: CPU and GPU agree."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import SkipTest

from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.same import devices_agree
from harness.property_tests.common.strategies import free_sizes, seeds
from harness.property_tests.lists.strategies import counts, ranked

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P516",
    name="lists-device-agreement",
    severity=Severity.ERROR,
    summary="Where there is a GPU, it gives the same answers as the CPU, within rounding.",
    why=(
        "Training runs on the GPU. A tensor created on the CPU inside the loss fails there, and a function that "
        "differs between devices is not the one that was judged."
    ),
    fix="Create tensors like the inputs: torch.zeros_like(scores), torch.tensor(c, device=scores.device).",
    before="places = torch.arange(scores.shape[1])",
    after="places = torch.arange(scores.shape[1], device=scores.device)",
    introduced_in="lists-2026.1",
)


@settings(max_examples=20)
@given(size=free_sizes, count=counts, seed=seeds)
def test_devices_agree(candidate: ListSubject, size: int, count: int, seed: int) -> None:
    """The same batch on both devices; not run where there is no GPU, and the report says so."""
    if not candidate.oracle.has_gpu:
        raise SkipTest("no GPU on this host")
    devices_agree(candidate, RULE, ranked(candidate, size, count, seed))
