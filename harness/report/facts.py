"""The facts of a result in words; what is not there is not told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.core.facts import (
    StabilityMap,
    list_of,
    numbers_of,
    object_of,
    read_curve,
    read_points,
    read_stability,
    uses_lengths,
)
from harness.core.numbers import short, to_float
from harness.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Json

_LISTED = 6


def stability_story(facts: Mapping[str, Json]) -> list[str]:
    """Say where the answers stop being finite, inside the operating domain first: a sentence or a few."""
    found = read_stability(facts)
    if found is None:
        return []
    return [*_onsets_told(found), *_lengths_of_the_map(facts)]


def _lengths_of_the_map(facts: Mapping[str, Json]) -> list[str]:
    raw = object_of(facts["stability"], "stability")
    if not uses_lengths(facts) or raw.get("nats_per_token") is None:
        return []
    nats, least = to_float(raw["nats_per_token"]), to_float(raw.get("least_tokens") or 1)
    return [f"In the stability map a completion has a token for each {nats:g} nats of the margin, at least {least:g}."]


def _onsets_told(found: StabilityMap) -> list[str]:
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


def _inside(found: StabilityMap, beta: float, rho: float) -> bool:
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
    if uses := list_of(facts.get("uses") or [], "uses"):
        rows.append(("uses", one_line(", ".join(str(u) for u in uses), 200)))
    for name, raw in object_of(facts.get("parameters") or {}, "parameters").items():
        rows.append((f"parameter {one_line(name, 40)}", _range(object_of(raw, "a parameter"))))
    rows += _looked_at(facts)
    if facts.get("fingerprint"):
        rows.append(("fingerprint", one_line(str(facts["fingerprint"]), 80)[:16]))
    return rows


def _looked_at(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    """How far state was looked for, since what waits for longer is not found; and why there are no other facts."""
    rows = []
    if facts.get("missing") is not None:
        rows.append(("other facts", one_line(f"missing: {facts['missing']}", 200)))
    if witness := object_of(facts.get("witness") or {}, "witness"):
        keys = ("calls_of_one_life", "never_asked_before", "asked_again")
        calls, new, again = (int(to_float(witness[key])) for key in keys)
        told = f"none in {calls:,} calls of one life; {new + again:,} batches asked again in a fresh container"
        rows.append(("state", told))
    return rows


def _as_read(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    """How the candidate was read, which is known before it is asked anything."""
    rows = []
    binding = object_of(facts.get("binding") or {}, "binding")
    if binding:
        bound = object_of(binding.get("parameters") or {}, "binding")
        renamed = [f"{own} is {argument}" for own, argument in bound.items() if own != argument]
        told = f"by {binding.get('how')}{': ' if renamed else ''}{', '.join(renamed)}"
        rows.append(("bound", one_line(told, 500)))
    fixed = object_of(facts.get("fixed") or {}, "fixed")
    rows += [
        (one_line(own, 40), one_line(f"stays at {at}: no other value was judged", 200)) for own, at in fixed.items()
    ]
    if crossed := numbers_of(facts.get("crossed") or [], "crossed"):
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
    """What is told of a loss for classification only; see `harness.subject.classification.facts`."""
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
        taken = "beta" in list_of(facts.get("uses") or [], "uses")
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
    unmoved = object_of(facts.get("unmoved_by") or {}, "unmoved_by")
    keys = [key for key in _SHIFTS if unmoved.get(key) is False]
    if {"chosen", "rejected"} <= set(keys):
        keys = ["either", *(key for key in keys if key in {"policy", "reference"})]
    moved = [_SHIFTS[key] for key in keys]
    return f"no: the same rho has other answers where {', or where '.join(moved)}" if moved else "no"


def _entering(facts: Mapping[str, Json]) -> str:
    """How the reference enters, next to "used"."""
    sides = object_of(facts.get("reference_enters") or {}, "reference_enters")
    told: dict[str, list[str]] = {}
    for name, raw in sides.items():
        side = object_of(raw, "a side of the reference")
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
    spans = [numbers_of(span, "finite_where") for span in list_of(where, "finite_where")]
    if not spans:
        return [("finite along the curve", "nowhere"), ("convex in rho", "unknown: no answer of the curve is finite")]
    told = "yes, as far as it is finite" if facts.get("convex") else _not_convex(facts)
    rho = _some([f"{short(s[0])} to {short(s[-1])}" for s in spans])
    return [("finite along the curve", f"for rho {rho} only"), ("convex in rho", told)]


def _not_convex(facts: Mapping[str, Json]) -> str:
    spans = [numbers_of(s, "non_convex_where") for s in list_of(facts.get("non_convex_where") or [], "spans")]
    where = _some([f"{short(s[0])} to {short(s[-1])}" for s in spans])
    return f"no: not for rho {where}" if where else "no"


def _range(raw: dict[str, Json]) -> str:
    low, high, middle = (short(to_float(raw[key])) for key in ("low", "high", "middle"))
    return f"{low} to {high}, {one_line(str(raw['scale']), 10)}; what is told here is at {middle}"


def _some(texts: list[str]) -> str:
    more = f", and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more
