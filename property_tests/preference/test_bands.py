"""P314: no narrow band of margins in which the loss breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import scan
from harness.property_tests.common.strategies import fit_beta
from harness.property_tests.editions import since, until
from harness.protocol.batch_types import PairBatch
from harness.subject.batches import chunks, margins, natural, plain
from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from harness.subject.preference import PreferenceSubject

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
@given(index=st.integers(0, 5))
def test_dense_scan(candidate: PreferenceSubject, index: int) -> None:
    """Every 1/16 nat up to 20, every 1/4 nat beyond, at each of the sweep's betas."""
    betas = (0.1, 0.05, 0.5, 1.0, 0.25, 0.025)
    beta = fit_beta(betas[index])
    batches = [
        plain(candidate.fill(piece), beta, progress=index % 3 / 2)
        for piece in chunks(margins(beta, candidate.domain.reach), _CHUNK)
    ]
    scan(candidate, RULE, batches, "in a scan of neighbouring margins")


#: Pairs of one batch of the joint scan, and its batches in one request.
_PAIRS, _BETAS = 256, 32


@settings(max_examples=8)
@given(part=st.integers(0, 7))
def test_joint_scan(candidate: PreferenceSubject, part: int) -> None:
    """All at once and on no grid: beta, rho, progress, lengths, references; ties and one-sided batches too."""
    batches = []
    for step in range(_BETAS):
        place = _BETAS * part + step
        draw = np.random.Generator(np.random.PCG64([place, 3]))
        beta = fit_beta(round(0.025 * 40 ** ((place * 0.6180339887) % 1.0), 7))
        x = draw.uniform(-1.0, 1.0, size=_PAIRS) * np.repeat([12.0 * beta, 4.0, candidate.domain.reach], (128, 64, 64))
        x = np.clip(x, -candidate.domain.reach, candidate.domain.reach)
        x = (x, np.abs(x), -np.abs(x))[place % 3]
        batch = natural(x, beta, seed=place, progress=round((place + 0.5) / 256, 6))
        batches.append(_with_ties(batch, candidate.domain.reach) if place % 2 else batch)
    sizes = [max(candidate.smallest_batch, n) for n in np.resize((_PAIRS, 100, _PAIRS, 9, 4), len(batches))]
    batches = [b.take(np.arange(_PAIRS)[:n]) for b, n in zip(batches, sizes, strict=True)]
    scan(candidate, RULE, batches, "among pairs on no grid")


def _with_ties(batch: PairBatch, reach: float) -> PairBatch:
    """Two of a pair's log-probabilities made equal, in each of the ways there are, where that stays in the domain."""
    pc, pr, rc, rr = (v.copy() for v in batch.tensors[:4])
    pc[0::4], pc[1::4], pr[2::4], rc[3::4] = pr[0::4], rc[1::4], rr[2::4], rr[3::4]
    tied = replace(batch, policy_chosen=pc, policy_rejected=pr, reference_chosen=rc, reference_rejected=rr)
    inside = np.abs(tied.rho) * batch.beta <= reach
    vectors = (np.where(inside, new, old) for new, old in zip(tied.tensors, batch.tensors, strict=True))
    return PairBatch.of(vectors, batch.beta, batch.progress)


@until("2026.1")
def test_every_batch_size(candidate: PreferenceSubject) -> None:
    """A ladder of batch sizes, for a loss that fails at one of them."""
    sizes = [n for n in (*range(1, 101), 127, 128, 129, 192, 256, 320) if n >= candidate.smallest_batch]
    batches = [natural(np.linspace(-4.0, 4.0, n), candidate.domain.usual, seed=n) for n in sizes]
    scan(candidate, RULE, batches, "in one of many batch sizes")


@given(offset=st.integers(0, 15))
def test_fine_scan(candidate: PreferenceSubject, offset: int) -> None:
    """Between the points of the dense scan: every 1/256 nat around small margins."""
    rho = (np.arange(-160, 160) + offset / 16) / 16
    order = np.argsort(np.abs(rho), kind="stable")
    betas = [fit_beta(beta) for beta in (0.1, 0.05, 0.5, 1.0)]
    near = rho[order][np.abs(rho[order]) * max(betas) <= candidate.domain.reach]
    batches = [plain(candidate.fill(near), beta) for beta in betas]
    scan(candidate, RULE, batches, "between the points of a fine grid")


@since("2026.2")
@settings(max_examples=16)
@given(part=st.integers(0, 15))
def test_every_size_to_a_thousand(candidate: PreferenceSubject, part: int) -> None:
    """Realistic batches of every size up to 1,024: every sixteenth in one example, all of them in all."""
    sizes = [n for n in range(1 + part, 1025, 16) if n >= candidate.smallest_batch]
    batches = [realistic(4096 + n, n, domain=candidate.domain) for n in sizes]
    scan(candidate, RULE, batches, "in one of many batch sizes")
