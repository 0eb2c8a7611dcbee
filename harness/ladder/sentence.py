"""What a gate found, in a sentence with numbers: "better than dpo by 0.012 (score), 95 % interval 0.004 to 0.020"."""

from __future__ import annotations

import math


def comparison(metric: str, against: str, found: tuple[float, float, float], *, confidence: float, units: str) -> str:
    """Say a difference from `against` in `metric`: `found` is (mean, low, high), `units` what it rests on.

    A negative difference is told as "worse", with the interval turned round, so that words and figures agree.
    """
    mean, low, high = found
    if math.isnan(mean):
        return f"not comparable with {against} ({metric} is not a number), {units}"
    if mean < 0.0:
        mean, low, high = -mean, -high, -low
        word = "worse than"
    else:
        word = "better than" if mean > 0.0 else "no different from"
    digits = _digits((high - low) / 2.0)
    by = f" by {mean:.{digits}f}" if mean > 0.0 else ""
    percent = f"{100.0 * confidence:.4g} % interval"
    spread = f"{percent} {low:.{digits}f} to {high:.{digits}f}" if math.isfinite(high - low) else f"no {percent} yet"
    return f"{word} {against}{by} ({metric}), {spread}, {units}"


def falls_short(margin: float) -> str:
    """Why what lies wholly below -margin is rejected."""
    if margin > 0.0:
        return f"worse by more than {margin:g}"
    return f"not better by {-margin:g}" if margin < 0.0 else "not better"


def suffices(margin: float) -> str:
    """Why what lies wholly above -margin is promoted."""
    if margin > 0.0:
        return f"not worse by {margin:g}"
    return f"better by more than {-margin:g}" if margin < 0.0 else "better"


def _digits(half: float) -> int:
    """Decimal places with which half the width of the interval has one digit that counts, and two at least."""
    if not (math.isfinite(half) and half > 0.0):
        return 3
    return min(max(-math.floor(math.log10(half)), 2), 8)
