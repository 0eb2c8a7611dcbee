"""Reading the facts of a result, any of which may be absent, and putting them in words.

`CheckResult.facts` is JSON. What is there must have the right form (ValueError: a fault of ours); what is
not there is simply not told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.numbers import short, to_float
from harness.report.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.verdict import Json

_LISTED = 6


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
class Stability:
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


def _object(value: Json, what: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise ValueError(f"facts: {what} is no object")  # noqa: TRY004 - the form of a document, not a type
    return value


def _list(value: Json, what: str) -> list[Json]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"facts: {what} is no list")  # noqa: TRY004 - as above
    return list(value)


def _numbers(value: Json, what: str) -> tuple[float, ...]:
    return tuple(to_float(v) for v in _list(value, what))


def read_curve(facts: Mapping[str, Json]) -> Curve | None:
    """Give the curve, or None where the candidate did not get that far."""
    if facts.get("curve") is None:
        return None
    raw = _object(facts["curve"], "curve")
    rho = _numbers(raw["rho"], "rho")
    columns = {k: _numbers(raw.get(k) or [], k) for k in ("value", "slope", "dpo_value", "dpo_slope")}
    by_reference = _numbers(raw.get("value_by_reference") or [], "value_by_reference")
    if not rho or any(len(c) != len(rho) for c in (columns["value"], columns["slope"], by_reference or rho)):
        raise ValueError("facts: the curve's lists differ in length")
    return Curve(to_float(raw["beta"]), rho, **columns, by_reference=by_reference, held=_held(facts, raw))


def _held(facts: Mapping[str, Json], curve: dict[str, Json]) -> str:
    """What a loss that asks for more than beta was given all along its curve."""
    uses = _list(facts.get("uses") or [], "uses")
    held = ""
    if _uses_lengths(facts) and curve.get("length") is not None:
        held = f", completions of {to_float(curve['length']):g} tokens"
    if "progress" in uses and curve.get("progress") is not None:
        held += f", progress {to_float(curve['progress']):g}"
    return held


def _uses_lengths(facts: Mapping[str, Json]) -> bool:
    return any(str(u).endswith("_lengths") for u in _list(facts.get("uses") or [], "uses"))


def read_stability(facts: Mapping[str, Json]) -> Stability | None:
    """Give the stability map, or None where the candidate did not get that far."""
    if facts.get("stability") is None:
        return None
    raw = _object(facts["stability"], "stability")
    beta, rho = _numbers(raw["beta"], "beta"), _numbers(raw["rho"], "rho")
    state = tuple(tuple(int(s) for s in _numbers(row, "state")) for row in _list(raw["state"], "state"))
    if not rho or len(state) != len(beta) or any(len(row) != len(rho) for row in state):
        raise ValueError("facts: the stability map's rows do not fit its axes")
    domain = _object(raw.get("domain") or {}, "domain")
    span = _numbers(domain.get("beta") or [0.025, 1.0], "domain")
    return Stability(
        beta=beta,
        rho=rho,
        state=state,
        onset=tuple(_onset(_object(o, "onset")) for o in _list(raw.get("onset") or [], "onset")),
        domain_beta=(span[0], span[-1]),
        reach=to_float(domain.get("abs_beta_rho") or 50.0),
    )


def _onset(raw: dict[str, Json]) -> Onset:
    below, above = (None if raw.get(k) is None else to_float(raw[k]) for k in ("below", "above"))
    kind = one_line(str(raw.get("kind") or "NaN or infinity"), 40)
    return Onset(beta=to_float(raw["beta"]), below=below, above=above, kind=kind)


def read_points(facts: Mapping[str, Json], key: str) -> list[Point]:
    """Give the extrema under `minima` or `maxima`; an empty list where there are none."""
    points = [_object(p, key) for p in _list(facts.get(key) or [], key)]
    return [Point(to_float(p["rho"]), to_float(p["value"])) for p in points]


def stability_story(facts: Mapping[str, Json]) -> list[str]:
    """Say where the answers stop being finite, inside the operating domain first: a sentence or a few."""
    found = read_stability(facts)
    if found is None:
        return []
    return [*_onsets_told(found), *_lengths_of_the_map(facts)]


def _lengths_of_the_map(facts: Mapping[str, Json]) -> list[str]:
    raw = _object(facts["stability"], "stability")
    if not _uses_lengths(facts) or raw.get("nats_per_token") is None:
        return []
    nats, least = to_float(raw["nats_per_token"]), to_float(raw.get("least_tokens") or 1)
    return [f"In the stability map a completion has a token for each {nats:g} nats of the margin, at least {least:g}."]


def _onsets_told(found: Stability) -> list[str]:
    groups: dict[tuple[bool, str, str], list[str]] = {}
    for onset in found.onset:
        for sign, edge in (("<=", onset.below), (">=", onset.above)):
            if edge is not None:
                group = groups.setdefault((not _inside(found, onset.beta, edge), onset.kind, sign), [])
                group.append(f"{edge:.2f} for beta {onset.beta:g}")
    if groups:
        return [
            f"{'Outside' if outside else 'Inside'} the operating domain, {kind} begins at rho {sign} "
            f"{', '.join(places)}."
            for (outside, kind, sign), places in sorted(groups.items())
        ]
    if any(any(row) for row in found.state):
        return ["The answers are not finite at some margins; the stability map shows where."]
    return ["Values and gradients are finite over the whole stability map."]


def _inside(found: Stability, beta: float, rho: float) -> bool:
    return found.domain_beta[0] <= beta <= found.domain_beta[1] and abs(beta * rho) <= found.reach


def fact_rows(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Give the facts as pairs of label and text, in a fixed order, for the tables that people read."""
    rows = _as_read(facts) + _at_zero(facts) + _of_classification(facts)
    each = "example" if facts.get("contract") == "classification" else "pair"
    if facts.get("statistic") is not None:
        rows.append(("kind", _kind(facts)))
    rows += _of_its_arguments(facts)
    if facts.get("reduced") is not None:
        summed = ", the sum over its pairs" if facts.get("company") == "none, summed" else ""
        rows.append(("output", f"one scalar for a batch{summed}" if facts["reduced"] else f"one value per {each}"))
    rows += _convexity(facts)
    for key, label in (("minima", "local minima"), ("maxima", "local maxima")):
        if points := read_points(facts, key):
            rows.append((label, _some([f"{short(p.value)} at rho {short(p.rho)}" for p in points])))
    if uses := _list(facts.get("uses") or [], "uses"):
        rows.append(("uses", one_line(", ".join(str(u) for u in uses), 200)))
    for name, raw in _object(facts.get("parameters") or {}, "parameters").items():
        rows.append((f"parameter {one_line(name, 40)}", _range(_object(raw, "a parameter"))))
    rows += _looked_at(facts)
    if facts.get("fingerprint"):
        rows.append(("fingerprint", one_line(str(facts["fingerprint"]), 80)[:16]))
    return rows


