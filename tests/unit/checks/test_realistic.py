"""Realistic batches are what they say, and stay inside the domain that they are drawn for."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from judging import DPO, Answering

from harness.checks.suite import Suite
from harness.core.domain import Domain
from harness.core.profiles import DEFAULT, load
from harness.subject.preference import PreferenceSubject
from harness.subject.realistic import EDGES, edges, exchange_drifts, realistic, well_ordered

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch

NARROW = Domain(beta_low=0.1, beta_high=0.3, reach=6.0)


def vectors(batch: PairBatch) -> list[np.ndarray]:
    return [v.astype(np.float64) for v in batch.tensors]


@pytest.mark.parametrize("make", [realistic, well_ordered, edges])
def test_the_same_arguments_give_the_same_bytes_in_another_process(make) -> None:
    code = f"from harness.subject.realistic import *; print({make.__name__}(3, 17).raw.hex())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert told == make(3, 17).raw.hex()
    assert make(3, 17).raw != make(4, 17).raw


@pytest.mark.parametrize("make", [realistic, well_ordered, edges])
@pytest.mark.parametrize("domain", [Domain(), NARROW, Domain(0.01, 5.0, 100.0)])
def test_nothing_lies_outside_the_domain_or_above_certainty(make, domain: Domain) -> None:
    for seed in range(200):
        batch = make(seed, 33, domain=domain)
        assert domain.beta_low <= batch.beta <= domain.beta_high
        assert np.abs(batch.beta * batch.rho).max() <= domain.reach
        assert max(v.max() for v in vectors(batch)[:4]) <= 0.0
        assert min(v.min() for v in vectors(batch)[4:]) >= 1.0
        assert all(np.isfinite(v).all() and np.array_equal(v, np.rint(v)) for v in vectors(batch)[4:])


def test_nobody_can_write_into_what_is_kept() -> None:
    with pytest.raises(ValueError, match="read-only"):
        realistic(1, 8).policy_chosen[0] = 0.0


@pytest.mark.parametrize("ordinary", [False, True])
def test_whatever_a_loss_goes_by_calls_the_well_ordered_well_ordered(*, ordinary: bool) -> None:
    for seed in range(200):
        batch = well_ordered(seed, 64, ordinary=ordinary, low=0.25, near=60.0 if ordinary else np.inf)
        pc, pr, rc, rr, lc, lr = vectors(batch)
        for margin in (
            pc - pr,
            batch.rho,
            (pc - pr) + (rc - rr),
            pc / lc - pr / lr,
            (pc - rc) / lc - (pr - rr) / lr,
            pc / lc**2 - pr / lr**2,
            (pc - rc) / lc**2 - (pr - rr) / lr**2,
            batch.beta * batch.rho - 0.05 * (lc - lr),
            (np.exp(-rc / lc / 2) - np.exp(-pc / lc / 2)) - (np.exp(-rr / lr / 2) - np.exp(-pr / lr / 2)),
        ):
            assert margin.min() > 0


def test_exchanged_drifts_keep_the_texts_and_turn_both_margins_round() -> None:
    for seed in range(50):
        right, wrong = exchange_drifts(well_ordered(seed, 64, dtype=np.float64), seed)
        assert all(a is b for a, b in zip(right.tensors[2:], wrong.tensors[2:], strict=True))
        assert (wrong.rho < right.rho).all()
        assert max(v.max() for v in vectors(wrong)[:4]) < 0
        pc, pr, rc, rr, lc, lr = vectors(right)
        tokens = (pc - rc) / lc - (pr - rr) / lr
        pc, pr, *_ = vectors(wrong)
        assert (np.abs((pc - rc) / lc - (pr - rr) / lr) >= -tokens - 1e-9).all()


def test_training_is_covered() -> None:
    """The kinds of pairs that were missing before: both fall, references differ, lengths differ, sizes."""
    pairs = np.concatenate([np.stack(vectors(realistic(seed, 64))) for seed in range(64)], axis=1)
    pc, pr, rc, rr, lc, lr = pairs
    both = (pc - rc < -1) & (pr - rr < -1)
    assert 0.3 < both.mean() < 0.6
    assert (np.abs(rc - rr) > 0.3 * np.abs(pc - rc - pr + rr)).mean() > 0.5
    assert ((lc / lr > 1.3) | (lc / lr < 0.75)).mean() > 0.3
    ordered = np.concatenate([np.stack(vectors(well_ordered(seed, 64))) for seed in range(64)], axis=1)
    pc, pr, rc, rr, lc, lr = ordered
    assert ((pc - rc < -1) & (pr - rr < -1)).mean() > 0.3
    assert (np.abs(rc - rr) > 0.3 * (pc - rc - pr + rr)).mean() > 0.4
    # Published penalties and means set bounds to lengths that are exchanged; where lengths stay, they are free.
    assert (lc / lr > 1.3).mean() > 0.05
    assert (lc / lr < 0.9).mean() > 0.05
    moved = [exchange_drifts(well_ordered(seed, 64, dtype=np.float64), seed)[0] for seed in range(64)]
    ratio = np.concatenate([each.chosen_lengths / each.rejected_lengths for each in moved])
    assert (ratio > 1.3).mean() > 0.1
    assert (ratio < 0.75).mean() > 0.3


def test_each_edge_is_there() -> None:
    pc, pr, rc, rr, lc, lr = vectors(edges(0, len(EDGES)))
    assert (pc[0], pr[1], pc[2], pr[3]) == (0.0, 0.0, np.float32(-1e-8), np.float32(-1e-8))
    assert pc[4] == pr[4] == rc[4] == rr[4] == 0.0
    assert lc[5] == lr[5] == 1.0
    assert (pc[6], rc[6], lc[6]) == (pr[6], rr[6], lr[6])
    assert (pc[7], pr[7]) == (rc[7], rr[7])


class Recording(Answering):
    """DPO, which keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(DPO)
        self.asked: list[PairBatch] = []

    def ask(self, batches, **named):
        self.asked += batches
        return super().ask(batches, **named)

    def alone(self, batches):
        return self.ask(batches)


@pytest.mark.rest
@pytest.mark.parametrize("domain", [NARROW, Domain(0.2, 0.2, 4.0), Domain(0.05, 0.1, 1.5)])
def test_a_narrower_domain_narrows_what_is_asked(monkeypatch: pytest.MonkeyPatch, domain: Domain) -> None:
    profile = load(DEFAULT)
    monkeypatch.setattr(type(profile), "domain", property(lambda _: domain))
    oracle = Recording()

    suite = Suite(profile, 0)
    outcome = suite(PreferenceSubject(oracle, domain))
    assert not outcome.findings
    assert len(oracle.asked) > 3000
    betas = {b.beta for b in oracle.asked}
    assert min(betas) >= domain.beta_low * (1 - 1e-9)
    assert max(betas) <= domain.beta_high * (1 + 1e-9)
    # Steps of finite differences lead a little beyond an end.
    assert max(float(np.abs(b.beta * b.rho).max()) for b in oracle.asked) <= domain.reach + 0.26
