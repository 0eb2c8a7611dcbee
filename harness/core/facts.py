"""The facts of a loss, read from the JSON of a result, any of which may be absent.

What is there must have the right form (ValueError: a fault of ours); what is not there is None or empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.numbers import to_float
from harness.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Json


@dataclass(frozen=True)
class Curve:
    """A loss and its slope over rho (nats) at one beta, with DPO's; the DPO lists may be empty.

    `by_reference` is its value where the reference makes the same rho, and may be empty, too. `held` says what else the
    loss takes and what it was all along the curve, such as ", completions of 64 tokens".
    """

    beta: float
    rho: tuple[float, ...]
    value: tuple[float, ...]
    slope: tuple[float, ...]
    dpo_value: tuple[float, ...]
    dpo_slope: tuple[float, ...]
    by_reference: tuple[float, ...] = ()
    held: str = ""


@dataclass(frozen=True)
class Onset:
    """Where non-finite answers begin at one beta: at rho <= `below` and rho >= `above`, where not None."""

    beta: float
    below: float | None
    above: float | None
    kind: str


@dataclass(frozen=True)
class StabilityMap:
    """The stability map: `state[i][j]` at `beta[i]`, `rho[j]`: 0 finite, 1 gradient not finite, 2 value."""

    beta: tuple[float, ...]
    rho: tuple[float, ...]
    state: tuple[tuple[int, ...], ...]
    onset: tuple[Onset, ...]
    domain_beta: tuple[float, float]
    reach: float


@dataclass(frozen=True)
class Point:
    """An extremum."""

    rho: float
    value: float


def object_of(value: Json, what: str) -> dict[str, Json]:
    """An object of the facts. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"facts: {what} is no object")  # noqa: TRY004 - the form of a document, not a type
    return value


def list_of(value: Json, what: str) -> list[Json]:
    """A list of the facts. Raises ValueError."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"facts: {what} is no list")  # noqa: TRY004 - as above
    return list(value)


def numbers_of(value: Json, what: str) -> tuple[float, ...]:
    """A list of numbers of the facts. Raises ValueError."""
    return tuple(to_float(v) for v in list_of(value, what))


def read_curve(facts: Mapping[str, Json]) -> Curve | None:
    """Give the curve, or None where the candidate did not get that far."""
    if facts.get("curve") is None:
        return None
    raw = object_of(facts["curve"], "curve")
    rho = numbers_of(raw["rho"], "rho")
    columns = {k: numbers_of(raw.get(k) or [], k) for k in ("value", "slope", "dpo_value", "dpo_slope")}
    by_reference = numbers_of(raw.get("value_by_reference") or [], "value_by_reference")
    if not rho or any(len(c) != len(rho) for c in (columns["value"], columns["slope"], by_reference or rho)):
        raise ValueError("facts: the curve's lists differ in length")
    return Curve(to_float(raw["beta"]), rho, **columns, by_reference=by_reference, held=_held(facts, raw))


def _held(facts: Mapping[str, Json], curve: dict[str, Json]) -> str:
    """What a loss that asks for more than beta was given all along its curve."""
    uses = list_of(facts.get("uses") or [], "uses")
    held = ""
    if uses_lengths(facts) and curve.get("length") is not None:
        held = f", completions of {to_float(curve['length']):g} tokens"
    if "progress" in uses and curve.get("progress") is not None:
        held += f", progress {to_float(curve['progress']):g}"
    return held


def uses_lengths(facts: Mapping[str, Json]) -> bool:
    """Whether the loss takes lengths of completions."""
    return any(str(u).endswith("_lengths") for u in list_of(facts.get("uses") or [], "uses"))


def read_stability(facts: Mapping[str, Json]) -> StabilityMap | None:
    """Give the stability map, or None where the candidate did not get that far."""
    if facts.get("stability") is None:
        return None
    raw = object_of(facts["stability"], "stability")
    beta, rho = numbers_of(raw["beta"], "beta"), numbers_of(raw["rho"], "rho")
    state = tuple(tuple(int(s) for s in numbers_of(row, "state")) for row in list_of(raw["state"], "state"))
    if not rho or len(state) != len(beta) or any(len(row) != len(rho) for row in state):
        raise ValueError("facts: the stability map's rows do not fit its axes")
    domain = object_of(raw.get("domain") or {}, "domain")
    span = numbers_of(domain.get("beta") or [0.025, 1.0], "domain")
    return StabilityMap(
        beta=beta,
        rho=rho,
        state=state,
        onset=tuple(_onset(object_of(o, "onset")) for o in list_of(raw.get("onset") or [], "onset")),
        domain_beta=(span[0], span[-1]),
        reach=to_float(domain.get("abs_beta_rho") or 50.0),
    )


def _onset(raw: dict[str, Json]) -> Onset:
    below, above = (None if raw.get(k) is None else to_float(raw[k]) for k in ("below", "above"))
    kind = one_line(str(raw.get("kind") or "NaN or infinity"), 40)
    return Onset(beta=to_float(raw["beta"]), below=below, above=above, kind=kind)


def read_points(facts: Mapping[str, Json], key: str) -> list[Point]:
    """Give the extrema under `minima` or `maxima`; an empty list where there are none."""
    points = [object_of(p, key) for p in list_of(facts.get(key) or [], key)]
    return [Point(to_float(p["rho"]), to_float(p["value"])) for p in points]
