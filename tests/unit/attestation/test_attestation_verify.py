"""Whether records hold: whose key, from when to when, for which word, and none that is an old one shown again."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from record_samples import (
    CANDIDATE,
    KINDS,
    OTHER,
    Made,
    every_kind,
    part,
    problems,
    resealed,
    ring_in,
    statement_in,
    verified,
    whole_verdict,
)

from harness.attestation import newest, times
from harness.attestation.keys import TrustedKey, trusted_once
from harness.attestation.statement import TEST_RESULT, made_at
from harness.core.errors import UserError
from harness.core.profiles import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.attestation.keys import Keyring


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return ring_in(tmp_path / "keys")


@pytest.fixture
def made(ring: Keyring) -> Made:
    return Made(ring.signing())


def test_a_sound_record_holds_and_says_what_it_was_compared_with(ring: Keyring, made: Made) -> None:
    lines = [made.verdict(), made.verdict(about=OTHER)]
    first, second = verified(lines, ring.trusted(), given={CANDIDATE: ["loss.py", "copy.py"]})
    assert first.holds
    assert second.holds
    assert (first.compared, second.compared) == (["loss.py", "copy.py"], [])
    assert first.key == ring.own()


def test_a_key_that_nobody_trusts(ring: Keyring, made: Made, tmp_path: Path) -> None:
    other = ring_in(tmp_path / "other")
    assert "nobody trusts" in problems([made.verdict()], other.trusted())
    assert "nobody trusts" in problems([made.verdict()], ())
    own = ring.own()
    assert own is not None
    assert problems([made.verdict()], (trusted_once(own.pem.encode(), "x"),)) == ""


def test_a_key_that_expired_and_the_time_of_which_it_is_asked(ring: Keyring, made: Made) -> None:
    own = ring.own()
    assert own is not None
    record = made.verdict()
    assert problems([record], ring.trusted(), at=own.until) == ""
    assert "expired" in problems([record], ring.trusted(), at=own.until + timedelta(microseconds=1))
    made.when = own.until
    late = problems([made.verdict()], ring.trusted())
    assert "after its key had expired" in late
    assert "later than" in late


def test_a_record_from_before_its_key_or_after_now(ring: Keyring, made: Made) -> None:
    own = ring.own()
    assert own is not None
    assert own.since is not None
    made.when = own.since - timedelta(microseconds=2)
    assert "before its key was" in problems([made.verdict()], ring.trusted())
    made.when = times.now() + timedelta(hours=1)
    assert "later than" in problems([made.verdict()], ring.trusted())


def test_a_key_that_was_retired_or_distrusted() -> None:
    now = times.now()
    day = timedelta(days=1)
    key: Any = None
    retired = TrustedKey(key, "a", own=False, since=None, until=now + 9 * day, retired=now)
    assert retired.against(now, now + day) == ""
    assert "retired" in retired.against(now + timedelta(microseconds=1), now + day)
    distrusted = TrustedKey(key, "a", own=False, since=None, until=now + 9 * day, distrusted=True)
    assert "not trusted" in distrusted.against(now - day, now)


def test_the_word_that_it_was_asked_for_with(ring: Keyring, made: Made) -> None:
    asked = made.verdict(nonce="7f3a")
    assert problems([asked], ring.trusted(), nonce="7f3a") == ""
    assert problems([asked], ring.trusted()) == ""
    for other in ("7f3b", "", "7f3a "):
        assert "--nonce" in problems([asked], ring.trusted(), nonce=other)
    assert "--nonce" in problems([made.verdict()], ring.trusted(), nonce="7f3a")


def test_what_was_made_before_the_time_that_is_asked_for(ring: Keyring, made: Made) -> None:
    (each,) = verified([made.verdict()], ring.trusted())
    assert each.statement is not None
    when = made_at(each.statement)
    assert problems([made.verdict()], ring.trusted(), since=when) == ""
    made.when = when - timedelta(microseconds=1)
    record = made.verdict()
    assert problems([record], ring.trusted(), since=when) == ""
    assert "before" in problems([record], ring.trusted(), since=when + timedelta(microseconds=1))


def test_the_same_record_twice(ring: Keyring, made: Made) -> None:
    record = made.verdict()
    assert problems([record, record], ring.trusted()).count("there twice") == 2


def test_an_old_one_beside_a_newer_one(ring: Keyring, made: Made) -> None:
    lines = [made.verdict("PASSED"), made.verdict("FAILED")]
    for order in (lines, lines[::-1]):
        found = {each.holds: each.problems for each in verified(order, ring.trusted())}
        assert found[True] == []
        assert "old one" in found[False][0]


def test_an_old_one_after_a_newer_one_was_verified(ring: Keyring, made: Made, tmp_path: Path) -> None:
    old, new = made.verdict("PASSED"), made.no_verdict("undecided")
    (each,) = verified([new], ring.trusted())
    assert each.statement is not None
    newest.remember(tmp_path / "n", {each.kind: made_at(each.statement)})
    (again,) = verified([old], ring.trusted())
    assert again.statement is not None
    newest.remember(tmp_path / "n", {again.kind: made_at(again.statement)})  # an older one takes nothing back
    known = newest.known(tmp_path / "n")
    assert "old one" in problems([old], ring.trusted(), newest=known)
    assert problems([new], ring.trusted(), newest=known) == ""


def test_an_old_one_of_the_key_before_today_s(ring: Keyring, made: Made) -> None:
    old = made.verdict("PASSED")
    ring.rotate()
    new = Made(ring.signing()).verdict("FAILED")
    assert "old one" in problems([old, new], ring.trusted())


def test_what_does_not_hold_makes_nothing_old(ring: Keyring, made: Made, tmp_path: Path) -> None:
    old, new = made.verdict("PASSED"), Made(ring_in(tmp_path / "other").signing()).verdict("FAILED")
    first, second = verified([old, new], ring.trusted())
    assert (first.holds, second.holds) == (True, False)


@pytest.mark.parametrize(
    "other",
    [
        {"about": OTHER},
        {"profile": part("profile", "ab" * 32)},
        {"questions": part("questions", "ab" * 32, seed=1)},
        {"entry": "other"},
        {"ladder": "1a" * 32, "rung": "screening"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_is_about_something_else_makes_nothing_old(other: dict[str, Any], ring: Keyring, made: Made) -> None:
    assert problems([made.verdict(), made.verdict("FAILED", **other)], ring.trusted()) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"result": "PASSED", "failedTests": ["P301"], "passedTests": []}, "by its rules it is FAILED"),
        ({"result": "WARNED"}, "by its rules it is PASSED"),
        ({"result": "FAILED"}, "by its rules it is PASSED"),
        ({"result": "PASSED", "warnedTests": ["P302"]}, "by its rules it is WARNED"),
        ({"passedTests": ["P301", "P301"]}, "names P301 twice"),
        ({"result": "FAILED", "failedTests": ["P301"]}, "names P301 twice"),
    ],
)
def test_a_verdict_that_contradicts_its_rules(change: dict[str, Any], told: str, ring: Keyring, made: Made) -> None:
    record = made.seal(TEST_RESULT, made.verdict_predicate() | change)
    assert told in problems([record], ring.trusted())


def test_a_verdict_that_tells_of_errors_and_passes(ring: Keyring, made: Made) -> None:
    def told(severity: str) -> str:
        finding = {"rule": "P303", "severity": severity, "message": "so"}
        said = made.verdict_predicate(findings=part("findings", "", findings=[finding], not_run={}))
        return problems([made.seal(TEST_RESULT, said)], ring.trusted())

    assert "tells of errors by P303" in told("error")
    assert told("warning") == ""


def test_a_verdict_without_an_outcome_of_a_rule(ring: Keyring, made: Made) -> None:
    profile = load("2026.2")
    assert profile.not_run
    excused = dict(profile.not_run)
    sound = whole_verdict(made, findings=part("findings", "", findings=[], not_run=excused))
    assert problems([made.seal(TEST_RESULT, sound)], ring.trusted()) == ""
    first = sound["passedTests"][0]
    assert f"no outcome of {first}" in problems(
        [made.seal(TEST_RESULT, sound | {"passedTests": sound["passedTests"][1:]})], ring.trusted()
    )
    # It cannot excuse what its profile does not, and an excuse has to be told.
    more = whole_verdict(made, findings=part("findings", "", findings=[], not_run={**excused, first: "so"}))
    more["passedTests"].remove(first)
    assert f"no outcome of {first}" in problems([made.seal(TEST_RESULT, more)], ring.trusted())
    none = whole_verdict(made, findings=part("findings", "", findings=[], not_run={}))
    assert "no outcome of" in problems([made.seal(TEST_RESULT, none)], ring.trusted())
    # What fails may have ended early.
    failed = sound | {"result": "FAILED", "passedTests": [], "failedTests": ["P301"]}
    assert problems([made.seal(TEST_RESULT, failed)], ring.trusted()) == ""


def test_a_profile_that_goes_by_the_name_of_another(ring: Keyring, made: Made) -> None:
    said = made.verdict_predicate(profile=part("profile", "ab" * 32, name="2026.2"))
    assert "is not the one of that name" in problems([made.seal(TEST_RESULT, said)], ring.trusted())
    said = made.verdict_predicate(profile=part("profile", "ab" * 32, name="of their own"))
    assert problems([made.seal(TEST_RESULT, said)], ring.trusted()) == ""


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"a":1}', b'{"a":"yesterday"}', b"\xff", b"[" * 100_000])
def test_a_list_of_the_newest_that_is_damaged_is_told(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "newest.json").write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        newest.known(tmp_path)


#: What nobody writes in these places, and what a language takes for something else.
_ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    10**30,
    "",
    "a\0",
    [],
    {},
    {"a": None},
    {"sha256": "0" * 64},
    "0" * 64,
    [None],
    {"": ""},
    {"a": 10**400},
)


def _places(document: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inner:
        yield (*way, key)
        yield from _places(value, (*way, key))


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_stands_anywhere_in_a_record_looking_at_it_ends_in_words(kind: str, ring: Keyring, made: Made) -> None:
    """Also where the key that signed it is trusted: it may be of another version, or somebody's who plays tricks."""
    sound = statement_in(every_kind(made)[kind])
    refused = 0
    for way in _places(sound):
        for odd in _ODD:
            document = copy.deepcopy(sound)
            place = document
            for step in way[:-1]:
                place = place[step]
            place[way[-1]] = odd
            (each,) = verified([resealed(document, made.signing)], ring.trusted())
            assert isinstance(each.kind, str)
            assert all(problem.isprintable() for problem in each.problems)
            refused += not each.holds
    assert refused > 100


def test_who_asks_for_an_acceptance_is_given_no_other(made: Made, ring: Keyring) -> None:
    """A record of a rejection holds, and is no acceptance; what a screen said is a part of one under a promotion."""
    keys = ring.trusted()
    accepted = [made.verdict(), *made.chain()]
    others = {
        made.verdict("FAILED"): "it is a rejection",
        made.no_verdict("undecided"): "it accepts nothing: undecided",
        made.no_verdict("screened"): "it accepts nothing: screened",
    }
    assert problems([accepted[0]], keys, accepted=True) == ""
    assert problems(accepted[1:], keys, accepted=True) == ""
    for line, told in others.items():
        assert told in problems([line], keys, accepted=True)
        assert told not in problems([line], keys)
