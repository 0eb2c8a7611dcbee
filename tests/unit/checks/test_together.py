"""Examples put at once pass what they pass one after the other, and settle nothing where anything fails."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

import pytest
import torch
from answering import DPO
from in_process import InProcess, oracle_of
from tiers import soon

from harness.checks.suite import Suite
from harness.checks.together import IN_ORDER, Together
from harness.core.errors import CandidateFault, SandboxLostError
from harness.core.profiles import DEFAULT, load
from harness.oracle.again import Kept
from harness.oracle.joined import Joined, NotAlikeError
from harness.protocol.rules import SANDBOX_DIED
from harness.subject.by_contract import subject_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.oracle.joined import Plan
    from harness.protocol.batch import Answer, Complaint
    from harness.subject.subject import Subject

LOSS = """
import torch
import torch.nn.functional as F

def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    z = beta * ((policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps))
    n = z.shape[0]
    return {value}
"""
#: It is told of that it has no reference: a note, and no finding that rejects.
NOTED = """
import torch.nn.functional as F

def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    return -F.logsigmoid(beta * (policy_chosen_logps - policy_rejected_logps))
"""
#: Wrong, and pointwise.
WRONG = {
    "inverted": "-F.logsigmoid(-z)",
    "Infinity far out": "-torch.log(torch.sigmoid(4 * z))",
    "no gradient where it is wrong": "-F.logsigmoid(torch.where(z < -1.0, z.detach(), z))",
}
#: Told to be pointwise, as the screen never would: they are caught in company.
OTHERWISE = {
    "in large batches": "-F.logsigmoid(z if n < 1500 else -z)",
    "in large batches, by a little": "-F.logsigmoid(z) * (1.0 if n < 700 else 1.01)",
    "in batches of 77": "-F.logsigmoid(z if n != 77 else -z)",
    "in batches of 1023": "-F.logsigmoid(z if n != 1023 else z * 2)",
    "by the mean": "-F.logsigmoid(z + 0.001 * z.mean())",
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As in a sandbox: on a busy machine threads of torch wait for each other a hundred times as long as they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def suite() -> Suite:
    known = Suite(load(DEFAULT), 0)
    known.know()
    return known


def subject(text: str, *, pointwise: bool | None = None) -> tuple[Subject, InProcess]:
    oracle = oracle_of(text, pointwise=pointwise)
    return subject_on(oracle, load(DEFAULT)), oracle


#: Its rows are mixed, and nothing is kept: many at once, and each batch by itself.
MIXED = LOSS.format(value="-F.logsigmoid(z).sum() / n")


@pytest.mark.parametrize("text", [NOTED, pytest.param(DPO, marks=pytest.mark.rest)], ids=["with a note", "DPO"])
def test_what_comes_of_it_is_what_comes_of_one_after_the_other(text: str) -> None:
    (one, at_once), (other, in_turn) = subject(text), subject(text)
    got, expected = suite().together(one), suite().replayed(other)
    assert got is not None
    assert expected is not None
    assert (got.findings, got.properties, got.not_run) == (expected.findings, expected.properties, expected.not_run)
    assert one.notes == other.notes
    assert got.seconds.keys() == expected.seconds.keys()
    assert len(at_once.sizes) < 0.8 * len(in_turn.sizes)
    assert set(range(1, 1025)) <= set(at_once.sizes)


def test_what_mixes_rows_is_asked_at_once_and_never_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    (one, at_once), (other, in_turn) = subject(MIXED), subject(MIXED)
    assert at_once.program.stateless
    assert not at_once.program.pointwise
    requests: list[Plan] = []
    ask = Joined.ask

    def asking(self: Joined, plan: Plan) -> list[Answer | Complaint]:
        requests.append(plan)
        return ask(self, plan)

    monkeypatch.setattr(Joined, "ask", asking)
    got, expected = suite().together(one), suite().replayed(other)
    assert got is not None
    assert expected is not None
    assert (got.findings, got.properties, got.not_run) == (expected.findings, expected.properties, expected.not_run)
    assert sorted(at_once.sizes) == sorted(in_turn.sizes)
    assert len(requests) < 60
    assert not at_once.in_company


@pytest.mark.parametrize("value", soon(WRONG.values(), 1))
def test_what_fails_settles_nothing(value: str) -> None:
    text = LOSS.format(value=value).replace("    n = z.shape[0]\n", "")
    wrong, oracle = subject(text)
    assert oracle.program.pointwise
    assert suite().together(wrong) is None
    assert suite().replayed(subject(text)[0]) is None


@pytest.mark.parametrize("value", soon(OTHERWISE.values(), 2))
def test_who_answers_otherwise_in_company_gets_nothing_by_it(value: str) -> None:
    text = LOSS.format(value=value)
    assert not subject(text)[1].program.pointwise
    assert suite().together(subject(text, pointwise=True)[0]) is None


def test_who_is_not_known_to_be_stateless_is_not_asked_at_all() -> None:
    one, oracle = subject(LOSS.format(value="-F.logsigmoid(z if z.sum() > 0 else z + 0 * n)"))
    assert suite().together(one) is None
    assert not oracle.calls


def test_a_sandbox_that_is_gone_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = subject(DPO)
    gone = CandidateFault(SANDBOX_DIED.finding("it is gone"))
    monkeypatch.setattr(Joined, "ask", fails(gone))
    assert suite().together(one) is None
    assert one.fault is gone


@pytest.mark.parametrize("error", [SandboxLostError("lost"), KeyboardInterrupt()], ids=["ours", "Ctrl-C"])
def test_faults_of_ours_and_interrupts_end_it(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    one, oracle = subject(DPO)
    monkeypatch.setattr(Joined, "ask", fails(error, after=4))
    with pytest.raises(type(error)):
        suite().together(one)
    assert oracle.closed


@pytest.mark.parametrize("ends", [False, True], ids=["it answers", "it ends"])
def test_a_request_on_its_way_when_something_fails_is_heard_of(ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a parameter
    """The next one is sent before answers are looked at: whether the sandbox has lived through it has to be known."""
    one, oracle = subject(DPO)
    gone = CandidateFault(SANDBOX_DIED.finding("it is gone"))
    ask, take, asked, taken = Joined.ask, Joined.take, [], []

    def asking(self: Joined, plan: Plan) -> list[Answer | Complaint]:
        asked.append(plan)
        if len(asked) == 10 and ends:
            raise gone
        return ask(self, plan)

    def taking(self: Joined, plan: Plan, answers: Sequence[Answer | Complaint]) -> list[Answer | Complaint]:
        taken.append(plan)
        if len(taken) == 9:
            while len(asked) < 10:
                time.sleep(0.01)
            raise NotAlikeError
        return take(self, plan, answers)

    monkeypatch.setattr(Joined, "ask", asking)
    monkeypatch.setattr(Joined, "take", taking)
    assert suite().together(one) is None
    assert len(asked) == 10
    assert one.fault is (gone if ends else None)
    assert not oracle.closed


def test_what_is_asked_is_counted_in_the_order_of_the_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """By which the second container's share is chosen: it is the same however long anybody waits."""
    ask = Joined.ask

    def kept(wait: float) -> list[tuple[int, bytes]]:
        def asking(self: Joined, plan: Plan) -> list[Answer | Complaint]:
            time.sleep(wait)
            return ask(self, plan)

        monkeypatch.setattr(Joined, "ask", asking)
        one, oracle = subject(DPO)
        oracle.kept = Kept(16, 64)
        assert suite().together(one) is not None
        return [(each.number, each.batch.raw) for each in oracle.kept.latest_first()]

    assert kept(0.0) == kept(0.05)


def fails(error: BaseException, after: int = 0) -> object:
    ask, calls = Joined.ask, []

    def failing(self: Joined, plan: object) -> list[Answer | Complaint]:
        calls.append(plan)
        if len(calls) > after:
            raise error
        return ask(self, plan)  # type: ignore[arg-type]

    return failing


def test_what_is_about_the_manner_of_asking_is_asked_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    passed = Together.passed

    def noting(self: Together, known: dict[object, object]) -> bool:
        seen.extend(item.rule.id for item in known)  # type: ignore[attr-defined]
        return passed(self, known)  # type: ignore[arg-type]

    monkeypatch.setattr(Together, "passed", noting)
    assert suite().together(subject(DPO)[0]) is not None
    rules = {item.rule.id for item in suite()._items}
    assert set(seen) == rules - IN_ORDER
    assert {"P309", "P310", "P311", "P315"} <= rules & IN_ORDER


@pytest.mark.rest
def test_two_runs_ask_the_same_in_the_same_order() -> None:
    sizes = []
    for _ in range(2):
        one, oracle = subject(DPO)
        assert suite().together(one) is not None
        sizes.append(oracle.sizes)
    assert sizes[0] == sizes[1]
