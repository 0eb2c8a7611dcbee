"""The values of declared parameters at which a candidate is judged, and how a finding tells of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.program import Parameter
    from harness.core.verdict import Finding, Json

_SEED = 20261121
#: Settings drawn at random inside the ranges: for one or two parameters, and for more, whose ends are many already.
_DRAWN, _DRAWN_OF_MANY = 2, 1
_DIGITS = 6


@dataclass(frozen=True)
class Setting:
    """Values for all declared parameters, and where in their ranges that is."""

    where: str
    values: tuple[tuple[str, float], ...]

    def told(self) -> str:
        """The setting in words, with the numbers that a person can paste."""
        return f"with {', '.join(f'{name} = {value!r}' for name, value in self.values)} ({self.where})"

    def tag(self, finding: Finding) -> Finding:
        """The finding, with the setting at which it came up in its message and in its counterexample."""
        values: dict[str, Json] = dict(self.values)
        counterexample = {**(finding.counterexample or {}), "params": values}
        return replace(finding, message=f"{self.told()}: {finding.message}", counterexample=counterexample)


def settings(parameters: Sequence[Parameter]) -> tuple[Setting, ...]:
    """The middle; all low and all high; each alone at its ends; a few drawn inside. The same at all times."""
    middle = {p.name: p.middle for p in parameters}
    low, high = {p.name: p.low for p in parameters}, {p.name: p.high for p in parameters}
    several = len(parameters) > 1
    found = [
        ("the middle of each range" if several else "the middle of its range", middle),
        ("all at their low ends" if several else "the low end of its range", low),
        ("all at their high ends" if several else "the high end of its range", high),
    ]
    if several:
        for p in parameters:
            found.append((f"{p.name} alone at its low end", {**middle, p.name: p.low}))
            found.append((f"{p.name} alone at its high end", {**middle, p.name: p.high}))
    draw = np.random.Generator(np.random.PCG64(_SEED))
    found += [
        ("drawn from inside", {p.name: _short(p, p.at(float(draw.uniform()))) for p in parameters})
        for _ in range(_DRAWN if len(parameters) < 3 else _DRAWN_OF_MANY)
    ]
    return tuple(Setting(where, tuple(values.items())) for where, values in found)


def _short(parameter: Parameter, value: float) -> float:
    """The value in a few digits, for people, and still in its range."""
    return min(max(float(f"{value:.{_DIGITS}g}"), parameter.low), parameter.high)


def declared(parameters: Sequence[Parameter]) -> dict[str, Json]:
    """The parameters as a report states them."""
    return {
        p.name: {"low": p.low, "high": p.high, "scale": "log" if p.log else "linear", "middle": p.middle}
        for p in parameters
    }


def fingerprint_over(prints: Sequence[str], parameters: Sequence[Parameter]) -> str:
    """One fingerprint for a function with open parameters, from those at its settings in order.

    Names and ranges of the parameters are a part of it: who has the fingerprint can be tuned in the same way, and goes
    on with the same values. Where they change nothing, it is the plain function, and has that one's fingerprint.
    """
    if len(prints) == len(settings(parameters)) and len(set(prints)) == 1:
        return prints[0]
    what = {"at": list(prints), "ranges": [[p.name, p.low, p.high, p.log] for p in parameters]}
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()
