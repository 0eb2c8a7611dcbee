"""P311: the inputs come back as they went in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import whole
from harness.property_tests.common.same import inputs_unchanged
from harness.property_tests.common.strategies import free_sizes
from harness.property_tests.editions import since, until
from harness.property_tests.preference.strategies import domain_batches, training_batches
from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P311",
    name="pure",
    severity=Severity.ERROR,
    summary="The loss leaves its arguments as they are, byte by byte.",
    why=(
        "The trainer uses the same tensors again, for its metrics and for other terms of the loss. A change in "
        "place corrupts them silently, and PyTorch's own version counter does not notice all of them."
    ),
    fix="Use the operation without the trailing underscore: it returns a new tensor.",
    before="policy_chosen_logps.clamp_(min=-100)",
    after="chosen = policy_chosen_logps.clamp(min=-100)",
)

#: Sizes of which none is left to chance.
_SIZES = (*range(1, 101), 127, 128, 129, 192, 255, 256, 257, 320, 511, 512, 513, 768, 1000, 1023, 1024)


@until("2026.1")
@given(batch=domain_batches(pairs=free_sizes))
def test_inputs_are_unchanged(candidate: PreferenceSubject, batch: PairBatch) -> None:
    """All six vectors are compared as bytes after the call."""
    inputs_unchanged(candidate, RULE, [whole(candidate, batch)])


@since("2026.2")
@given(batch=training_batches())
def test_inputs_are_unchanged_in_training(candidate: PreferenceSubject, batch: PairBatch) -> None:
    """The same for realistic batches."""
    inputs_unchanged(candidate, RULE, [whole(candidate, batch)])


@since("2026.2")
@settings(max_examples=4)
@given(part=st.integers(0, 3))
def test_inputs_are_unchanged_in_every_size(candidate: PreferenceSubject, part: int) -> None:
    """Realistic batches of every size up to 100 and of those that training has: every fourth in one example."""
    sizes = [n for n in _SIZES[part::4] if n >= candidate.smallest_batch]
    inputs_unchanged(candidate, RULE, [realistic(8192 + n, n, domain=candidate.domain) for n in sizes])
