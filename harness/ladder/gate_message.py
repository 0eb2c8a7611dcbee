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
    percent = f"{_percent(confidence)} interval"
    spread = f"{percent} {low:.{digits}f} to {high:.{digits}f}" if math.isfinite(high - low) else f"no {percent} yet"
    return f"{word} {against}{by} ({metric}), {spread}, {units}"


def falls_short(margin: float, against: str, confidence: float) -> str:
    """Why what lies wholly below -margin is rejected."""
    by = f" by more than {margin:g}" if margin > 0.0 else f" by {-margin:g}" if margin < 0.0 else ""
    return f"{'worse' if margin > 0.0 else 'not better'} than {against}{by} with {_percent(confidence)}"


def suffices(margin: float, against: str, confidence: float, found: tuple[float, float, float]) -> str:
    """What it is worth to lie wholly above -margin; `found` is (mean, low, high), as in `comparison`."""
    mean, low, high = found
    if margin <= 0.0:
        by = f" by more than {-margin:g}" if margin else ""
        return f"better than {against}{by} with {_percent(confidence)}"
    told = f"not worse than {against} by more than {margin:g} with {_percent(confidence)}"
    if low > 0.0:
        return told
    estimate = f"the estimate is {mean:.{_digits((high - low) / 2.0)}f}"
    return f"{told}, and worse: {estimate}" if high < 0.0 else f"{told}; it may still be worse: {estimate}"


def left_open(margin: float, against: str, undecided: str, units: str) -> str:
    """What becomes of what lies on both sides of -margin when there is no more to come."""
    told = f"still open after the last {units}"
    if undecided == "reject":
        return f"{told}, and so it is rejected"
    may = f"it may be worse than {against} by more than {margin:g}"
    if margin <= 0.0:
        may = f"it may not be better than {against}" + (f" by {-margin:g}" if margin else "")
    return f"{told}, and so it is promoted: {may}"


def _percent(share: float) -> str:
    return f"{100.0 * share:.4g} %"


def _digits(half: float) -> int:
    """Decimal places with which half the width of the interval has one digit that counts, and two at least."""
    if not (math.isfinite(half) and half > 0.0):
        return 3
    return min(max(-math.floor(math.log10(half)), 2), 8)
