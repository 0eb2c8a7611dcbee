"""The suite by heart asks what the suite asks, passes what it passes, and decides nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from judging import DPO, REFUSAL, Answering, of_margin

from harness.errors import CandidateFault, InfrastructureError, SandboxLostError
from harness.judge.batches import plain
from harness.judge.domain import Domain
from harness.judge.foresight import Foresight, Question, join
from harness.judge.session import Suite, run_session
from harness.judge.standin import StandIn
from harness.judge.subject import Subject
from harness.oracle import wire
from harness.profiles import DEFAULT, load
from harness.rules.wire import SANDBOX_DIED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.oracle.batch import Answer, Batch, Complaint


class Logging(Answering):
    """An oracle that keeps the bytes of each request, and where a fresh fork began."""

    def __init__(self, function: Callable[[Batch], Answer | Complaint]) -> None:
        super().__init__(function)
        self.requests: list[list[bytes]] = []

    def ask(self, batches: Sequence[Batch], *, echo: bool = False, **_: object) -> list[Answer | Complaint]:
        self.requests.append([wire.pack_batches([b], echo=echo) for b in batches])
        return [replace(a, echo=b.vectors) if echo else a for a, b in zip(super().ask(batches), batches, strict=True)]

    def fresh(self) -> None:
        self.requests.append([b"fresh"])

    @property
    def everything(self) -> list[bytes]:
        return [part for request in self.requests for part in request]


def needing(pairs: int) -> Callable[[Batch], Answer]:
    """DPO, but NaN in batches smaller than `pairs`."""

    def answer(batch: Batch) -> Answer:
        got = DPO(batch)
        return got if batch.pairs >= pairs else replace(got, values=np.full_like(got.values, np.nan))

    return answer


def in_session(body: Callable[[Suite], None], seed: int = 0) -> None:
    run_session(body, load(DEFAULT), seed)


def subject(function: Callable[[Batch], Answer | Complaint]) -> tuple[Subject, Logging]:
    oracle = Logging(function)
    return Subject(oracle, Domain()), oracle


@pytest.mark.rest
def test_it_is_not_known_before_something_passed_and_then_it_is() -> None:
    def body(suite: Suite) -> None:
        assert suite.rehearsed(subject(DPO)[0]) is None
        assert suite(subject(lambda _: REFUSAL)[0]).findings
        assert suite.rehearsed(subject(DPO)[0]) is None
        assert not suite(subject(DPO)[0]).findings
        assert suite.rehearsed(subject(DPO)[0]) is not None

    in_session(body)


@pytest.mark.rest
@pytest.mark.parametrize("needs", [1, 2])
@pytest.mark.parametrize("seed", [0, 7])
def test_it_asks_the_same_in_fewer_requests(needs: int, seed: int) -> None:
    def body(suite: Suite) -> None:
        suite(subject(DPO)[0])
        plainly, first = subject(needing(needs))
        whole = suite(plainly)
        for _ in range(2):  # the first time with this batch size, and when its questions are known
            again, second = subject(needing(needs))
            outcome = suite.rehearsed(again)
            assert outcome is not None
            assert (outcome.findings, outcome.properties) == (whole.findings, whole.properties)
            assert list(outcome.properties) == list(whole.properties)
            assert sorted(second.everything) == sorted(first.everything)
        assert len(second.requests) < len(first.requests) / 2

    in_session(body, seed)


@pytest.mark.rest
@pytest.mark.parametrize("seed", [0, 7])
def test_the_stand_in_teaches_what_a_candidate_would(seed: int) -> None:
    """And the questions with it: the first candidate of a process is asked in few requests already."""

    def body(suite: Suite) -> None:
        suite.learn(Subject(StandIn(gpu=False), Domain()))
        before = suite._rehearsal
        one, joint = subject(DPO)
        outcome = suite.rehearsed(one)
        assert outcome is not None
        alone, plainly = subject(DPO)
        whole = suite(alone)
        assert (outcome.findings, outcome.properties) == (whole.findings, whole.properties)
        assert not whole.findings
        assert sorted(joint.everything) == sorted(plainly.everything)
        assert len(joint.requests) < len(plainly.requests) / 2
        suite.learn(Subject(StandIn(gpu=False), Domain()))  # once is enough
        assert suite._rehearsal is before

    in_session(body, seed)


@pytest.mark.rest
def test_what_is_drawn_does_not_depend_on_the_sessions_before() -> None:
    drawn: list[list[bytes]] = []

    def body(suite: Suite) -> None:
        one, oracle = subject(DPO)
        assert not suite(one).findings
        drawn.append(sorted(oracle.everything))

    for seed in (0, 7, 0):
        in_session(body, seed)
    assert drawn[0] == drawn[2]
    assert drawn[0] != drawn[1]


@pytest.mark.rest
def test_another_session_of_the_process_knows_it_too() -> None:
    asked: list[int] = []

    class Counting(StandIn):
        def ask(self, batches: Sequence[Batch], **named: Any) -> list[Answer | Complaint]:
            asked.append(len(batches))
            return super().ask(batches, **named)

    def body(suite: Suite) -> None:
        suite.learn(Subject(Counting(gpu=False), Domain()))
        asked.append(0)
        one, oracle = subject(DPO)
        assert suite.rehearsed(one) is not None
        joint.append(len(oracle.requests))

    joint: list[int] = []
    for seed in (41, 41, 42):  # no other test's
        in_session(body, seed)
    first, second, third = "".join("x" if count else "|" for count in asked).split("|")[:3]
    assert first
    assert not second
    assert third
    assert joint[0] == joint[1]


def test_where_candidates_have_a_gpu_its_questions_are_learnt_too() -> None:
    asked: list[bool] = []

    class OnBoth(Logging):
        def ask(self, batches: Sequence[Batch], *, gpu: bool = False, **named: Any) -> list[Answer | Complaint]:
            asked.append(gpu)
            return super().ask(batches, **named)

    def body(suite: Suite) -> None:
        suite.learn(Subject(StandIn(gpu=True), Domain()))
        oracle = OnBoth(DPO)
        oracle.has_gpu = True
        outcome = suite.rehearsed(Subject(oracle, Domain()))
        assert outcome is not None
        assert outcome.properties["P316"] == "passed"
        assert sum(asked) == 40

    in_session(body)


def test_what_fails_before_the_first_joint_question_is_settled() -> None:
    def body(suite: Suite) -> None:
        alone = suite(subject(lambda _: REFUSAL)[0])
        suite(subject(DPO)[0])
        settled = suite.rehearsed(subject(lambda _: REFUSAL)[0])
        assert settled is not None
        assert (settled.findings, settled.properties) == (alone.findings, alone.properties)
        assert settled.findings

    in_session(body)


@pytest.mark.rest
def test_a_failure_that_does_not_come_again_is_told_as_answers_that_vary() -> None:
    calls = []

    def once(batch: Batch) -> Answer:
        calls.append(batch)
        got = DPO(batch)
        return replace(got, values=np.full_like(got.values, np.nan)) if len(calls) == 1000 else got

    def body(suite: Suite) -> None:
        suite(subject(DPO)[0])
        one = subject(once)[0]
        assert suite.rehearsed(one) is None
        outcome = suite(one)
        assert outcome.findings == []
        suite.recall(outcome)
        (finding,) = outcome.findings
        assert finding.rule == "P309"
        calls.clear()
        one = subject(once)[0]
        assert suite.rehearsed(one) is None
        (finding,) = suite.partly(one).findings
        assert finding.rule == "P309"

    in_session(body)


def test_where_the_sandbox_goes_on_the_way_the_suite_is_called_for_a_new_one() -> None:
    """NaN at large margins is found first; then the sandbox dies in whatever comes late."""

    def dies(batch: Batch) -> Answer:
        if batch.pairs > 900:
            raise CandidateFault(SANDBOX_DIED.finding("dead"))
        got = DPO(batch)
        return replace(got, values=np.where(batch.beta * batch.rho > 49, np.nan, got.values))

    def body(suite: Suite) -> None:
        suite(subject(DPO)[0])
        one = subject(dies)[0]
        assert suite.rehearsed(one) is None
        assert suite.partly(one) is None
        assert one.fault is not None
        assert suite.partly(one) is None

    in_session(body)


@pytest.mark.rest
@pytest.mark.parametrize(
    "function",
    [
        needing(3),
        of_margin(lambda x: np.where(x > 49.9, np.nan, np.logaddexp(0, -x)), lambda x: -1 / (1 + np.exp(x))),
        of_margin(lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x))),
        of_margin(lambda x: np.logaddexp(0, -x), lambda x: 0 * x),
    ],
    ids=["needs three", "NaN at the edge", "the wrong way round", "no gradient"],
)
def test_a_failure_ends_it_and_hypothesis_goes_on_from_there(function: Callable[[Batch], Answer | Complaint]) -> None:
    """With the findings that the suite comes to without a rehearsal, and in fewer calls."""

    def body(suite: Suite) -> None:
        one, plainly = subject(function)
        alone = suite(one)
        suite(subject(DPO)[0])
        one, oracle = subject(function)
        assert suite.rehearsed(one) is None
        after = suite.partly(one)
        assert after is not None
        assert (after.findings, after.properties) == (alone.findings, alone.properties)
        assert after.findings
        assert len(oracle.requests) < len(plainly.requests)

    in_session(body)


def test_a_fault_of_ours_stays_ours() -> None:
    def lost(_: Batch) -> Answer:
        raise SandboxLostError

    def body(suite: Suite) -> None:
        suite(subject(DPO)[0])
        with pytest.raises(InfrastructureError):
            suite.rehearsed(subject(lost)[0])

    in_session(body)


def test_examples_are_not_kept_from_a_property_that_failed() -> None:
    def dies(_: Batch) -> Answer:
        raise CandidateFault(SANDBOX_DIED.finding("dead"))

    def body(suite: Suite) -> None:
        suite(subject(dies)[0])
        assert not suite._rehearsal.complete

    in_session(body)


ONE, TWO, THREE = (plain([float(n)], 0.1) for n in (1, 2, 3))


def foreseen(*asked: Question | None) -> tuple[Foresight, Logging]:
    oracle = Logging(DPO)
    foresight = Foresight(oracle)
    foresight.expect(join(asked))
    return foresight, oracle


def test_what_is_expected_is_asked_together_and_answered_in_turn() -> None:
    foresight, oracle = foreseen(Question((ONE,), echo=False), Question((TWO, THREE), echo=False))
    (first,) = foresight.ask([ONE], echo=False, gpu=False)
    assert len(oracle.requests) == 1
    second = foresight.ask([TWO, THREE], echo=False, gpu=False)
    assert len(oracle.requests) == 1
    got = [first, *second]
    assert [float(a.values[0]) for a in got] == [float(DPO(b).values[0]) for b in (ONE, TWO, THREE)]


def test_another_question_than_the_expected_one_is_asked_by_itself_from_then_on() -> None:
    foresight, oracle = foreseen(Question((ONE,), echo=False), Question((TWO,), echo=False))
    for batch in (ONE, THREE, TWO):
        (answer,) = foresight.ask([batch], echo=False, gpu=False)
        assert answer.values == DPO(batch).values
    assert [len(r) for r in oracle.requests] == [2, 1, 1]


def test_a_question_for_the_inputs_is_not_answered_by_one_without_them() -> None:
    foresight, oracle = foreseen(Question((ONE,), echo=False))
    (answer,) = foresight.ask([ONE], echo=True, gpu=False)
    assert answer.echo is not None
    assert len(oracle.requests) == 1


def test_nothing_is_asked_ahead_of_a_fresh_fork() -> None:
    foresight, oracle = foreseen(Question((ONE,), echo=False), None, Question((ONE,), echo=False))
    foresight.ask([ONE], echo=False, gpu=False)
    foresight.fresh()
    foresight.ask([ONE], echo=False, gpu=False)
    assert [r[0][:5] == b"fresh" for r in oracle.requests] == [False, True, False]


def test_an_unexpected_fresh_fork_throws_away_what_the_old_one_answered() -> None:
    foresight, oracle = foreseen(Question((ONE,), echo=False), Question((TWO,), echo=False))
    foresight.ask([ONE], echo=False, gpu=False)
    foresight.fresh()
    foresight.ask([TWO], echo=False, gpu=False)
    assert [len(r) for r in oracle.requests] == [2, 1, 1]


def test_requests_stay_small_enough_for_the_time_limit() -> None:
    joints = join([Question((ONE,) * 200, echo=False)] * 3)
    assert [len(j.batches) for j in joints if j is not None] == [200, 200, 200]


@pytest.mark.rest
def test_the_profile_says_how_many_examples_there_are() -> None:
    asked = {}

    def body(suite: Suite) -> None:
        one, oracle = subject(DPO)
        suite(one)
        asked[load(DEFAULT).examples] = len(oracle.requests)

    in_session(body)
    whole = asked.pop(30)
    run_session(body, replace(load(DEFAULT), examples=5), 0)
    assert asked[30] < 0.7 * whole
    asked.clear()
    in_session(body)
    assert asked[30] == whole
