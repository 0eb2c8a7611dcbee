"""P316: CPU and GPU agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.editions import since
from harness.property_tests.strategies import domain_batches, training_batches

if TYPE_CHECKING:
    from harness.protocol.batch import Batch
    from harness.subject.subject import Subject

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

TOLERANCE = 1e-3


@settings(max_examples=20)
@given(batch=domain_batches(reach=10.0))
def test_devices_agree(oracle: Subject, batch: Batch) -> None:
    """The same batch on both devices; not run where there is no GPU, and the report says so."""
    if not oracle.oracle.has_gpu:
        pytest.skip("no GPU on this host")
    _agree(oracle, batch)


@since("2026.2")
@settings(max_examples=20)
@given(batch=training_batches())
def test_devices_agree_in_training(oracle: Subject, batch: Batch) -> None:
    """Realistic batches on both devices, as above."""
    if not oracle.oracle.has_gpu:
        pytest.skip("no GPU on this host")
    _agree(oracle, batch)


def _agree(oracle: Subject, batch: Batch) -> None:
    whole = batch.take([i % batch.pairs for i in range(oracle.size(batch.pairs))])
    cpu, gpu = oracle.answer(whole), oracle.answer(whole, gpu=True)
    for name, one, other in (
        ("values", cpu.values, gpu.values),
        ("gradients", cpu.grad_chosen, gpu.grad_chosen),
        ("gradients", cpu.grad_rejected, gpu.grad_rejected),
    ):
        scale = max(float(np.abs(one).max()), 1e-6)
        if np.isfinite(scale) and not float(np.abs(one - other).max()) <= TOLERANCE * scale:
            raise oracle.broken(RULE, f"its {name} on the GPU differ from those on the CPU", whole)
