"""Numbers as JSON can carry them, and back; and short, for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from harness.core.verdict import Json

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def number(value: float) -> Json:
    """A number as JSON can carry it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def numbers(values: np.ndarray) -> list[Json]:
    """Numbers as JSON can carry them, to 9 significant digits."""
    return [number(float(f"{v:.9g}")) for v in values]


def to_float(value: Json) -> float:
    """Read a JSON-ready number back; the three words stand for the non-finite ones. Raises ValueError."""
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"not a number: {value!r}")


def short(value: float) -> str:
    """Write six significant digits, for people."""
    return f"{value:.6g}"
