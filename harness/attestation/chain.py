"""What a promotion rests on: the decision of its gate, the result that was decided by, and the promotion below.

Covered: a record that is missing, does not hold, or is about another candidate, ladder or rung; a gate that let pass
what was not judged, was undecided or failed. Not covered: whether a gate decided rightly by its figures, which takes
the ladder's own code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from harness.attestation.statement import (
    GateDecisionStatement,
    NoVerdictStatement,
    PromotionStatement,
    RungResultStatement,
    VerdictStatement,
)
from harness.core import text as sanitize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.attestation.statement import Statement
    from harness.attestation.verified import Verified


def look_at_chain(found: Sequence[Verified], digests: Sequence[str]) -> None:
    """Tell of each decision and promotion where what it rests on is not there, does not hold, or is not its own.

    By position, the decisions of each before its promotions: what is wrong below is known by then.
    """
    known = dict(zip(digests, found, strict=True))
    resting = [(each, each.statement) for each in found if each.holds]
    decided = [(each, one) for each, one in resting if isinstance(one, GateDecisionStatement)]
    promoted = [(each, one) for each, one in resting if isinstance(one, PromotionStatement)]
    positions = {one.predicate.rung.position for _, one in decided}
    for position in sorted(positions | {one.predicate.rung.position for _, one in promoted}):
        for each, decision in decided:
            if decision.predicate.rung.position == position:
                each.problems += _rests(each, decision, known, decision.predicate.result, _is_result)
                each.problems += _stands_on_the_rung_below(each, decision, known)
        for each, promotion in promoted:
            if promotion.predicate.rung.position == position:
                each.problems += _rests(each, promotion, known, promotion.predicate.decision, _is_promoting)
                each.problems += _of_another_evaluation(promotion, known)
                each.problems += _stands_on_the_rung_below(each, promotion, known)


_OfRung: TypeAlias = "GateDecisionStatement | PromotionStatement"


def _rests(
    each: Verified,
    one: _OfRung,
    known: Mapping[str, Verified],
    digest: str,
    fits: Callable[[Statement, _OfRung], bool],
) -> list[str]:
    """What is wrong with the record that another names: of this candidate, there, sound, and of the kind that it is."""
    under = known.get(digest)
    where = f"of the rung {sanitize.name(one.predicate.rung.name)}"
    if under is None:
        return [f"its chain is not whole: the record {digest[:12]} that it rests on, {where}, is not here"]
    if not under.holds or under.statement is None:
        return [f"it rests on a record that does not hold: {under.source}"]
    if under.candidate != each.candidate or not fits(under.statement, one):
        return [f"it rests on a record that is not its own: {under.source}"]
    return []


def _stands_on_the_rung_below(each: Verified, one: _OfRung, known: Mapping[str, Verified]) -> list[str]:
    said = one.predicate
    if said.rung.position == 0:
        return ["it is of the first rung, and names one below"] if said.previous else []
    if not said.previous:
        return ["its chain is not whole: it names no promotion from the rung below"]
    return _rests(each, one, known, said.previous, _is_below)


def _of_another_evaluation(one: PromotionStatement, known: Mapping[str, Verified]) -> list[str]:
    decision = known.get(one.predicate.decision)
    if decision is None or not isinstance(decision.statement, GateDecisionStatement):
        return []
    result = known.get(decision.statement.predicate.result)
    if result is None or not isinstance(result.statement, RungResultStatement):
        return []
    same = result.statement.predicate.digest("evaluation") == one.predicate.evaluation
    return [] if same else ["it is of another evaluation than the result that it rests on"]


def _is_result(under: Statement, one: _OfRung) -> bool:
    if isinstance(under, RungResultStatement):
        return under.predicate.rung == one.predicate.rung
    if not isinstance(under, VerdictStatement | NoVerdictStatement):
        return False
    told = under.predicate.annotations("circumstances")
    of_it = (told.get("ladder"), told.get("rung")) == (one.predicate.rung.ladder, one.predicate.rung.name)
    promotes = isinstance(one, GateDecisionStatement) and one.predicate.decision == "promote"
    return of_it and (_lets_pass(under, one.predicate.rung.kind) or not promotes)


def _lets_pass(verdict: VerdictStatement | NoVerdictStatement, kind: str) -> bool:
    """Whether a candidate may go on from a rung of this kind by that verdict: one that judged nothing only screens."""
    if isinstance(verdict, NoVerdictStatement):
        return verdict.predicate.verdict == "screened" and kind == "screen"
    return verdict.predicate.result != "FAILED"


def _is_promoting(under: Statement, one: _OfRung) -> bool:
    if not (isinstance(under, GateDecisionStatement) and under.predicate.decision == "promote"):
        return False
    return under.predicate.rung == one.predicate.rung and under.predicate.previous == one.predicate.previous


def _is_below(under: Statement, one: _OfRung) -> bool:
    if not isinstance(under, PromotionStatement):
        return False
    below, rung = under.predicate.rung, one.predicate.rung
    return below.ladder == rung.ladder and below.position == rung.position - 1
