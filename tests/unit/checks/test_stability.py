"""The stability map: its margins, and the place where answers stop being finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from judging import DPO, EXPONENTIAL, REFUSAL, of_margin, subject

from harness.core.domain import PAPER_BETAS
from harness.ladder.divergence import limits_of
from harness.subject.stability import FAR, FINITE, GRADIENT_LOST, VALUE_LOST, margins, stability

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # infinities are what is looked for


def test_the_margins_are_even_on_both_sides_and_reach_far() -> None:
    rho = margins()
    assert (np.diff(rho) > 0).all()
    assert np.array_equal(rho, -rho[::-1])
    assert rho[rho.size // 2] == 0.0
    assert (rho[0], rho[-1]) == (-FAR, FAR)
    assert np.diff(rho[np.abs(rho) <= 100]).max() <= 2.5


@pytest.mark.parametrize("pointwise", [True, False])
def test_a_loss_that_is_finite_everywhere(pointwise: bool) -> None:  # noqa: FBT001 - a parameter of the test
    found: dict[str, Any] = stability(subject(DPO), pointwise=pointwise)
    assert {s for row in found["state"] for s in row} == {FINITE}
    assert all(edge["below"] is None and edge["above"] is None for edge in found["onset"])
    assert found["beta"] == list(PAPER_BETAS)
    assert np.array(found["state"]).shape == (len(PAPER_BETAS), len(found["rho"]))
    assert found["domain"] == {"beta": [0.025, 1.0], "abs_beta_rho": 50.0}


@pytest.mark.parametrize("pointwise", [True, False])
def test_an_overflow_is_placed_to_a_hundredth(pointwise: bool) -> None:  # noqa: FBT001 - a parameter of the test
    found: dict[str, Any] = stability(subject(EXPONENTIAL), pointwise=pointwise)
    for edge in found["onset"]:
        # exp leaves float32 at the logarithm of its largest number.
        onset = math.log(np.finfo(np.float32).max) / edge["beta"]
        assert edge["above"] is None
        if onset > FAR:
            assert edge["below"] is None
        else:
            assert edge["below"] == pytest.approx(-onset, abs=0.02)
            # Outwards: the named margin is lost.
            assert edge["below"] <= -onset


def test_a_lost_gradient_is_not_a_lost_value() -> None:
    loss = of_margin(np.abs, lambda x: np.where(x < -4.0, np.nan, np.sign(x)))
    found: dict[str, Any] = stability(subject(loss), pointwise=True)
    row = found["state"][PAPER_BETAS.index(1.0)]
    assert {s for s, r in zip(row, found["rho"], strict=True) if r < -4.0} == {GRADIENT_LOST}
    assert {s for s, r in zip(row, found["rho"], strict=True) if r >= -4.0} == {FINITE}
    (edge,) = [e for e in found["onset"] if e["beta"] == 1.0]
    assert edge["below"] == pytest.approx(-4.0, abs=0.02)


@pytest.mark.parametrize("pointwise", [True, False])
def test_an_exception_counts_as_lost(pointwise: bool) -> None:  # noqa: FBT001 - a parameter of the test
    found: dict[str, Any] = stability(subject(lambda b: REFUSAL if b.beta > 2 else DPO(b)), pointwise=pointwise)
    states = {beta: set(row) for beta, row in zip(found["beta"], found["state"], strict=True)}
    assert states[2.5] == states[5.0] == {VALUE_LOST}
    assert states[1.0] == {FINITE}


@pytest.mark.parametrize("pointwise", [True, False])
def test_betas_of_ones_own_have_rows_of_their_own(pointwise: bool) -> None:  # noqa: FBT001 - a parameter of the test
    found: dict[str, Any] = stability(subject(EXPONENTIAL), pointwise=pointwise, betas=(0.3, 4.0))
    assert found["beta"] == [0.3, 4.0]
    assert [edge["below"] for edge in found["onset"]] == pytest.approx([-88.72 / 0.3, -88.72 / 4.0], abs=0.02)


def test_limits_are_the_maps_and_infinitely_far_where_it_has_none() -> None:
    assert limits_of(subject(DPO), (1.0, 5.0)) == {1.0: -math.inf, 5.0: -math.inf}
    found = limits_of(subject(EXPONENTIAL), (1.0, 5.0))
    assert [found[1.0], found[5.0]] == pytest.approx([-88.73, -17.75], abs=0.02)
