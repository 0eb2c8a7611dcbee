"""Checkpoints, duplicates, people, and what is written down, on both databases."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from ledger_samples import PROFILE, RUNGS, candidate, checkpoint, claim, rows, submit
from sqlalchemy import update

from harness.core.errors import InfrastructureError, UserError
from harness.ledger import Ledger
from harness.ledger.failures import LedgerError
from harness.ledger.queue import LeaseLostError
from harness.ledger.records import FINAL, TRANSITIONS, Decision, Score, State, plain, sources
from harness.ledger.tables import candidates

F = "f" * 64


def test_every_state_can_end_and_every_state_can_be_reached():
    assert set(TRANSITIONS) == set(State)
    for state in State:
        reached, todo = {state}, [state]
        while todo:
            for following in TRANSITIONS[todo.pop()] - reached:
                reached.add(following)
                todo.append(following)
        assert reached & FINAL
        assert state is State.QUEUED or sources(state)
    assert State.RUNNING not in TRANSITIONS[State.REJECTED]
    assert State.RUNNING not in TRANSITIONS[State.COMPLETED]
    assert State.QUEUED in TRANSITIONS[State.FAILED]


def test_a_run_climbs_rung_by_rung_and_is_promoted_once_for_each(ledger):
    run = submit(ledger)[0]
    held = claim(ledger)
    states = [checkpoint(ledger, held, n, scores=[Score(0, "reward", n / 2)]) for n in range(3)]
    assert states == [State.RUNNING, State.RUNNING, State.COMPLETED]
    assert [p["rung"] for p in ledger.promotions(run)] == list(RUNGS)
    assert [rung for rung, _ in ledger.decisions(run)] == list(RUNGS)
    ended = ledger.run(run)
    assert (ended.rung, ended.owner, ended.lease) == (3, None, None)
    assert rows(ledger, "slots") == []
    with pytest.raises(LeaseLostError):
        checkpoint(ledger, held, 2)


def test_a_killed_run_goes_on_after_its_last_checkpoint(ledger):
    submit(ledger)
    for rung in range(3):
        held = claim(ledger, f"w{rung}", back_off=0.0)
        assert (held.run.rung, held.attempt) == (rung, rung + 1)
        checkpoint(ledger, held, rung)
        if rung < 2:
            ledger.renew(held, -1.0)  # killed
    assert [(p["rung"], p["attempt"]) for p in ledger.promotions()] == [("zero", 1), ("one", 2), ("two", 3)]


def test_a_checkpoint_that_is_repeated_changes_nothing(ledger):
    """Whoever lost the connection during the commit does not know whether it happened."""
    run = submit(ledger)[0]
    held = claim(ledger)
    assert checkpoint(ledger, held, 0, scores=[Score(0, "m", 1.0)]) is State.RUNNING
    assert checkpoint(ledger, held, 0, scores=[Score(0, "m", 2.0)]) is State.RUNNING
    assert ledger.run(run).rung == 1
    assert ledger.scores(run) == {"zero": [Score(0, "m", 1.0)]}
    assert len(ledger.promotions()) == 1


def test_a_gate_that_says_no_ends_the_run_without_a_promotion(ledger):
    run = submit(ledger)[0]
    assert checkpoint(ledger, claim(ledger), 0, decision=Decision("reject", "too slow")) is State.REJECTED
    assert ledger.promotions() == []
    assert (ledger.run(run).reason, ledger.run(run).rung) == ("too slow", 0)


def test_a_gate_says_yes_or_no_and_nothing_else():
    with pytest.raises(ValueError, match="hold"):
        Decision("hold", "perhaps")


def test_another_kind_of_place_is_a_new_claim(ledger):
    run = submit(ledger)[0]
    assert checkpoint(ledger, claim(ledger), 0, next_needs="gpu") is State.QUEUED
    assert ledger.claim("w", slot="w", needs=("cpu",)) is None
    assert claim(ledger, needs=("gpu",)).run.id == run


def test_numbers_that_are_none_are_kept_as_such(ledger):
    run = submit(ledger)[0]
    held = claim(ledger)
    odd = [math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1]
    ledger.save_scores(held, "zero", [Score(2**40 + n, "m", value) for n, value in enumerate(odd)])
    got = [score.value for score in ledger.scores(run)["zero"]]
    assert [repr(value) for value in got] == [repr(value) for value in odd]
    numpy = pytest.importorskip("numpy")
    ledger.save_scores(held, "one", [Score(n, "m", numpy.float64(v)) for n, v in enumerate(odd)])
    assert [repr(s.value) for s in ledger.scores(run)["one"]] == [repr(value) for value in odd]


def test_metrics_that_are_measured_again_take_the_place_of_the_first(ledger):
    run = submit(ledger)[0]
    held = claim(ledger)
    ledger.save_scores(held, "zero", [Score(0, "a", 1.0), Score(0, "b", math.nan)])
    ledger.save_scores(held, "zero", [Score(0, "b", 3.0), Score(1, "a", math.inf)])
    assert ledger.scores(run)["zero"] == [Score(0, "a", 1.0), Score(0, "b", 3.0), Score(1, "a", math.inf)]


def test_documents_are_strict_json_and_nothing_else(ledger):
    run = submit(ledger)[0]
    detail: dict[str, Any] = {"interval": [math.nan, math.inf], "text": "a\0b\ud800", "deep": {"x": (1, None, True)}}
    checkpoint(ledger, claim(ledger), 0, decision=Decision("promote", "nul \0 half \udc80", detail))
    ((_, kept),) = ledger.decisions(run)
    assert kept.detail == {"interval": ["nan", "inf"], "text": "a\ufffdb?", "deep": {"x": [1, None, True]}}
    assert kept.reason == "nul \ufffd half ?"
    json.dumps([e.detail for e in ledger.events(run)], allow_nan=False)
    for thing in (object(), b"bytes", {1: "a"}, {"a": {2}}, Decision):
        with pytest.raises(TypeError):
            plain(thing)


def test_names_that_are_no_text_are_kept_readable(ledger):
    one, _ = candidate(1)
    odd = type(one)("dir/\udcff.py", one.data, one.sha256)
    run = ledger.submit([(odd, "a\0b")], profile="p", profile_digest="q", needs="cpu")[0].run
    assert (ledger.run(run).path, ledger.run(run).name) == ("dir/?.py", "a\ufffdb")


def test_a_text_that_was_changed_in_the_database_is_not_given_out(ledger):
    run = ledger.run(submit(ledger)[0])
    with ledger.database.writing() as connection:
        connection.execute(update(candidates).values(text=b"evil"))
    with pytest.raises(LedgerError, match="no longer what it was"):
        ledger.text(run)


# The same function in other words.


def alike(_):
    """All are the same function."""


def test_the_same_function_ends_as_a_duplicate_while_the_first_still_runs(ledger):
    first, second, third = submit(ledger, [1, 2, 3])
    a, b, c = (claim(ledger, f"w{n}") for n in range(3))
    assert ledger.same_function(a, F, alike) is None
    assert ledger.same_function(a, F, alike) is None  # after a restart
    assert ledger.same_function(b, F, alike) == first
    assert (ledger.run(second).state, ledger.run(second).same_as) == (State.DUPLICATE, first)
    assert ledger.same_function(c, "e" * 64, alike) is None
    assert ledger.run(third).state is State.RUNNING
    with pytest.raises(LeaseLostError):
        checkpoint(ledger, b, 0)


def test_where_the_first_failed_the_next_takes_over_with_those_that_wait_for_it(ledger):
    first, second, third, late = submit(ledger, [1, 2, 3, 4])
    a, b, c, d = (claim(ledger, f"w{n}") for n in range(4))
    ledger.same_function(a, F, alike)
    assert ledger.same_function(b, F, alike) == first
    for back_off in (0.0, 0.0, 0.0):
        ledger.fault(a, "out of memory", back_off)
        if ledger.run(first).state is State.QUEUED:
            a = claim(ledger, "w0")
    assert ledger.run(first).state is State.FAILED
    assert ledger.same_function(c, F, alike) is None
    assert ledger.run(second).same_as == third
    assert ledger.same_function(d, F, alike) == third
    with pytest.raises(UserError, match=f"run {third}"):
        ledger.retry(first)
    ledger.cancel(third)  # the oldest duplicate goes on
    assert ledger.run(second).state is State.QUEUED
    assert ledger.run(late).same_as == second


def test_a_failed_run_that_is_retried_answers_for_its_duplicates_again(ledger):
    first, second = submit(ledger, [1, 2])
    a, b = claim(ledger, "a"), claim(ledger, "b")
    ledger.same_function(a, F, alike)
    checkpoint(ledger, a, 0)
    ledger.same_function(b, F, alike)
    for _ in range(3):
        ledger.fault(a, "no engine", 0.0)
        if ledger.run(first).state is State.QUEUED:
            a = claim(ledger, "a")
    ledger.retry(first)
    held = claim(ledger, "a")
    assert (held.run.id, held.run.rung) == (first, 1)
    assert ledger.same_function(held, F, alike) is None
    assert ledger.run(second).same_as == first


def test_where_the_first_is_cancelled_its_oldest_duplicate_goes_on(ledger):
    first, second, third = submit(ledger, [1, 2, 3])
    a, b, c = (claim(ledger, f"w{n}") for n in range(3))
    for held in (a, b, c):
        ledger.same_function(held, F, alike)
    ledger.cancel(first)
    assert [ledger.run(n).state for n in (first, second, third)] == [
        State.CANCELLED,
        State.QUEUED,
        State.DUPLICATE,
    ]
    assert ledger.run(third).same_as == second
    held = claim(ledger, "w1", "another")
    assert held.run.id == second
    assert ledger.same_function(held, F, alike) is None
    with pytest.raises(UserError, match="taken over"):
        ledger.retry(first)
    ledger.cancel(second)
    ledger.cancel(third)
    assert ledger.retry(first).state is State.QUEUED


def test_with_one_fingerprint_each_function_has_its_own_run(ledger):
    runs = submit(ledger, [1, 2, 3, 4])
    kinds = dict(zip(runs, "abba", strict=True))
    asked = []
    for number, slot in zip(runs, "wxyz", strict=True):
        held = claim(ledger, slot)
        assert held.run.id == number

        def compare(other, number=number):
            asked.append((number, other.id))
            return None if kinds[other.id] == kinds[number] else "their values differ"

        expected = {runs[2]: runs[1], runs[3]: runs[0]}.get(number)
        assert ledger.same_function(held, F, compare) == expected
    assert asked == [(2, 1), (3, 1), (3, 2), (4, 1)], "the oldest first, and none after the one that is the same"
    told = [e.detail for e in ledger.events(runs[2]) if e.kind == "compared"]
    assert told == [{"of": 1, "same": False, "where": "their values differ"}, {"of": 2, "same": True, "where": ""}]
    assert [ledger.answering(ledger.run(n)).id for n in runs] == [1, 2, 2, 1]
    assert len(rows(ledger, "functions")) == 2


def test_a_function_that_comes_up_while_another_is_compared_is_compared_too(ledger):
    submit(ledger, [1, 2, 3])
    a, b, c = (claim(ledger, f"w{n}") for n in range(3))
    ledger.same_function(a, F, alike)
    asked: list[int] = []

    def meanwhile(other):
        if not asked:
            assert ledger.same_function(b, F, lambda _: "their values differ") is None
        asked.append(other.id)
        return "their values differ" if other.id == 1 else None

    assert ledger.same_function(c, F, meanwhile) == 2
    assert asked == [1, 2]


def test_a_comparison_that_cannot_be_made_leaves_the_run_as_it_was(ledger):
    first, second = submit(ledger, [1, 2])
    a, b = claim(ledger, "a"), claim(ledger, "b")
    ledger.same_function(a, F, alike)

    def broken(_):
        raise InfrastructureError("no engine")

    with pytest.raises(InfrastructureError):
        ledger.same_function(b, F, broken)
    assert (ledger.run(second).state, ledger.run(second).function) == (State.RUNNING, None)
    assert ledger.same_function(b, F, alike) == first


def test_who_lost_the_lease_while_it_compared_decides_nothing(ledger):
    _, second = submit(ledger, [1, 2])
    a, b = claim(ledger, "a"), claim(ledger, "b")
    ledger.same_function(a, F, alike)
    with pytest.raises(LeaseLostError):
        ledger.same_function(b, F, lambda _: ledger.cancel(second) and None)
    assert ledger.run(second).function is None


def test_the_secret_is_the_ledgers_own_and_stays(ledger, tmp_path):
    assert ledger.secret() == ledger.secret()
    assert len(ledger.secret()) == 32
    with Ledger(tmp_path / "another", database=f"sqlite:///{tmp_path / 'another.db'}") as other:
        assert other.secret() != ledger.secret()


# Again, whatever is known.


def test_a_run_that_is_run_again_is_nobodys_duplicate(ledger):
    first, second = submit(ledger, [1, 2])
    a, b = claim(ledger, "a"), claim(ledger, "b")
    ledger.same_function(a, F, alike)
    ledger.same_function(b, F, alike)
    checkpoint(ledger, a, 0, decision=Decision("reject", "P302 NaN"))
    assert ledger.answering(ledger.run(second)).state is State.REJECTED
    assert [s.run for s in ledger.submit([candidate(2)], **PROFILE, needs="cpu", again=True)] == [second]
    held = claim(ledger, "b")
    assert (held.run.id, held.run.rung, held.run.same_as) == (second, 0, None)
    assert ledger.same_function(held, F, alike) is None
    assert ledger.run(second).state is State.RUNNING
    assert [e.detail for e in ledger.events(second) if e.kind == "again"] == [{"after": "duplicate"}]
    assert ledger.run(first).state is State.REJECTED


def test_a_fresh_candidate_may_be_run_again_as_well(ledger):
    submit(ledger, [1])
    ledger.same_function(claim(ledger, "a"), F, alike)
    run = ledger.submit([candidate(2)], **PROFILE, needs="cpu", again=True)[0].run
    assert ledger.same_function(claim(ledger, "b"), F, alike) is None
    assert ledger.run(run).alone


def test_what_a_run_came_to_before_it_was_run_again_is_kept(ledger):
    (run,) = submit(ledger)
    held = claim(ledger)
    digest = ledger.attach(held, "zero", "report.json", b"{}")
    checkpoint(ledger, held, 0, scores=[Score(0, "reward", math.nan)])
    checkpoint(ledger, held, 1, decision=Decision("reject", "worse", {"difference": -1.0}))
    for number in (1, 2):
        ledger.submit([candidate(0)], **PROFILE, needs="cpu", again=True)
        assert (ledger.run(run).state, ledger.run(run).rung) == (State.QUEUED, 0)
        assert ledger.scores(run) == {}
        assert ledger.decisions(run) == []
        assert [(a.rung, a.name) for a in ledger.attachments(run)] == [
            ("earlier", f"run-{n + 1}.json") for n in range(number)
        ]
        if number == 1:
            checkpoint(ledger, claim(ledger), 0, decision=Decision("reject", "once more"))
    first, second = (json.loads(ledger.document(a.sha256)) for a in ledger.attachments(run))
    assert [d["reason"] for d in first["decisions"]] == ["well done", "worse"]
    assert [(r["metric"], r["spelt"]) for r in first["results"]] == [("reward", "nan")]
    assert [a["artifact"] for a in first["attachments"]] == [digest]
    assert ledger.document(digest) == b"{}"
    assert (second["state"], second["reason"]) == ("rejected", "once more")


def test_an_open_run_goes_on_when_it_is_to_be_run_again(ledger):
    (run,) = submit(ledger)
    held = claim(ledger)
    checkpoint(ledger, held, 0)
    ledger.submit([candidate(0)], **PROFILE, needs="cpu", again=True)
    assert (ledger.run(run).state, ledger.run(run).rung, ledger.run(run).alone) == (State.RUNNING, 1, True)
    assert checkpoint(ledger, held, 1) is State.RUNNING


# People.


def test_a_run_that_is_cancelled_while_it_runs_refuses_its_worker_and_keeps_its_place(ledger):
    run, other = submit(ledger, [1, 2])
    held = claim(ledger, "w", "gpu")
    assert ledger.cancel(run, "a mistake").state is State.CANCELLED
    assert not ledger.renew(held)
    with pytest.raises(LeaseLostError):
        checkpoint(ledger, held, 0)
    assert ledger.claim("v", slot="gpu", needs=("cpu",)) is None  # its container may be there still
    assert claim(ledger, "w", "gpu").run.id == other  # it says by this that it is gone
    assert ledger.run(run).reason == "a mistake"


def test_the_place_of_a_cancelled_run_is_free_when_its_lease_ends(ledger):
    run, other = submit(ledger, [1, 2])
    held = claim(ledger, "w", "gpu")
    ledger.renew(held, -1.0)
    ledger.cancel(run)
    assert claim(ledger, "v", "gpu").run.id == other


def test_a_cancelled_run_can_be_retried_and_its_old_attempt_stays_out(ledger):
    run = submit(ledger)[0]
    old = claim(ledger, "old")
    checkpoint(ledger, old, 0)
    ledger.cancel(run)
    ledger.retry(run)
    with pytest.raises(LeaseLostError):
        checkpoint(ledger, old, 1)
    held = claim(ledger, "new")
    assert (held.attempt, held.run.rung) == (2, 1)
    with pytest.raises(LeaseLostError):
        checkpoint(ledger, old, 1)
    assert checkpoint(ledger, held, 1) is State.RUNNING


def test_a_gate_may_ask_for_a_person(ledger):
    first, second = submit(ledger, [1, 2])
    for _ in range(2):
        assert checkpoint(ledger, claim(ledger), 0, ask_a_person=True) is State.HELD
    assert ledger.claim("w", slot="w", needs=("cpu",)) is None
    assert ledger.approve(first).state is State.QUEUED
    assert ledger.refuse(second, "too dear").reason == "too dear"
    held = claim(ledger)
    assert held.run.rung == 1
    assert checkpoint(ledger, held, 1, ask_a_person=True) is State.HELD  # a yes is for one rung


@pytest.mark.parametrize("word", ["cancel", "retry", "approve", "refuse"])
def test_what_cannot_be_decided_is_said(ledger, word):
    run = submit(ledger)[0]
    checkpoint(ledger, claim(ledger), 0, next_needs=None)
    with pytest.raises(UserError, match="completed"):
        getattr(ledger, word)(run)
    for number in (run + 1, 0, -1, 10**30):
        with pytest.raises(UserError, match="no run"):
            getattr(ledger, word)(number)
    assert ledger.counts() == {State.COMPLETED: 1}
