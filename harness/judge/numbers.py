"""Numbers as JSON can carry them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from harness.verdict import Json


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