def _looked_at(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    """How far state was looked for, since what waits for longer is not found; and why there are no other facts."""
    rows = []
    if facts.get("missing") is not None:
        rows.append(("other facts", one_line(f"missing: {facts['missing']}", 200)))
    if witness := _object(facts.get("witness") or {}, "witness"):
        keys = ("calls_of_one_life", "never_asked_before", "asked_again")
        calls, new, again = (int(to_float(witness[key])) for key in keys)
        told = f"none in {calls:,} calls of one life; {new + again:,} batches asked again in a fresh container"
        rows.append(("state", told))
    return rows


def _as_read(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    """How the candidate was read, which is known before it is asked anything."""
    rows = []
    binding = _object(facts.get("binding") or {}, "binding")
    if binding:
        bound = _object(binding.get("parameters") or {}, "binding")
        renamed = [f"{own} is {argument}" for own, argument in bound.items() if own != argument]
        told = f"by {binding.get('how')}{': ' if renamed else ''}{', '.join(renamed)}"
        rows.append(("bound", one_line(told, 500)))
    fixed = _object(facts.get("fixed") or {}, "fixed")
    rows += [
        (one_line(own, 40), one_line(f"stays at {at}: no other value was judged", 200)) for own, at in fixed.items()
    ]
    if crossed := _numbers(facts.get("crossed") or [], "crossed"):
        lines = _some([short(line) for line in crossed])
        rows.append(("pairs beside pairs", f"a vector gets a second dimension in line {lines}; (B, B) may come of it"))
    return rows


def _at_zero(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    curve = read_curve(facts)
    at = f" (beta {curve.beta:g}{curve.held})" if curve else ""
    rows = []
    if facts.get("value_at_zero") is not None:
        value = to_float(facts["value_at_zero"])
        rows.append(
            ("value at rho = 0", (short(value) if math.isfinite(value) else f"not finite: {short(value)}") + at)
        )
    if facts.get("slope_at_zero") is not None:
        slope = to_float(facts["slope_at_zero"])
        dpo = f"; DPO has {-curve.beta / 2:g}" if curve else ""
        told = short(slope) if math.isfinite(slope) else f"not finite: {short(slope)}"
        rows.append(("slope at rho = 0", f"{told}{at}{dpo}{'; it rises' if slope > 0 else ''}"))
    return rows


def _of_classification(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    """What is told of a loss for classification only; see `harness.classification.facts`."""
    rows = []
    if facts.get("value_at_uniform") is not None:
        slope = to_float(facts.get("slope_at_uniform") or 0.0)
        rows.append(("value at equal logits", f"{short(to_float(facts['value_at_uniform']))} (10 classes)"))
        rows.append(("slope of the right logit there", short(slope)))
    if facts.get("contract") == "classification":
        most = facts.get("finite_up_to")
        rows.append(("finite for logits up to", "1e+30" if most is None else f"{to_float(most):g}"))
    return rows


def _of_its_arguments(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    """What it makes of reference, margin and beta."""
    rows: list[tuple[str, str]] = []
    if facts.get("reference_free") is not None:
        rows.append(("reference", "not used (reference-free)" if facts["reference_free"] else _entering(facts)))
    if facts.get("of_rho_alone") is not None:
        rows.append(("function of rho alone", "yes" if facts["of_rho_alone"] else _not_of_rho(facts)))
    if facts.get("beta_matters") is False:
        taken = "beta" in _list(facts.get("uses") or [], "uses")
        rows.append(("beta", "not used: no answer changes with it" if taken else "not taken"))
    return rows


def _kind(facts: Mapping[str, Json]) -> str:
    kind = "pointwise" if facts["statistic"] == "pointwise" else "batch statistic"
    if facts.get("company") == "batch, all with all":
        kind += " that mixes pairs: each pair's numbers beside every other pair's, as a (B, B) broadcast does"
    smallest = facts.get("smallest_batch")
    each = "examples" if facts.get("contract") == "classification" else "pairs"
    return f"{kind}; needs at least {smallest} {each}" if isinstance(smallest, int) and smallest > 1 else kind


#: What may be shifted without a change of rho, by its key in `unmoved_by`.
_SHIFTS = {
    "chosen": "the chosen completion is shifted under both models",
    "rejected": "the rejected completion is shifted under both models",
    "policy": "both completions are shifted under the policy",
    "reference": "both completions are shifted under the reference",
    "all": "all four log-probabilities are shifted",
    "either": "either completion is shifted under both models",
}


def _not_of_rho(facts: Mapping[str, Json]) -> str:
    unmoved = _object(facts.get("unmoved_by") or {}, "unmoved_by")
    keys = [key for key in _SHIFTS if unmoved.get(key) is False]
    if {"chosen", "rejected"} <= set(keys):
        keys = ["either", *(key for key in keys if key in {"policy", "reference"})]
    moved = [_SHIFTS[key] for key in keys]
    return f"no: the same rho has other answers where {', or where '.join(moved)}" if moved else "no"


def _entering(facts: Mapping[str, Json]) -> str:
    """How the reference enters, next to "used"."""
    sides = _object(facts.get("reference_enters") or {}, "reference_enters")
    told: dict[str, list[str]] = {}
    for name, raw in sides.items():
        side = _object(raw, "a side of the reference")
        size, same = to_float(side["size"]), to_float(side["same_share"])
        words = {
            "opposite": "against the policy",
            "same": "WITH THE POLICY'S SIGN",
            "not at all": "not at all",
        }.get(str(side["sign"]), f"with the policy's sign for {same:.0%} of the pairs by weight, else against it")
        if side["sign"] != "not at all" and size != 1.0:
            words += f", at {short(size)} of its size"
        told.setdefault(words, []).append(one_line(name, 20))
    each = [words if len(names) > 1 else f"{words} ({names[0]})" for words, names in told.items()]
    return f"used: {'; '.join(each)}" if each else "used"


def _convexity(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Whether it is convex, as far as its curve is finite, and how far that is."""
    where = facts.get("finite_where")
    if where is None:
        return (
            [] if facts.get("convex") is None else [("convex in rho", "yes" if facts["convex"] else _not_convex(facts))]
        )
    spans = [_numbers(span, "finite_where") for span in _list(where, "finite_where")]
    if not spans:
        return [("finite along the curve", "nowhere"), ("convex in rho", "unknown: no answer of the curve is finite")]
    told = "yes, as far as it is finite" if facts.get("convex") else _not_convex(facts)
    rho = _some([f"{short(s[0])} to {short(s[-1])}" for s in spans])
    return [("finite along the curve", f"for rho {rho} only"), ("convex in rho", told)]


def _not_convex(facts: Mapping[str, Json]) -> str:
    spans = [_numbers(s, "non_convex_where") for s in _list(facts.get("non_convex_where") or [], "spans")]
    where = _some([f"{short(s[0])} to {short(s[-1])}" for s in spans])
    return f"no: not for rho {where}" if where else "no"


def _range(raw: dict[str, Json]) -> str:
    low, high, middle = (short(to_float(raw[key])) for key in ("low", "high", "middle"))
    return f"{low} to {high}, {one_line(str(raw['scale']), 10)}; what is told here is at {middle}"


def _some(texts: list[str]) -> str:
    more = f", and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more
