"""Numbers in reports: strict JSON in, short or pasteable text out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.report.sanitize import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.verdict import Json

#: Longest list that a person is shown; the JSON report has all of it.
_SHOWN = 64
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_PYTHON = {"NaN": 'float("nan")', "Infinity": 'float("inf")', "-Infinity": 'float("-inf")'}


def to_float(value: Json) -> float:
    """Read a JSON-ready number back; the three words stand for the non-finite ones. Raises ValueError."""
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"not a number: {value!r}")


def strict(value: Json) -> Json:
    """Make a value fit for strict JSON: non-finite floats become words, and texts are cleaned."""
    if isinstance(value, float):
        return word(value)
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list | tuple):
        return [strict(v) for v in value]
    if isinstance(value, dict):
        return {clean(str(k)): strict(v) for k, v in value.items()}
    return value


def word(value: float) -> float | str:
    """Give a float as JSON can carry it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def short(value: float) -> str:
    """Write six significant digits, for people."""
    return f"{value:.6g}"


def literal(value: Json) -> str:
    """Write a value as Python, on one line, exact to the last digit."""
    if isinstance(value, float):
        value = word(value)
    if isinstance(value, str):
        return _PYTHON.get(value) or repr(one_line(value, 200))
    if isinstance(value, list | tuple):
        items = [literal(v) for v in value[:_SHOWN]]
        more = [f"... {len(value) - _SHOWN} more"] if len(value) > _SHOWN else []
        return f"[{', '.join(items + more)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    return repr(value)


def assignments(counterexample: Mapping[str, Json]) -> list[str]:
    """Write a counterexample as lines of Python that a person can paste."""
    return [f"{one_line(str(name), 80)} = {literal(value)}" for name, value in counterexample.items()]
