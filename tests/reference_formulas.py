"""The catalogue's formulas once more, in numpy and float64, for comparison with what the sandbox answers.

Written from the published formulas and not from the torch text. Each function takes a `Pairs` and gives B
values. Notation as in the papers: D is the logistic, H the hinge and E the exponential loss of a margin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """One batch: four vectors (B,) of log-probabilities in nats, two of token counts, and beta."""

    pc: Vector
    pr: Vector
    rc: Vector
    rr: Vector
    chosen_lengths: Vector
    rejected_lengths: Vector
    beta: float

    @property
    def a(self) -> Vector:
        """Log-ratio of the chosen answer."""
        return self.pc - self.rc

    @property
    def b(self) -> Vector:
        """Log-ratio of the rejected answer."""
        return self.pr - self.rr

    @property
    def rho(self) -> Vector:
        """Difference of the log-ratios, summed in the order of its definition."""
        return (self.pc - self.pr) - (self.rc - self.rr)

    @property
    def x(self) -> Vector:
        """Margin."""
        return self.beta * self.rho

    @property
    def per_token_gap(self) -> Vector:
        """Difference of the log-ratios, each divided by its length."""
        return self.a / self.chosen_lengths - self.b / self.rejected_lengths


def sigma(z: Vector | np.floating) -> Vector:
    """Logistic function, exact on both sides."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def D(z: Vector) -> Vector:  # noqa: N802 - the papers' letter
    """Logistic loss."""
    return np.logaddexp(0.0, -z)


def H(z: Vector) -> Vector:  # noqa: N802 - the papers' letter
    """Hinge loss."""
    return np.maximum(0.0, 1.0 - z)


def E(z: Vector) -> Vector:  # noqa: N802 - the papers' letter
    """Exponential loss."""
    return np.exp(-z)


def kto_pair(p: Pairs) -> Vector:
    kc, kr = max(0.0, p.a.mean()), max(0.0, p.b.mean())
    halves: Vector = np.stack([1 - sigma(p.beta * (p.a - kr)), 1 - sigma(p.beta * (kc - p.b))])
    return halves.mean(axis=0)


def dbaql(p: Pairs) -> Vector:
    variance = np.var(p.x / 0.05, ddof=1)
    return sigma(variance) * D(p.x / 0.9) + sigma(-variance) * E(0.9 * p.x)


def aql(p: Pairs) -> Vector:
    m = 0.5 + 0.01 * (sigma(np.mean(p.rho)) - 0.5)
    q = sigma(-p.beta * (p.rho - m))
    return q * D(p.x) + (1 - q) * H(p.x)


def aql_refactored(p: Pairs) -> Vector:
    m = 0.5 + 0.01 * (sigma(np.mean(p.x / 0.05)) - 0.5)
    q = sigma(-(p.x / 0.05 - m))
    return q * D(p.x) + (1 - q) * H(p.x)


def aqfl(p: Pairs) -> Vector:
    u = p.x / 0.05
    m1 = np.std(u, ddof=1) * sigma(-u).mean()
    m = m1 + 0.05 * (sigma(u.mean()) - m1)
    r = sigma(0.1 * np.abs(u - m))
    return r * D(p.x) + (1 - r) * H(p.x)


def padll(p: Pairs) -> Vector:
    return np.where(p.rho >= 0, 0.9, 0.45) * D(p.x)


def lrml(p: Pairs) -> Vector:
    g = sigma(p.x / 0.05)
    return (1 - g) * D(p.x) + g * E(p.x)


def pfl(p: Pairs) -> Vector:
    return np.where(p.pc > p.pr, D(p.rho) / 2, 2 * H(p.rho))


def pfl_refactored(p: Pairs) -> Vector:
    return np.where(p.pc > p.pr, D(p.x) / 2, 2 * H(p.x))


def exo_pair(p: Pairs) -> Vector:
    eps = 1e-3
    win, lose = sigma(p.x), sigma(-p.x)
    return win * (-D(p.x) - np.log(1 - eps)) + lose * (-D(-p.x) - np.log(eps))


def nca_pair(p: Pairs) -> Vector:
    return D(p.beta * p.a) + (D(-p.beta * p.a) + D(-p.beta * p.b)) / 2


def robust(p: Pairs) -> Vector:
    eps = 0.1
    return ((1 - eps) * D(p.x) - eps * D(-p.x)) / (1 - 2 * eps)


def bco_shifted(p: Pairs) -> Vector:
    shift = p.beta * (p.a.mean() + p.b.mean()) / 2
    return D(p.beta * p.a - shift) + D(-(p.beta * p.b - shift))


def sppo_hard(p: Pairs) -> Vector:
    return (p.a - 0.5 / p.beta) ** 2 + (p.b + 0.5 / p.beta) ** 2


