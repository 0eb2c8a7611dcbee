"""Batches of preference pairs: possible log-probabilities, the margins asked for, the same bytes each time."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.protocol.batch import MAX_NUMBERS
from harness.protocol.batch_types import PairBatch
from harness.subject.batches import NATS_PER_TOKEN, batch_of, chunks, margins, plain, separated, start_of_training

quiet = settings(max_examples=100, derandomize=True, database=None, deadline=None)
rhos = st.lists(st.integers(-32000, 32000).map(lambda k: k / 16), min_size=1, max_size=12)


def check_possible(batch: PairBatch) -> None:
    for vector in batch.tensors[:4]:
        assert np.isfinite(vector).all()
        assert (vector <= 0).all()
    for lengths in batch.tensors[4:]:
        assert (lengths >= 1).all()
        assert (lengths == np.round(lengths)).all()


@quiet
@given(rho=rhos, beta=st.floats(0.025, 1.0), seed=st.integers(0, 255), double=st.booleans())
def test_drawn_batches_are_possible_and_have_their_margins(
    rho: list[float], beta: float, seed: int, *, double: bool
) -> None:
    batch = batch_of(rho, beta, seed=seed, dtype=np.float64 if double else np.float32)
    check_possible(batch)
    assert batch.beta == beta
    assert batch.rho == pytest.approx(rho, abs=1e-9 if double else 2e-3)
    deepest = np.minimum(batch.policy_chosen, batch.reference_chosen)
    assert (deepest >= -NATS_PER_TOKEN * batch.chosen_lengths - 1e-3).all()


@quiet
@given(rho=st.lists(st.integers(-320, 320).map(lambda k: k / 16), min_size=1, max_size=12), seed=st.integers(0, 255))
def test_ordinary_margins_are_exact_in_float32(rho: list[float], seed: int) -> None:
    assert batch_of(rho, 0.1, seed=seed).rho.tolist() == rho


@quiet
@given(rho=rhos)
def test_plain_margins_are_as_exact_as_can_be(rho: list[float]) -> None:
    batch = plain(rho, 0.1)
    check_possible(batch)
    assert batch.rho.tolist() == rho


@quiet
@given(rho=rhos, seed=st.integers(0, 255))
def test_the_same_arguments_give_the_same_bytes(rho: list[float], seed: int) -> None:
    one, other = batch_of(rho, 0.1, seed=seed), batch_of(rho, 0.1, seed=seed)
    assert [v.tobytes() for v in one.tensors] == [v.tobytes() for v in other.tensors]


def test_the_bytes_are_the_same_on_every_machine() -> None:
    batch = batch_of(np.linspace(-9.0, 9.0, 19), 0.1, seed=3)
    digest = hashlib.sha256(b"".join(v.astype("<f4").tobytes() for v in batch.tensors)).hexdigest()
    assert digest == "d166e8b1eb7faa8d9620d597c7114c968a05aecedb7323bccfddf8309505e086"


def test_a_seed_varies_all_but_the_margins() -> None:
    one, other = batch_of([1.0, 2.0], 0.1, seed=1), batch_of([1.0, 2.0], 0.1, seed=2)
    assert one.rho.tolist() == other.rho.tolist()
    assert not np.array_equal(one.policy_chosen, other.policy_chosen)
    assert not np.array_equal(one.reference_rejected, other.reference_rejected)


@quiet
@given(x=st.floats(0.5, 50.0), beta=st.floats(0.025, 1.0), pairs=st.sampled_from([1, 2, 7, 64]))
def test_separated_pairs_are_clearly_ordered(x: float, beta: float, pairs: int) -> None:
    batch = separated(x, beta, pairs)
    check_possible(batch)
    assert (batch.rho * beta >= x * (1 - 1e-6)).all()
    assert (batch.rho * beta <= 1.02 * x + 0.25 * beta).all()
    # By its log-probability as well, and with nothing else in favour of either.
    assert (batch.policy_chosen > batch.policy_rejected).all()
    assert np.array_equal(batch.reference_chosen, batch.reference_rejected)
    assert np.array_equal(batch.chosen_lengths, batch.rejected_lengths)
    assert np.array_equal(batch.swapped().rho, -batch.rho)


def test_training_starts_at_zero_exactly() -> None:
    batch = start_of_training(7, 0.05, seed=9)
    check_possible(batch)
    assert batch.rho.tolist() == [0.0] * 7
    assert np.array_equal(batch.policy_chosen, batch.reference_chosen)
    assert np.array_equal(batch.policy_rejected, batch.reference_rejected)
    assert np.unique(batch.policy_chosen).size == 7


@pytest.mark.parametrize("beta", [0.025, 0.05, 0.1, 0.5, 1.0])
def test_the_scan_covers_the_domain_from_the_middle_outwards(beta: float) -> None:
    grid = margins(beta, 50.0)
    assert grid[0] == 0.0
    assert (np.diff(np.abs(grid)) >= 0).all()
    assert np.abs(grid).max() == pytest.approx(50.0 / beta, abs=0.25)
    assert np.unique(grid).size == grid.size
    steps = np.diff(np.sort(grid))
    assert steps.max() == 0.25
    near = np.sort(grid[np.abs(grid) < 20])
    assert np.diff(near).max() == 1 / 16
    # The band that the issue names lies on it.
    assert ((grid > 3.1) & (grid < 4.4)).sum() > 15


@quiet
@given(count=st.integers(1, 400), size=st.integers(1, 60))
def test_pieces_lose_nothing_and_are_never_short(count: int, size: int) -> None:
    pieces = chunks(list(range(count)), size)
    assert np.concatenate(pieces).tolist() == list(range(count))
    assert all(piece.size >= min(size, count) for piece in pieces)


def test_a_batch_refuses_what_the_wire_cannot_carry() -> None:
    ok = plain([1.0, 2.0], 0.1)
    with pytest.raises(ValueError, match="pairs"):
        plain([], 0.1)
    with pytest.raises(ValueError, match="pairs"):
        plain(np.zeros(MAX_NUMBERS + 1), 0.1)
    with pytest.raises(ValueError, match="float32 or float64"):
        ok.astype(np.float16)
    with pytest.raises(ValueError, match="one shape"):
        PairBatch.of([*ok.tensors[:5], ok.tensors[5][:1]], 0.1)
    with pytest.raises(ValueError, match="one dtype"):
        PairBatch.of([*ok.tensors[:5], ok.tensors[5].astype(np.float64)], 0.1)


def test_a_counterexample_can_be_pasted() -> None:
    shown: dict[str, Any] = batch_of([1.5], 0.1, seed=4).as_counterexample()
    assert list(shown) == [
        "beta",
        "progress",
        "policy_chosen_logps",
        "policy_rejected_logps",
        "reference_chosen_logps",
        "reference_rejected_logps",
        "chosen_lengths",
        "rejected_lengths",
        "rho",
    ]
    assert shown["rho"] == [1.5]
    pc, pr, rc, rr = (shown[k][0] for k in list(shown)[2:6])
    assert (pc - pr) - (rc - rr) == 1.5
