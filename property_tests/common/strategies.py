"""What Hypothesis draws: few and simple numbers, so that what it finds shrinks to something to paste.

What is drawn for the usual domain is fitted to the one that a profile judges over.
"""

from __future__ import annotations

import math

from hypothesis import strategies as st

from harness.core.domain import Domain
from harness.property_tests.editions import order_of

DOMAIN = Domain()
#: PairBatch sizes of the contract.
SIZES = (1, 2, 3, 7, 64)
#: Sizes that trainings have, and whatever lies between them.
USUAL_SIZES = (64, 32, 8, 2, 1, 4, 16, 128, 256, 512, 1024)
#: Every size up to 256, and every fourth beyond: what is looked at in all of them.
EVERY_SIZE = (*range(1, 257), *range(260, 1025, 4))


class _Judged:
    """The domain that is judged over, and the edition: what is drawn for the usual one is fitted to it."""

    domain = DOMAIN
    edition = ""


def domain_judged() -> Domain:
    """The domain that is judged over."""
    return _Judged.domain


def judge_over(domain: Domain, edition: str) -> None:
    """From here on, draw inside this domain, and as this edition of the profiles does."""
    _Judged.domain, _Judged.edition = domain, edition


def is_since(edition: str) -> bool:
    """Whether the edition that is judged by is this one or a later one."""
    return order_of(edition) <= order_of(_Judged.edition or edition)


def fit_beta(beta: float) -> float:
    """A beta of the usual domain, moved to the same place of the one that is judged over."""
    domain = _Judged.domain
    if domain.ends == DOMAIN.ends:
        return beta
    place = math.log(beta / DOMAIN.beta_low) / math.log(DOMAIN.beta_high / DOMAIN.beta_low)
    fitted = domain.beta_low * math.pow(domain.beta_high / domain.beta_low, place)
    return min(max(fitted, domain.beta_low), domain.beta_high)


def fit_reach(x: float) -> float:
    """A value of |beta rho|, at most as large as the domain lets it be."""
    return min(x, _Judged.domain.reach)


sizes = st.sampled_from(SIZES)
seeds = st.integers(0, 255)
#: The paper's betas inside the operating domain, the usual one first.
sweep = st.sampled_from(sorted(DOMAIN.betas, key=lambda b: abs(b - 0.1))).map(fit_beta)
#: Any beta of the operating domain, in thousandths.
betas = st.integers(25, 1000).map(lambda k: fit_beta(k / 1000))
progresses = st.integers(0, 4).map(lambda k: k / 4)
#: The golden ratio's fraction: its multiples spread evenly, however few of them are drawn. Hypothesis prefers
#: small integers, which would otherwise all be one corner of a range.
_GOLDEN = 0.6180339887498949
#: Any progress, any beta of the operating domain and any usual batch size, on no grid.
free_progresses = st.integers(0, 997).map(lambda k: 1.0 if k == 1 else round(k * _GOLDEN % 1.0, 7))
#: Any progress after the beginning, which a loss may have for something else.
late_progresses = free_progresses.map(lambda p: 0.25 + 0.75 * p)
free_betas = st.integers(0, 997).map(lambda k: fit_beta(round(0.025 * 40.0 ** (k * _GOLDEN % 1.0), 7)))
free_sizes = st.integers(0, 130).map(lambda k: 1 + 37 * k % 131)
#: Seeds of realistic batches, and sizes up to a thousand: the usual ones, and any.
many_seeds = st.integers(0, 1023)
train_sizes = st.one_of(st.sampled_from(USUAL_SIZES), st.integers(0, 1023).map(lambda k: 1 + 389 * k % 1024))
