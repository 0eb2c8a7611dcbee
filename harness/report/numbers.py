"""Numbers in reports: strict JSON in, short or pasteable text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.numbers import number
from harness.core.text import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Json

#: Longest list that a person is shown; the JSON report has all of it.
_SHOWN = 64
#: Deepest nesting of lists and objects that is written, and the longest integer, in bits.
_DEPTH = 32
_INTEGER = 1024
_PYTHON = {"NaN": 'float("nan")', "Infinity": 'float("inf")', "-Infinity": 'float("-inf")'}


def strict(value: Json, depth: int = _DEPTH) -> Json:
    """Make a value fit for strict JSON: non-finite floats become words, texts are cleaned, and depth is capped."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int):
        return _plain(value)
    if isinstance(value, list | tuple):
        return [strict(v, depth - 1) for v in value] if depth else "..."
    if isinstance(value, dict):
        return {clean(str(k)): strict(v, depth - 1) for k, v in value.items()} if depth else "..."
    return value


def _plain(value: int) -> int | str:
    """Give an integer, or words where Python itself refuses to write it out."""
    return value if value.bit_length() <= _INTEGER else f"an integer of {value.bit_length()} bits"


def literal(value: Json, depth: int = _DEPTH) -> str:
    """Write a value as Python, on one line, exact to the last digit."""
    if isinstance(value, float):
        value = number(value)
    if isinstance(value, str):
        return _PYTHON.get(value) or repr(one_line(value, 200))
    if isinstance(value, list | tuple | dict) and not depth:
        return "..."
    if isinstance(value, list | tuple):
        items = [literal(v, depth - 1) for v in value[:_SHOWN]]
        more = [f"... {len(value) - _SHOWN} more"] if len(value) > _SHOWN else []
        return f"[{', '.join(items + more)}]"
    if isinstance(value, dict):
        pairs = list(value.items())[:_SHOWN]
        return f"{{{', '.join(f'{literal(k)}: {literal(v, depth - 1)}' for k, v in pairs)}}}"
    return repr(_plain(value) if isinstance(value, int) else value)


def assignments(counterexample: Mapping[str, Json]) -> list[str]:
    """Write a counterexample as lines of Python that a person can paste."""
    return [f"{one_line(str(name), 80)} = {literal(value)}" for name, value in counterexample.items()]
