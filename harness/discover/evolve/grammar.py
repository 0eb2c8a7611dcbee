"""The grammar: what a loss is put together from. Every operation is total, and finite in the operating domain.

Kinds: "nats" (margins of log-probabilities), "number" (without unit), "gate" (in [0, 1]), "loss" (not negative; smaller
is better). All of them are vectors of shape (B,), or the same for the whole batch. A loss is a tree of kind "loss".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating]
#: From the gradient with respect to a result to those with respect to each argument.
Back: TypeAlias = Callable[[Array], tuple[Array, ...]]
Run: TypeAlias = Callable[[tuple[Array, ...], tuple[float, ...]], tuple[Array, Back]]

#: Where the exponential is cut off: its largest value is exp(20), so products with it stay within float32.
EXP_CAP = 20.0

# How tightly a text binds: what is weaker than its place asks for gets brackets.
SUM, PRODUCT, CALL = 1, 2, 4


@dataclass(frozen=True)
class Constant:
    """A range that a constant is drawn from and tuned in, evenly or by its logarithm."""

    low: float
    high: float
    log: bool = False

    def at(self, place: float) -> float:
        """The constant at a place in [0, 1], rounded to three digits so that texts stay readable."""
        place = min(max(place, 0.0), 1.0)
        even = self.low + (self.high - self.low) * place
        value = self.low * (self.high / self.low) ** place if self.log else even
        return float(f"{value:.3g}")

    def place(self, value: float) -> float:
        """Where a constant lies in its range, in [0, 1]."""
        if self.log:
            return float(np.log(value / self.low) / np.log(self.high / self.low))
        return (value - self.low) / (self.high - self.low)

    def takes(self, value: float) -> bool:
        """Whether a constant is in the range."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Op:
    """An operation. `takes` are the kinds of its arguments, `text` how it is written in Python.

    In `text`, `{0}` and on are arguments and `{c}` is the constant. `needs` says how tightly each argument has to bind,
    `binds` how tightly the whole does. `twice` is an argument that the text holds twice. `weight` is how often it is
    drawn, relative to others of its kind. `swaps` is true where the order of the arguments does not matter.
    """

    name: str
    kind: str
    takes: tuple[str, ...]
    text: str
    run: Run
    needs: tuple[int, ...] = ()
    binds: int = CALL
    constants: tuple[Constant, ...] = ()
    twice: int | None = None
    weight: float = 1.0
    swaps: bool = False


def sigmoid(x: Array) -> Array:
    """The logistic function, without overflow on either side, and as exact where it is small as where it is not."""
    out: Array = np.exp(-np.logaddexp(np.zeros_like(x), -x))
    return out


def _leaf(a: tuple[Array, ...], c: tuple[float, ...]) -> tuple[Array, Back]:
    raise AssertionError(f"a leaf is filled in and not computed: {a}, {c}")


def _times(a: tuple[Array, ...], c: tuple[float, ...]) -> tuple[Array, Back]:
    return c[0] * a[0], lambda g: (c[0] * g,)


def _shift(a: tuple[Array, ...], c: tuple[float, ...]) -> tuple[Array, Back]:
    return a[0] + c[0], lambda g: (g,)


