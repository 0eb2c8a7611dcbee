"""The chain of rungs under a promotion: each record of it is needed, and none of something else will do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from record_samples import OTHER, RUNGS, Made, digest_of, problems, ring_in, rung, verified

from harness.attestation.chain import look_at_chain

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attestation.keys import Keyring

_ANOTHER_LADDER = "2b" * 32


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return ring_in(tmp_path / "keys")


@pytest.fixture
def made(ring: Keyring) -> Made:
    return Made(ring.signing())


def test_a_whole_chain_holds_in_any_order(ring: Keyring, made: Made) -> None:
    chain = made.chain()
    assert problems(chain, ring.trusted()) == ""
    assert problems(chain[::-1], ring.trusted()) == ""
    assert problems(chain[3:] + chain[:3], ring.trusted()) == ""


def test_the_chains_of_two_candidates_hold_beside_each_other(ring: Keyring, made: Made) -> None:
    assert problems([*made.chain(), *made.chain(OTHER)], ring.trusted()) == ""


@pytest.mark.parametrize("missing", range(9))
def test_without_any_record_what_rests_on_it_does_not_hold(missing: int, ring: Keyring, made: Made) -> None:
    chain = made.chain()
    left = chain[:missing] + chain[missing + 1 :]
    found = verified(left, ring.trusted())
    top = found[-1]
    if missing == 8:
        assert all(each.holds for each in found), "without the last promotion it is a chain of two rungs"
        return
    assert not top.holds
    assert all(each.holds for each in found[:missing]), "what is below is whole"
    assert "not here" in "; ".join(problem for each in found for problem in each.problems)


def test_a_promotion_alone_is_no_promotion(ring: Keyring, made: Made) -> None:
    chain = made.chain()
    for position in (2, 5, 8):
        assert "not here" in problems([chain[position]], ring.trusted())


@pytest.mark.parametrize("swapped", range(9))
@pytest.mark.parametrize("other", [{"about": OTHER}, {"ladder": _ANOTHER_LADDER}], ids=["candidate", "ladder"])
def test_a_record_of_another_chain_in_its_place_is_not_taken(
    other: dict[str, Any], swapped: int, ring: Keyring, made: Made
) -> None:
    chain, strange = made.chain(), made.chain(**other)
    mixed = [*chain[:swapped], strange[swapped], *chain[swapped + 1 :]]
    assert problems(mixed, ring.trusted()) != ""


def _chain_to(made: Made, position: int) -> tuple[list[bytes], str]:
    chain = made.chain(rungs=position)
    return chain, digest_of(chain[-1]) if chain else ""


def _with(made: Made, position: int, result: bytes, **told: Any) -> list[bytes]:
    """A chain whose last rung goes by this result."""
    chain, previous = _chain_to(made, position)
    decision = made.decision(position, result, previous)
    return [*chain, result, decision, made.promotion(position, decision, previous, **told)]


def _told(position: int) -> dict[str, str]:
    return {"ladder": rung(0)["ladder"], "rung": RUNGS[position][0]}


@pytest.mark.parametrize("position", range(3))
def test_what_a_rung_may_go_by(position: int, ring: Keyring, made: Made) -> None:
    """Each kind of result, at the rung that it names, and what comes of a promotion by it."""

    def by(result: bytes) -> str:
        return problems(_with(made, position, result), ring.trusted())

    told = _told(position)
    assert by(made.verdict("PASSED", **told)) == ""
    assert by(made.verdict("WARNED", **told)) == ""
    assert "not its own" in by(made.verdict("FAILED", **told))
    assert "not its own" in by(made.no_verdict("undecided", **told))
    assert ("not its own" in by(made.no_verdict("screened", **told))) == (position != 0)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"ladder": _ANOTHER_LADDER, "rung": "properties"},
        {"ladder": rung(0)["ladder"], "rung": "training"},
        {"ladder": rung(0)["ladder"]},
        {"rung": "properties"},
        {"ladder": rung(0)["ladder"], "rung": ["properties"]},
    ],
)
def test_a_verdict_of_another_rung_or_of_none_is_not_taken(told: dict[str, Any], ring: Keyring, made: Made) -> None:
    verdict = made.verdict(**told)
    assert "not its own" in problems(_with(made, 1, verdict), ring.trusted())


def test_a_result_of_another_rung_or_evaluation_is_not_taken(ring: Keyring, made: Made) -> None:
    assert problems(_with(made, 2, made.rung_result(2)), ring.trusted()) == ""
    assert "not its own" in problems(_with(made, 2, made.rung_result(1)), ring.trusted())
    other = made.rung_result(2, evaluation="ff" * 32)
    assert "another evaluation" in problems(_with(made, 2, other), ring.trusted())
    assert problems(_with(made, 2, other, evaluation="ff" * 32), ring.trusted()) == ""


def test_a_gate_that_rejected_promotes_nobody(ring: Keyring, made: Made) -> None:
    result = made.result(0)
    decision = made.decision(0, result, "", decision="reject")
    lines = [result, decision, made.promotion(0, decision, "")]
    found = verified(lines, ring.trusted())
    assert [each.holds for each in found] == [True, True, False]
    assert "not its own" in found[-1].problems[0]


def test_a_gate_may_reject_by_what_is_no_pass(ring: Keyring, made: Made) -> None:
    for result in (made.verdict("FAILED", **_told(0)), made.no_verdict("undecided", **_told(0))):
        assert problems([result, made.decision(0, result, "", decision="reject")], ring.trusted()) == ""


def test_a_decision_of_another_rung_is_not_taken(ring: Keyring, made: Made) -> None:
    chain, previous = _chain_to(made, 1)
    result = made.result(1)
    decision = made.decision(1, result, previous)
    for other in (rung(2), {**rung(1), "kind": "screen"}, {**rung(1), "name": "x"}):
        promotion = made.promotion(1, decision, previous, rung=other)
        assert "not its own" in problems([*chain, result, decision, promotion], ring.trusted())


def test_a_rung_cannot_be_left_out(ring: Keyring, made: Made) -> None:
    chain, previous = _chain_to(made, 1)
    result = made.result(2)
    decision = made.decision(2, result, previous)
    lines = [*chain, result, decision, made.promotion(2, decision, previous)]
    assert "not its own" in problems(lines, ring.trusted())
    decision = made.decision(2, result, "")
    lines = [*chain, result, decision, made.promotion(2, decision, "")]
    assert "names no promotion from the rung below" in problems(lines, ring.trusted())


def test_the_first_rung_has_none_below(ring: Keyring, made: Made) -> None:
    chain, previous = _chain_to(made, 1)
    assert "names one below" in problems([*chain, made.decision(0, chain[0], previous)], ring.trusted())


def test_a_decision_by_another_way_up_is_not_taken(ring: Keyring, made: Made) -> None:
    """The promotion and its decision have to stand on the same promotion below."""
    chain, previous = _chain_to(made, 1)
    again = made.promotion(0, chain[1], "")
    result = made.result(1)
    decision = made.decision(1, result, previous)
    promotion = made.promotion(1, decision, digest_of(again))
    assert problems([*chain, again, result, decision, promotion], ring.trusted()) != ""


def test_a_promotion_does_not_rest_on_itself_or_on_a_promotion(ring: Keyring, made: Made) -> None:
    chain, previous = _chain_to(made, 1)
    for under in (chain[2], chain[0]):
        assert "not its own" in problems([*chain, made.promotion(1, under, previous)], ring.trusted())
    result = made.result(1)
    decision = made.decision(1, chain[2], previous)
    assert "not its own" in problems([*chain, result, decision], ring.trusted())


def test_two_that_name_each_other_do_not_hold(ring: Keyring, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests make a circle impossible; where one was made nevertheless, looking at it ends, and it is no chain."""
    chain = made.chain(rungs=2)
    monkeypatch.setattr(
        "harness.attestation.verify.look_at_chain",
        lambda found, _: look_at_chain(found, ["ab" * 32] * len(chain)),
    )
    assert problems(chain, ring.trusted()) != ""


def test_what_rests_on_a_record_that_does_not_hold_does_not_either(ring: Keyring, made: Made, tmp_path: Path) -> None:
    other = Made(ring_in(tmp_path / "other").signing())
    result = other.result(0)
    decision = made.decision(0, result, "")
    found = verified([result, decision, made.promotion(0, decision, "")], ring.trusted())
    assert [each.holds for each in found] == [False, False, False]
    assert "does not hold" in found[2].problems[0]


def test_what_rests_on_an_old_record_does_not_hold_either(ring: Keyring, made: Made) -> None:
    result = made.result(0)
    old = made.decision(0, result, "")
    promotion = made.promotion(0, old, "")
    new = made.decision(0, result, "", decision="reject")
    found = verified([result, old, promotion, new], ring.trusted())
    assert [each.holds for each in found] == [True, False, False, True]
    assert "does not hold" in found[2].problems[0]
