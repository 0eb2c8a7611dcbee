"""The win rate at equal style, after Arena-Hard: judges like long answers, headers, lists and bold words.

A logistic regression explains each prompt's preference by the differences of four features of style, and by what is
left, the model itself: logit p = sum_k phi_k z_k + theta, where z_k is (a - b) / (a + b) of feature k over its SD. The
four terms are then set to 0. A preference p is two rows, one of each label, with weights p and 1 - p. The interval is
that of 100 samples of the bootstrap over prompts, as published. Differences from the published script: preferences of
both orders are averaged before, lengths are characters and not one model's tokens, and there are two models only.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESAMPLES = 100
#: A weak pull to zero (a normal prior with this SD): where one side always wins, there is no finite fit without.
_PRIOR = 10.0
_HEADER, _BOLD = re.compile(r"^#{1,6}\s", re.MULTILINE), re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.)\s", re.MULTILINE)


@dataclass(frozen=True)
class Styled:
    """One prompt: how much ours is preferred, in [0, 1], and both answers."""

    preference: float
    ours: str
    theirs: str


@dataclass(frozen=True)
class AtEqualStyle:
    """The win rate with all terms of style at 0, and its 95 % interval; NaN bounds for fewer than two prompts."""

    win_rate: float
    low: float
    high: float


def at_equal_style(compared: Sequence[Styled]) -> AtEqualStyle:
    """Fit the regression and set the terms of style to 0. The same input gives the same figures."""
    p = np.array([one.preference for one in compared], dtype=np.float64)
    gaps = np.array([_gaps(_style(one.ours), _style(one.theirs)) for one in compared], dtype=np.float64)
    spread = gaps.std(axis=0)
    z = np.divide(gaps, spread, out=np.zeros_like(gaps), where=spread > 0.0)
    draw = np.random.Generator(np.random.PCG64(123))
    rates = [_rate(z[rows], p[rows]) for rows in draw.integers(len(p), size=(RESAMPLES, len(p)))] if len(p) > 1 else []
    low, high = np.quantile(rates, [0.025, 0.975]) if rates else (math.nan, math.nan)
    return AtEqualStyle(_rate(z, p), float(low), float(high))


def _style(text: str) -> tuple[int, int, int, int]:
    return len(text), len(_HEADER.findall(text)), len(_BOLD.findall(text)), len(_ITEM.findall(text))


def _gaps(ours: Sequence[int], theirs: Sequence[int]) -> list[float]:
    return [(a - b) / (a + b) if a + b else 0.0 for a, b in zip(ours, theirs, strict=True)]


def _rate(z: Array, p: Array) -> float:
    x = np.column_stack([z, np.ones(len(p))])

    def loss(c: Array) -> tuple[float, Array]:
        logit = x @ c
        value = float((np.logaddexp(0.0, logit) - p * logit).sum() + (c @ c) / (2.0 * _PRIOR**2))
        return value, x.T @ (expit(logit) - p) + c / _PRIOR**2

    return float(expit(minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x[-1]))