def _add(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    return a[0] + a[1], lambda g: (g, g)


def _subtract(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    return a[0] - a[1], lambda g: (g, -g)


def _product(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    return a[0] * a[1], lambda g: (g * a[1], g * a[0])


def _tanh(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    out = np.tanh(a[0])
    return out, lambda g: (g * (1 - out**2),)


def _clamp(a: tuple[Array, ...], c: tuple[float, ...]) -> tuple[Array, Back]:
    return np.clip(a[0], -c[0], c[0]), lambda g: (g * (np.abs(a[0]) <= c[0]),)


def _average(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    return np.full_like(a[0], a[0].mean()), lambda g: (np.full_like(g, g.mean()),)


def _sigmoid(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    out = sigmoid(a[0])
    return out, lambda g: (g * out * (1 - out),)


def _opposite(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    return 1 - a[0], lambda g: (-g,)


def _logistic(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    return np.logaddexp(np.zeros_like(a[0]), -a[0]), lambda g: (-g * sigmoid(-a[0]),)


def _hinge(a: tuple[Array, ...], c: tuple[float, ...]) -> tuple[Array, Back]:
    return np.maximum(c[0] - a[0], 0.0), lambda g: (-g * (a[0] < c[0]),)


def _square(a: tuple[Array, ...], c: tuple[float, ...]) -> tuple[Array, Back]:
    return (a[0] - c[0]) ** 2, lambda g: (2 * g * (a[0] - c[0]),)


def _exponential(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    out = np.exp(-np.maximum(a[0], -EXP_CAP))
    return out, lambda g: (-g * out * (a[0] >= -EXP_CAP),)


def _miss(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    out = sigmoid(-a[0])
    return out, lambda g: (-g * out * (1 - out),)


def _damp(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    return np.log1p(a[0]), lambda g: (g / (1 + a[0]),)


def _blend(a: tuple[Array, ...], _: tuple[float, ...]) -> tuple[Array, Back]:
    gate, one, other = a
    return gate * one + (1 - gate) * other, lambda g: (g * (one - other), g * gate, g * (1 - gate))


_N, _G, _L = "number", "gate", "loss"
_FACTOR = (Constant(0.05, 20.0, log=True),)

_ALL = (
    Op("rho", "nats", (), "rho", _leaf, weight=6),
    Op("policy", "nats", (), "policy_margin", _leaf),
    Op("reference", "nats", (), "reference_margin", _leaf, weight=0.5),
    Op("chosen", "nats", (), "chosen_gain", _leaf),
    Op("rejected", "nats", (), "rejected_gain", _leaf, weight=0.5),
    # The evaluation puts beta in, in the place of a constant.
    Op("scaled", _N, ("nats",), "beta * {0}", _times, (PRODUCT,), PRODUCT, weight=8),
    Op("scale", _N, (_N,), "{c} * {0}", _times, (PRODUCT,), PRODUCT, _FACTOR, weight=3),
    Op("shift", _N, (_N,), "{0} + {c}", _shift, (SUM,), SUM, (Constant(-5.0, 5.0),)),
    Op("add", _N, (_N, _N), "{0} + {1}", _add, (SUM, PRODUCT), SUM, swaps=True),
    Op("subtract", _N, (_N, _N), "{0} - {1}", _subtract, (SUM, PRODUCT), SUM, weight=0.5),
    Op("gated", _N, (_G, _N), "{0} * {1}", _product, (PRODUCT, CALL), PRODUCT, weight=0.7),
    Op("tanh", _N, (_N,), "torch.tanh({0})", _tanh, (0,), weight=0.7),
    Op("clamp", _N, (_N,), "{0}.clamp(-{c}, {c})", _clamp, (CALL,), CALL, (Constant(0.5, 50.0, log=True),), weight=0.5),
    Op("average", _N, (_N,), "{0}.mean()", _average, (CALL,), weight=0.4),
    Op("constant", _G, (), "{c}", _leaf, (), CALL, (Constant(0.05, 0.95),)),
    Op("sigmoid", _G, (_N,), "torch.sigmoid({0})", _sigmoid, (0,), weight=3),
    Op("opposite", _G, (_G,), "1 - {0}", _opposite, (PRODUCT,), SUM, weight=0.7),
    Op("both", _G, (_G, _G), "{0} * {1}", _product, (PRODUCT, CALL), PRODUCT, weight=0.3, swaps=True),
    Op("logistic", _L, (_N,), "F.softplus(-{0})", _logistic, (PRODUCT,), weight=2),
    Op("hinge", _L, (_N,), "F.relu({c} - {0})", _hinge, (PRODUCT,), CALL, (Constant(0.1, 10.0, log=True),)),
    Op("square", _L, (_N,), "({0} - {c}).square()", _square, (SUM,), CALL, (Constant(0.1, 10.0, log=True),)),
    Op("exponential", _L, (_N,), f"torch.exp(-{{0}}.clamp(min=-{EXP_CAP}))", _exponential, (CALL,)),
    Op("miss", _L, (_N,), "torch.sigmoid(-{0})", _miss, (PRODUCT,)),
    Op("damp", _L, (_L,), "torch.log1p({0})", _damp, (0,), weight=0.7),
    Op("times", _L, (_L,), "{c} * {0}", _times, (PRODUCT,), PRODUCT, _FACTOR, weight=0.7),
    Op("weighted", _L, (_G, _L), "{0} * {1}", _product, (PRODUCT, CALL), PRODUCT, weight=0.7),
    Op("sum", _L, (_L, _L), "{0} + {1}", _add, (SUM, PRODUCT), SUM, swaps=True),
    Op(
        "blend",
        _L,
        (_G, _L, _L),
        "{0} * {1} + (1 - {0}) * {2}",
        _blend,
        (PRODUCT, CALL, CALL),
        SUM,
        twice=0,
        weight=1.0,
    ),
)

#: Operations by name, and by the kind of their result.
OPS = {op.name: op for op in _ALL}
BY_KIND = {kind: tuple(op for op in _ALL if op.kind == kind) for kind in ("nats", _N, _G, _L)}
