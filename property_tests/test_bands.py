"""P314: no narrow band of margins in which the loss breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.batches import chunks, margins, plain
from harness.rules import Rule
from harness.verdict import Severity
from property_tests.scan import scan

if TYPE_CHECKING:
    from harness.judge.subject import Subject

RULE = Rule(
    id="P314",
    name="narrow-bands",
    severity=Severity.ERROR,
    summary="A dense scan of rho over the operating domain meets no NaN and no infinity.",
    why=(
        "Random probes miss a band that is a nat wide; a training run of a million pairs does not. Branches, "
        "inverse trigonometric functions and roots of differences have such bands."
    ),
    fix="Guard the branch or the argument that leaves its range at the margins named here.",
    before="return torch.acos(rho / 3.1)",
    after="return torch.acos((rho / 3.1).clamp(-0.999, 0.999))",
)

_CHUNK = 512


@settings(max_examples=6)
@given(index=st.integers(0, 5), progress=st.integers(0, 2))
def test_dense_scan(oracle: Subject, index: int, progress: int) -> None:
    """Every 1/16 nat up to 20, every 1/4 nat beyond, at one of the sweep's betas."""
    betas = (0.1, 0.05, 0.5, 1.0, 0.25, 0.025)
    beta = betas[index]
    batches = [
        plain(oracle.fill(piece), beta, progress=progress / 2)
        for piece in chunks(margins(beta, oracle.domain.reach), _CHUNK)
    ]
    scan(oracle, RULE, batches, "{what} at rho {rho}, beta {beta}, in a scan of neighbouring margins")


@given(index=st.integers(0, 3), offset=st.integers(0, 15))
def test_fine_scan(oracle: Subject, index: int, offset: int) -> None:
    """Between the points of the dense scan: every 1/256 nat around small margins."""
    beta = (0.1, 0.05, 0.5, 1.0)[index]
    rho = (np.arange(-160, 160) + offset / 16) / 16
    order = np.argsort(np.abs(rho), kind="stable")
    batch = plain(oracle.fill(rho[order]), beta)
    scan(oracle, RULE, [batch], "{what} at rho {rho}, beta {beta}, between the points of a fine grid")
