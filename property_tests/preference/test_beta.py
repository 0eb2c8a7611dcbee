"""P305: NaN probes over beta."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import CandidateFault
from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import scan
from harness.property_tests.common.strategies import fit_beta
from harness.property_tests.editions import since
from harness.protocol.batch import Complaint
from harness.subject.batches import batch_of
from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P305",
    name="beta-range",
    severity=Severity.ERROR,
    summary="Values and gradients are finite for every beta from 0.025 to 1, and not only for the usual ones.",
    why=(
        "Beta is tuned. A loss that works at 0.05 and gives NaN at 0.3 costs a sweep before anyone knows; the "
        "DiscoPOP paper reports such a collapse after full training runs."
    ),
    fix="Look for divisions, roots, logarithms and branches in beta that fail for some of its values.",
    before="return D(x) / torch.sqrt(torch.tensor(0.5 - beta))",
    after="return D(x) / (0.5 + beta)",
)

_RHO = np.array([-3.0, -1.0, -0.25, 0.0, 0.125, 0.5, 1.5, 4.0])
#: Betas are scanned in steps of two thousandths, in interleaved halves of this stride.
_STRIDE = 4


@given(half=st.integers(0, 2))
def test_finite_over_beta(candidate: PreferenceSubject, half: int) -> None:
    """All parts are always drawn; together they cover the domain, the last one between the thousandths."""
    rho = candidate.fill(_RHO)
    thousandths: list[float] = list(range(25 + 2 * half, 1001, _STRIDE))
    if half == 2:
        thousandths = [round(k + 4 * ((k * 0.6180339887) % 1.0), 4) for k in range(25, 996, _STRIDE)]
    batches = [batch_of(rho, fit_beta(k / 1000), seed=half) for k in thousandths]
    _scan_over_beta(candidate, batches)


@given(index=st.integers(0, 9))
def test_finite_over_the_paper_sweep(candidate: PreferenceSubject, index: int) -> None:
    """The betas of the paper's sweep that lie in the domain, and its two edges."""
    betas = (*candidate.domain.betas, candidate.domain.beta_low, candidate.domain.beta_high)
    rho, reach = candidate.fill(_RHO * (1 + index)), candidate.domain.reach
    _scan_over_beta(candidate, [batch_of(np.clip(rho, -reach / b, reach / b), b, seed=index) for b in betas])


def _scan_over_beta(candidate: PreferenceSubject, batches: list[PairBatch]) -> None:
    """Raise for a beta at fault. A margin that fails at every beta is left to the rules about margins."""
    try:
        scan(candidate, RULE, batches)
    except CandidateFault as fault:
        shown = fault.findings[0].counterexample or {}
        rho = shown.get("rho")
        if fault.findings[0].rule != RULE.id or not isinstance(rho, list):
            raise
        again = [batch_of(candidate.fill(np.array(rho, dtype=float)), b) for b in candidate.domain.betas]
        if any(not isinstance(a, Complaint) and a.finite_values and a.finite_gradients for a in candidate.ask(again)):
            raise


@since("2026.2")
@settings(max_examples=8)
@given(part=st.integers(0, 7))
def test_finite_over_beta_in_training(candidate: PreferenceSubject, part: int) -> None:
    """Realistic batches at betas on no grid, evenly spread over the domain's decades."""
    places = [((part + 8 * k) * 0.6180339887) % 1.0 for k in range(32)]
    betas = [fit_beta(round(0.025 * 40.0**place, 7)) for place in places]
    batches = [
        realistic(8192 + part + 8 * k, candidate.size(16), beta=beta, domain=candidate.domain)
        for k, beta in enumerate(betas)
    ]
    for batch, answer in zip(batches, candidate.ask(batches), strict=True):
        if isinstance(answer, Complaint) or not (answer.finite_values and answer.finite_gradients):
            # A pair that fails at every beta is left to the rules about margins, lengths and log-probabilities.
            again = candidate.ask([replace(batch, beta=beta) for beta in candidate.domain.betas])
            if any(not isinstance(a, Complaint) and a.finite_values and a.finite_gradients for a in again):
                scan(candidate, RULE, [batch])