def transport(first: Vector, second: Vector, beta: float) -> Vector:
    """D of the sorted differences, given back in the order of `first` (which must have no ties)."""
    order = np.argsort(first)
    values = np.empty_like(first)
    values[order] = D(beta * (first[order] - np.sort(second)))
    return values


def mirror(logps: Vector, lengths: Vector) -> Vector:
    """Tsallis potential q p^(q-1) / (q-1) at q = 0.5 of the mean probability per token."""
    p = np.clip(np.exp(logps / lengths), 1e-8, 1 - 1e-8)
    return -1.0 / np.sqrt(p)


def tsallis(p: Pairs) -> Vector:
    chosen = mirror(p.pc, p.chosen_lengths) - mirror(p.rc, p.chosen_lengths)
    rejected = mirror(p.pr, p.rejected_lengths) - mirror(p.rr, p.rejected_lengths)
    return D(p.beta * chosen - p.beta * rejected)


def orpo(p: Pairs) -> Vector:
    win, lose = np.exp(p.pc / p.chosen_lengths), np.exp(p.pr / p.rejected_lengths)
    log_odds_ratio = np.log(win / (1 - win)) - np.log(lose / (1 - lose))
    return -p.pc / p.chosen_lengths + p.beta * D(log_odds_ratio)


#: One formula for each entry of the catalogue, in its order.
FORMULAS: dict[str, Callable[[Pairs], Vector]] = {
    "dpo": lambda p: D(p.x),
    "slic": lambda p: H(p.x),
    "ipo": lambda p: (p.rho - 1 / (2 * p.beta)) ** 2,
    "ipo_norm": lambda p: (p.per_token_gap - 1 / (2 * p.beta)) ** 2,
    "kto_pair": kto_pair,
    "exp": lambda p: E(p.x),
    "dbaql": dbaql,
    "aql": aql,
    "aql_refactored": aql_refactored,
    "padll": padll,
    "aqfl": aqfl,
    "cell": lambda p: (D(p.x) + E(p.x)) / 2,
    "lrml": lrml,
    "pfl": pfl,
    "pfl_refactored": pfl_refactored,
    "exo_pair": exo_pair,
    "nca_pair": nca_pair,
    "robust": robust,
    "cdpo": lambda p: 0.9 * D(p.x) + 0.1 * D(-p.x),
    "bco_pair": lambda p: D(p.beta * p.a) + D(-p.beta * p.b),
    "bco_shifted": bco_shifted,
    "sppo_hard": sppo_hard,
    "aot": lambda p: transport(p.pc - p.pr, p.rc - p.rr, p.beta),
    "aot_unpaired": lambda p: transport(p.a, p.b, p.beta),
    "apo_zero": lambda p: 1 - sigma(p.beta * p.a) + sigma(p.beta * p.b),
    "apo_down": lambda p: sigma(p.beta * p.a) + 1 - sigma(p.x),
    "sigmoid_norm": lambda p: D(p.beta * p.per_token_gap),
    "aipo": lambda p: D(p.beta * (p.rho - 0.07 * (p.rc - p.rr))) - 0.2 * p.pc / p.chosen_lengths,
    "rpo": lambda p: D(p.x) - p.pc / p.chosen_lengths,
    "tsallis": tsallis,
    "orpo": orpo,
    "simpo": lambda p: D(p.beta * (p.pc / p.chosen_lengths - p.pr / p.rejected_lengths) - 0.5),
    "cpo": lambda p: D(p.beta * (p.pc - p.pr)) - p.pc / p.chosen_lengths,
}


def at_margin(name: str, rho: Vector | list[float] | float, beta: float) -> Vector:
    """Values at given rho, each log-ratio taking half of it, around a reference of -100 nats."""
    r = np.atleast_1d(np.asarray(rho, dtype=np.float64))
    base = np.full_like(r, -100.0)
    lengths = np.full_like(r, 50.0)
    return FORMULAS[name](Pairs(base + r / 2, base - r / 2, base, base, lengths, lengths, beta))


def sample_pairs(count: int, beta: float, seed: int = 7) -> Pairs:
    """Draw a batch of moderate margins (|x| up to about 8) without ties, for comparison at 1e-5.

    Log-probabilities are multiples of 1/4096, so that float32 holds them and their differences exactly: what
    remains of a difference to the formulas is the loss's own arithmetic.
    """
    draw = np.random.default_rng(seed)

    def on_grid(values: Vector) -> Vector:
        return np.round(values * 4096) / 4096

    reference = on_grid(draw.uniform(-150.0, -60.0, (2, count)))
    shift = on_grid(draw.uniform(-4.0, 4.0, (2, count)) / max(beta, 0.1))
    policy = reference + shift
    lengths = draw.integers(10, 200, (2, count)).astype(np.float64)
    return Pairs(policy[0], policy[1], reference[0], reference[1], lengths[0], lengths[1], beta)
