"""What all formats say in the same words: the sentence that sums a report up, facts in rows, numbers.

Facts that are not there are not told. Numbers are strict JSON on the way in, and short or pasteable text on the way
out.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from harness.core.contract import CONTRACTS, PREFERENCE
from harness.core.numbers import number, short
from harness.core.text import clean, one_line
from harness.core.verdict import NOT_JUDGED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.facts import LossFacts, Range, StabilityMap
    from harness.core.result import CheckReport, CheckResult
    from harness.core.verdict import Json

#: The verdicts, in the order in which they are counted.
WORDS = ("accepted", "screened", "rejected", "undecided")


def tally(report: CheckReport) -> str:
    """Count the verdicts, and name the profile and the seed."""
    words = Counter(result.verdict.word for result in report.results)
    counts = [f"{words[word]} {word}" for word in WORDS if words[word]]
    if report.excluded:
        counts.append(f"{len(report.excluded)} excluded")
    return f"{', '.join(counts) or 'nothing checked'} (profile {one_line(report.profile)}, seed {report.seed})"


#: What is said of a candidate that was screened alone, as a sentence.
SCREENED_ALONE = f"{NOT_JUDGED[:1].upper()}{NOT_JUDGED[1:]}."


def not_run(result: CheckResult) -> list[str]:
    """A sentence for each reason for which rules were not run, with the rules."""
    rules: dict[str, list[str]] = {}
    for rule, why in sorted(result.not_run.items()):
        rules.setdefault(why, []).append(rule)
    return [f"Not run: {', '.join(named)} ({why})." for why, named in rules.items()]


_LISTED = 6


def stability_story(facts: LossFacts) -> list[str]:
    """Say where the answers stop being finite, inside the operating domain first: a sentence or a few."""
    found = facts.stability
    if found is None:
        return []
    told = _onsets_told(found)
    if tokens := facts.tokens_of_the_map:
        nats, least = tokens
        told.append(
            f"In the stability map a completion has a token for each {nats:g} nats of the margin, at least {least:g}."
        )
    return told


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


def fact_rows(facts: LossFacts) -> list[tuple[str, str]]:
    """Give the facts as pairs of label and text, in a fixed order, for the tables that people read."""
    rows = _as_read(facts) + _at_zero(facts) + _of_classification(facts) + _of_lists(facts)
    each = _row(facts)
    if facts.statistic is not None:
        rows.append(("kind", _kind(facts)))
    rows += _of_its_arguments(facts)
    if facts.reduced is not None:
        summed = ", the sum over its pairs" if facts.company == "none, summed" else ""
        rows.append(("output", f"one scalar for a batch{summed}" if facts.reduced else f"one value per {each}"))
    rows += _convexity(facts)
    for points, label in ((facts.minima, "local minima"), (facts.maxima, "local maxima")):
        if points:
            rows.append((label, _some([f"{short(p.value)} at rho {short(p.rho)}" for p in points])))
    if facts.uses:
        rows.append(("uses", one_line(", ".join(facts.uses), 200)))
    rows += [(f"parameter {one_line(name, 40)}", _range(one)) for name, one in facts.parameters]
    rows += _looked_at(facts)
    if facts.fingerprint:
        rows.append(("fingerprint", one_line(facts.fingerprint, 80)[:16]))
    return rows


def _looked_at(facts: LossFacts) -> list[tuple[str, str]]:
    """How far state was looked for, since what waits for longer is not found; and why there are no other facts."""
    rows = []
    if facts.missing is not None:
        rows.append(("other facts", one_line(f"missing: {facts.missing}", 200)))
    if seen := facts.witness:
        again = f"{seen.new + seen.again:,} batches asked again in a fresh container"
        rows.append(("state", f"none in {seen.calls:,} calls of one life; {again}"))
    return rows


def _as_read(facts: LossFacts) -> list[tuple[str, str]]:
    """How the candidate was read, which is known before it is asked anything."""
    rows = []
    if facts.binding:
        renamed = [f"{own} is {argument}" for own, argument in facts.binding.parameters if own != argument]
        told = f"by {facts.binding.how}{': ' if renamed else ''}{', '.join(renamed)}"
        rows.append(("bound", one_line(told, 500)))
    rows += [(one_line(own, 40), one_line(f"stays at {at}: no other value was judged", 200)) for own, at in facts.fixed]
    if facts.crossed:
        lines = _some([short(line) for line in facts.crossed])
        rows.append(("pairs beside pairs", f"a vector gets a second dimension in line {lines}; (B, B) may come of it"))
    return rows


def _at_zero(facts: LossFacts) -> list[tuple[str, str]]:
    curve, value, slope = facts.curve, facts.value_at_zero, facts.slope_at_zero
    at = f" (beta {curve.beta:g}{curve.held})" if curve else ""
    rows = []
    if value is not None:
        rows.append(
            ("value at rho = 0", (short(value) if math.isfinite(value) else f"not finite: {short(value)}") + at)
        )
    if slope is not None:
        dpo = f"; DPO has {-curve.beta / 2:g}" if curve else ""
        told = short(slope) if math.isfinite(slope) else f"not finite: {short(slope)}"
        rows.append(("slope at rho = 0", f"{told}{at}{dpo}{'; it rises' if slope > 0 else ''}"))
    return rows


def _of_classification(facts: LossFacts) -> list[tuple[str, str]]:
    """What is told of a loss for classification only; see `harness.subject.classification.facts`."""
    rows = []
    if facts.value_at_uniform is not None:
        rows.append(("value at equal logits", f"{short(facts.value_at_uniform)} (10 classes)"))
        rows.append(("slope of the right logit there", short(facts.slope_at_uniform or 0.0)))
    if facts.contract == "classification":
        most = facts.finite_up_to
        rows.append(("finite for logits up to", "1e+30" if most is None else f"{most:g}"))
    return rows


def _of_lists(facts: LossFacts) -> list[tuple[str, str]]:
    """What is told of a loss over lists only; see `harness.subject.lists.facts`."""
    rows = []
    if facts.value_at_start is not None:
        rows.append(("value at the start", f"{short(facts.value_at_start)} (4 answers)"))
        slopes = ", ".join(short(slope) for slope in facts.slopes_at_start[:8])
        rows.append(("slopes there, by score", slopes))
    if facts.contract == "lists":
        most = facts.finite_up_to
        rows.append(("finite for beta log-ratios", f"up to {'1e+30' if most is None else f'{most:g}'} apart"))
    return rows


def _of_its_arguments(facts: LossFacts) -> list[tuple[str, str]]:
    """What it makes of reference, margin and beta."""
    rows: list[tuple[str, str]] = []
    if facts.reference_free is not None:
        rows.append(("reference", "not used (reference-free)" if facts.reference_free else _entering(facts)))
    if facts.of_rho_alone is not None:
        rows.append(("function of rho alone", "yes" if facts.of_rho_alone else _not_of_rho(facts)))
    if facts.beta_matters is False:
        rows.append(("beta", "not used: no answer changes with it" if "beta" in facts.uses else "not taken"))
    return rows


def _row(facts: LossFacts) -> str:
    """What one row of its batches is; documents of preference losses do not name their contract."""
    return CONTRACTS.get(facts.contract, PREFERENCE).row


def _kind(facts: LossFacts) -> str:
    kind = "pointwise" if facts.statistic == "pointwise" else "batch statistic"
    if facts.company == "batch, all with all":
        kind += " that mixes pairs: each pair's numbers beside every other pair's, as a (B, B) broadcast does"
    smallest = facts.smallest_batch or 1
    return f"{kind}; needs at least {smallest} {_row(facts)}s" if smallest > 1 else kind


#: What may be shifted without a change of rho, by its key in `unmoved_by`.
_SHIFTS = {
    "chosen": "the chosen completion is shifted under both models",
    "rejected": "the rejected completion is shifted under both models",
    "policy": "both completions are shifted under the policy",
    "reference": "both completions are shifted under the reference",
    "all": "all four log-probabilities are shifted",
    "either": "either completion is shifted under both models",
}


def _not_of_rho(facts: LossFacts) -> str:
    keys = [key for key in _SHIFTS if facts.unmoved_by.get(key) is False]
    if {"chosen", "rejected"} <= set(keys):
        keys = ["either", *(key for key in keys if key in {"policy", "reference"})]
    moved = [_SHIFTS[key] for key in keys]
    return f"no: the same rho has other answers where {', or where '.join(moved)}" if moved else "no"


def _entering(facts: LossFacts) -> str:
    """How the reference enters, next to "used"."""
    told: dict[str, list[str]] = {}
    for name, side in facts.reference_enters:
        words = {
            "opposite": "against the policy",
            "same": "WITH THE POLICY'S SIGN",
            "not at all": "not at all",
        }.get(side.sign, f"with the policy's sign for {side.same_share:.0%} of the pairs by weight, else against it")
        if side.sign != "not at all" and side.size != 1.0:
            words += f", at {short(side.size)} of its size"
        told.setdefault(words, []).append(one_line(name, 20))
    each = [words if len(names) > 1 else f"{words} ({names[0]})" for words, names in told.items()]
    return f"used: {'; '.join(each)}" if each else "used"


def _convexity(facts: LossFacts) -> list[tuple[str, str]]:
    """Whether it is convex, as far as its curve is finite, and how far that is."""
    spans = facts.finite_where
    if spans is None:
        return [] if facts.convex is None else [("convex in rho", "yes" if facts.convex else _not_convex(facts))]
    if not spans:
        return [("finite along the curve", "nowhere"), ("convex in rho", "unknown: no answer of the curve is finite")]
    told = "yes, as far as it is finite" if facts.convex else _not_convex(facts)
    return [("finite along the curve", f"for rho {_spans(spans)} only"), ("convex in rho", told)]


def _not_convex(facts: LossFacts) -> str:
    where = _spans(facts.non_convex_where)
    return f"no: not for rho {where}" if where else "no"


def _range(one: Range) -> str:
    scale = one_line(one.scale, 10)
    return f"{short(one.low)} to {short(one.high)}, {scale}; what is told here is at {short(one.middle)}"


def _spans(spans: tuple[tuple[float, float], ...]) -> str:
    return _some([f"{short(low)} to {short(high)}" for low, high in spans])


def _some(texts: list[str]) -> str:
    more = f", and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more


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
