"""The frozen examples ask what the suite asks, pass what it passes, and decide nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from judging import DPO, REFUSAL, Answering, of_margin

from harness.checks import bank
from harness.checks import suite as suites
from harness.checks.suite import Suite
from harness.core.domain import Domain
from harness.core.errors import CandidateFault, InfrastructureError, SandboxLostError
from harness.core.profiles import DEFAULT, load
from harness.protocol import wire
from harness.protocol.batch import Answer
from harness.protocol.rules import SANDBOX_DIED
from harness.subject.preference import PreferenceSubject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.checks.bank import Bank
    from harness.core.profiles import Profile
    from harness.protocol.batch import Batch, Complaint
    from harness.protocol.batch_types import PairBatch
    from harness.subject.subject import Subject


class Logging(Answering):
    """An oracle that keeps the bytes of each request, and where a fresh fork began."""

    def __init__(self, function: Callable[[PairBatch], Answer | Complaint]) -> None:
        super().__init__(function)
        self.requests: list[list[bytes]] = []

    def ask(self, batches: Sequence[Batch], *, echo: bool = False, **_: Any) -> list[Answer | Complaint]:
        self.requests.append([wire.pack_batches([b], echo=echo) for b in batches])
        answers = zip(super().ask(batches), batches, strict=True)
        return [replace(a, echo=b.tensors) if echo and isinstance(a, Answer) else a for a, b in answers]

    def fresh(self) -> None:
        self.requests.append([b"fresh"])

    @property
    def everything(self) -> list[bytes]:
        return [part for request in self.requests for part in request]


def needing(pairs: int) -> Callable[[PairBatch], Answer]:
    """DPO, but NaN in batches smaller than `pairs`."""

    def answer(batch: PairBatch) -> Answer:
        got = DPO(batch)
        return got if batch.pairs >= pairs else replace(got, values=np.full_like(got.values, np.nan))

    return answer


def suite_of(seed: int = 0) -> Suite:
    return Suite(load(DEFAULT), seed)


def subject(function: Callable[[PairBatch], Answer | Complaint]) -> tuple[Subject, Logging]:
    oracle = Logging(function)
    return PreferenceSubject(oracle, Domain()), oracle


@pytest.mark.rest
def test_it_is_not_known_before_something_passed_and_then_it_is() -> None:
    suite = suite_of()
    assert suite.replayed(subject(DPO)[0]) is None
    assert suite(subject(lambda _: REFUSAL)[0]).findings
    assert suite.replayed(subject(DPO)[0]) is None
    assert not suite(subject(DPO)[0]).findings
    assert suite.replayed(subject(DPO)[0]) is not None


@pytest.mark.rest
@pytest.mark.parametrize("needs", [1, 2])
@pytest.mark.parametrize("seed", [0, 7])
def test_it_asks_the_same(needs: int, seed: int) -> None:
    suite = suite_of(seed)
    suite(subject(DPO)[0])
    plainly, first = subject(needing(needs))
    whole = suite(plainly)
    again, second = subject(needing(needs))
    outcome = suite.replayed(again)
    assert outcome is not None
    assert (outcome.findings, outcome.properties) == (whole.findings, whole.properties)
    assert list(outcome.properties) == list(whole.properties)
    assert second.everything == first.everything


@pytest.mark.rest
@pytest.mark.parametrize("seed", [0, 7])
def test_the_examples_are_those_of_any_candidate_that_passes(seed: int) -> None:
    """Of seed 0 they ship; of another they are drawn for a loss that is given by its formula."""
    suite = suite_of(seed)
    suite.know()
    before = suite._replay.examples()
    one, known = subject(DPO)
    outcome = suite.replayed(one)
    assert outcome is not None
    alone, plainly = subject(DPO)
    whole = suite_of(seed)(alone)
    assert (outcome.findings, outcome.properties) == (whole.findings, whole.properties)
    assert not whole.findings
    assert known.everything == plainly.everything
    suite.know()  # once is enough
    assert suite._replay.examples() == before


@pytest.mark.rest
def test_what_is_drawn_does_not_depend_on_the_suites_before() -> None:
    drawn: list[list[bytes]] = []
    for seed in (0, 7, 0):
        one, oracle = subject(DPO)
        assert not suite_of(seed)(one).findings
        drawn.append(sorted(oracle.everything))
    assert drawn[0] == drawn[2]
    assert drawn[0] != drawn[1]


def test_another_suite_of_the_process_knows_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def kept(_: Profile, seed: int) -> Bank | None:
        read.append(seed)
        return bank.kept(load(DEFAULT), 0)

    monkeypatch.setattr(suites, "_KNOWN", {})
    monkeypatch.setattr(suites, "kept", kept)
    for seed in (41, 41, 42):
        suite = suite_of(seed)
        suite.know()
        assert suite.replayed(subject(DPO)[0]) is not None
    assert read == [41, 42]


def test_where_candidates_have_a_gpu_its_questions_are_asked_too() -> None:
    asked: list[bool] = []

    class OnBoth(Logging):
        def ask(self, batches: Sequence[Batch], *, gpu: bool = False, **named: Any) -> list[Answer | Complaint]:
            asked.append(gpu)
            return super().ask(batches, **named)

    suite = suite_of()
    suite.know()
    oracle = OnBoth(DPO)
    oracle.has_gpu = True
    outcome = suite.replayed(PreferenceSubject(oracle, Domain()))
    assert outcome is not None
    assert outcome.properties["P316"] == "passed"
    assert sum(asked) == 40


def test_what_fails_where_nothing_is_drawn_is_settled() -> None:
    suite = suite_of()
    alone = suite(subject(lambda _: REFUSAL)[0])
    suite(subject(DPO)[0])
    settled = suite.replayed(subject(lambda _: REFUSAL)[0])
    assert settled is not None
    assert (settled.findings, settled.properties) == (alone.findings, alone.properties)
    assert settled.findings


@pytest.mark.rest
def test_a_failure_that_does_not_come_again_is_told_as_answers_that_vary() -> None:
    calls = []

    def once(batch: PairBatch) -> Answer:
        calls.append(batch)
        got = DPO(batch)
        return replace(got, values=np.full_like(got.values, np.nan)) if len(calls) == 1000 else got

    suite = suite_of()
    suite(subject(DPO)[0])
    one = subject(once)[0]
    assert suite.replayed(one) is None
    outcome = suite(one)
    assert outcome.findings == []
    suite.recall(outcome)
    (finding,) = outcome.findings
    assert finding.rule == "P309"
    calls.clear()
    one = subject(once)[0]
    assert suite.replayed(one) is None
    partly = suite.partly(one)
    assert partly is not None
    (finding,) = partly.findings
    assert finding.rule == "P309"


def test_where_the_sandbox_goes_on_the_way_the_suite_is_called_for_a_new_one() -> None:
    """NaN at large margins is found first; then the sandbox dies in whatever comes late."""

    def dies(batch: PairBatch) -> Answer:
        if batch.pairs > 900:
            raise CandidateFault(SANDBOX_DIED.finding("dead"))
        got = DPO(batch)
        return replace(got, values=np.where(batch.beta * batch.rho > 49, np.nan, got.values))

    suite = suite_of()
    suite(subject(DPO)[0])
    one = subject(dies)[0]
    assert suite.replayed(one) is None
    assert suite.partly(one) is None
    assert one.fault is not None
    assert suite.partly(one) is None


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
def test_a_failure_ends_it_and_hypothesis_goes_on_from_there(
    function: Callable[[PairBatch], Answer | Complaint],
) -> None:
    """With the findings that the suite comes to without a replay."""
    suite = suite_of()
    alone = suite(subject(function)[0])
    suite.know()
    one = subject(function)[0]
    assert suite.replayed(one) is None
    after = suite.partly(one)
    assert after is not None
    assert (after.findings, after.properties) == (alone.findings, alone.properties)
    assert after.findings


def test_a_fault_of_ours_stays_ours() -> None:
    def lost(_: PairBatch) -> Answer:
        raise SandboxLostError

    suite = suite_of()
    suite(subject(DPO)[0])
    with pytest.raises(InfrastructureError):
        suite.replayed(subject(lost)[0])


def test_examples_are_not_kept_from_a_property_that_failed() -> None:
    def dies(_: PairBatch) -> Answer:
        raise CandidateFault(SANDBOX_DIED.finding("dead"))

    suite = suite_of()
    suite(subject(dies)[0])
    assert not suite._replay.complete


@pytest.mark.rest
def test_the_profile_says_how_many_examples_there_are() -> None:
    def asked(suite: Suite) -> int:
        one, oracle = subject(DPO)
        suite(one)
        return len(oracle.requests)

    assert load(DEFAULT).examples == 30
    usual, fewer = suite_of(), Suite(replace(load(DEFAULT), examples=5), 0)
    before = asked(usual)
    assert asked(fewer) < 0.7 * before
    assert asked(usual) == before


@pytest.mark.rest
def test_suites_of_one_process_do_not_disturb_each_other() -> None:
    """The strategies and the functions are shared: whoever asks settles them anew."""
    first, second = suite_of(3), suite_of(5)
    drawn: list[list[bytes]] = []
    for suite in (first, second, first):
        one, oracle = subject(DPO)
        suite(one)
        drawn.append(sorted(oracle.everything))
    assert drawn[0] == drawn[2]
    assert drawn[0] != drawn[1]
