"""A candidate as the sandbox is given it: its text, how it is called, the floats that it leaves open."""

from __future__ import annotations

import keyword
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.contract import PREFERENCE, Contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Json

#: The name under which a candidate declares its parameters, and how many it may declare.
PARAMS = "PARAMS"
MOST_PARAMETERS = 4
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Parameter:
    """A float that a candidate leaves open: its name, the ends of its range, and whether its scale is logarithmic.

    Raises ValueError, with a sentence for whoever wrote it, for what is no name or no range.
    """

    name: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse what could not be passed or tuned."""
        if not (self.name.isascii() and self.name.isidentifier() and len(self.name) <= _LONGEST_NAME):
            raise ValueError(f"{self.name[:60]!a} is no plain name of at most {_LONGEST_NAME} letters.")
        if keyword.iskeyword(self.name) or self.name.startswith("_") or self.name == "self":
            raise ValueError(f"{self.name} cannot be the name of a parameter.")
        if self.name in PREFERENCE.arguments or self.name in PREFERENCE.aliases:
            raise ValueError(f"{self.name} is an argument of the contract, which passes it already.")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and math.isfinite(self.high - self.low)):
            raise ValueError(f"the range of {self.name} is not finite.")
        if not self.low < self.high:
            raise ValueError(f"the range of {self.name} is empty: {self.low:g} to {self.high:g}.")
        if self.log and self.low <= 0.0:
            raise ValueError(f"the range of {self.name} is logarithmic, and begins at {self.low:g}.")

    @property
    def middle(self) -> float:
        """Half-way along its scale: the value in force where nothing else is said."""
        half = math.sqrt(self.low) * math.sqrt(self.high) if self.log else self.low + (self.high - self.low) / 2.0
        return min(max(half, self.low), self.high)

    def at(self, share: float) -> float:
        """The value at a share of the way from low to high, from 0 to 1, along its scale."""
        if self.log:
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        return min(max(value, self.low), self.high)


#: How parameters are paired with arguments whose names they do not have: by the words in them, or by position alone.
NAMES, POSITION = "names", "position"
BINDINGS = (NAMES, POSITION)


@dataclass(frozen=True)
class CallPlan:
    """How to call a candidate.

    `positional` and `keyword` name arguments of the contract; `keyword` pairs the
    candidate's own parameter name with the contract argument. With dialect "method" the first
    parameter is `self`, an object whose only attribute is `beta`. `parameters` are the floats that it
    declares, which it is given by name.
    """

    entry: str
    dialect: str
    positional: tuple[str, ...]
    keyword: tuple[tuple[str, str], ...] = ()
    parameters: tuple[Parameter, ...] = ()

    def wants(self, argument: str) -> bool:
        """Say whether the candidate names this contract argument."""
        if argument == "beta" and self.dialect == "method":
            return True
        return argument in self.positional or any(a == argument for _, a in self.keyword)


@dataclass(frozen=True)
class Told:
    """What a report tells of how a candidate was read.

    `bound` pairs each parameter of the candidate's with the argument that it is given; `by_position` says that the
    names did not settle it. `fixed` are parameters that stay at their defaults, each with its default as it is written.
    `crossed` are lines in which pairs seem to be set against all pairs. `notes` are sentences about a reply.
    """

    bound: tuple[tuple[str, str], ...] = ()
    by_position: bool = False
    fixed: tuple[tuple[str, str], ...] = ()
    crossed: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Json]:
        """The same as facts of a report; nothing where nothing is known."""
        found: dict[str, Json] = {}
        if self.bound:
            found["binding"] = {"how": "position" if self.by_position else "names", "parameters": dict(self.bound)}
        if self.fixed:
            found["fixed"] = dict(self.fixed)
        if self.crossed:
            found["crossed"] = list(self.crossed)
        return found


@dataclass(frozen=True)
class Program:
    """What the sandbox is given: text to compile inside, and the call plan.

    `text` is either the candidate's source as it stands (`guarded` false) or its RestrictedPython
    transformation. `lines[i]` is the candidate's own line for line i + 1 of `text`; empty means the
    lines are the same. `source` is the candidate's source, after a JSON reply or fence was taken off.
    `chosen` holds the values of the declared parameters; empty means the middle of each range. `entry_line` is where
    the loss begins in the candidate's file (0 where unknown). `told` is for reports, and changes nothing.
    `stateless` says that the text shows it to keep nothing between calls, `pointwise` that it works row by row as well
    (`harness.screen.pointwise`).
    `contract` says which tensors and numbers there are.
    """

    text: str
    guarded: bool
    plan: CallPlan
    name: str
    source: str
    lines: tuple[int, ...] = ()
    chosen: tuple[tuple[str, float], ...] = ()
    entry_line: int = 0
    told: Told = field(default_factory=Told, compare=False)
    stateless: bool = False
    pointwise: bool = False
    contract: Contract = field(default=PREFERENCE, repr=False)

    @property
    def constants(self) -> dict[str, float]:
        """The values of the declared parameters that are in force, by name; empty where none is declared."""
        chosen = dict(self.chosen)
        return {p.name: chosen.get(p.name, p.middle) for p in self.plan.parameters}

    @cached_property
    def sent(self) -> tuple[int, ...]:
        """The places of the contract's tensors that the sandbox is sent: what the loss takes or has gradients for."""
        tensors = enumerate(self.contract.tensors)
        return tuple(place for place, t in tensors if t.differentiated or self.plan.wants(t.name))

    def at(self, values: Mapping[str, float]) -> Program:
        """The same program with these values of its parameters. Raises ValueError for one out of its range."""
        ranges = {p.name: p for p in self.plan.parameters}
        for name, value in values.items():
            if name not in ranges or not ranges[name].low <= value <= ranges[name].high:
                raise ValueError(f"{name} = {value} is not within a declared range")
        return replace(self, chosen=tuple(values.items()))

    def line(self, line: int) -> int:
        """Give the candidate's own line for a line of `text` (0 where unknown)."""
        if not self.lines:
            return line
        return self.lines[line - 1] if 0 < line <= len(self.lines) else 0
