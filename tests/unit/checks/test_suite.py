"""Whose fault an exception of the suite is: the candidate's, or ours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis.errors import FlakyFailure, Unsatisfiable
from judging import DPO, REFUSAL, subject

from harness.checks.catalogue import find_rule
from harness.checks.suite import _findings as findings_of
from harness.core.errors import CandidateFault, EngineUnavailableError, InfrastructureError, SandboxLostError
from harness.core.verdict import Severity
from harness.subject.batches import plain

if TYPE_CHECKING:
    from harness.core.rules import Rule
    from harness.core.verdict import Finding
    from harness.protocol.batch import Answer
    from harness.protocol.batch_types import PairBatch


def named(name: str) -> Rule:
    found = find_rule(name)
    assert found is not None
    return found


@pytest.fixture
def rule() -> Rule:
    return named("P302")


def _findings(error: BaseException, rule: Rule, deterministic: str = "P309") -> tuple[Finding, ...]:
    return findings_of(error, rule, named(deterministic))


def test_a_candidates_fault_is_its_findings(rule: Rule) -> None:
    one, two = rule.finding("one"), rule.finding("two")
    assert _findings(CandidateFault(one, two), rule) == (one, two)


def test_an_answer_that_varies_is_noise(rule: Rule) -> None:
    error = FlakyFailure("it failed once", [CandidateFault(rule.finding("x", counterexample={"beta": 0.1}))])
    (finding,) = _findings(error, rule)
    assert finding.counterexample == {"beta": 0.1}
    assert (finding.rule, finding.severity) == ("P309", Severity.ERROR)
    assert "finite-value" in finding.message
    assert [f.rule for f in _findings(error, named("P402"), "P409")] == ["P409"], "and by the rule of its contract"


def test_a_fault_of_ours_within_a_flaky_failure_is_ours(rule: Rule) -> None:
    lost = SandboxLostError()
    error = FlakyFailure("it failed once", [lost, CandidateFault(rule.finding("x"))])
    with pytest.raises(SandboxLostError):
        _findings(error, rule)


@pytest.mark.parametrize("error", [InfrastructureError("x"), EngineUnavailableError(), SandboxLostError()])
def test_a_fault_of_ours_is_raised(rule: Rule, error: InfrastructureError) -> None:
    with pytest.raises(type(error)):
        _findings(error, rule)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(0), SystemExit(3)])
def test_an_interrupt_stays_one(rule: Rule, error: BaseException) -> None:
    with pytest.raises(type(error)):
        _findings(error, rule)


@pytest.mark.parametrize(
    "error",
    [AssertionError("x"), ValueError("x"), IndexError("x"), ZeroDivisionError(), MemoryError(), Unsatisfiable("x")],
)
def test_anything_else_is_a_fault_of_ours_that_names_the_property(rule: Rule, error: Exception) -> None:
    with pytest.raises(InfrastructureError, match="the property P302 itself failed") as caught:
        _findings(error, rule)
    assert caught.value.exit_code == 3
    assert not isinstance(caught.value, CandidateFault)


def test_a_group_of_faults_of_ours_is_ours(rule: Rule) -> None:
    with pytest.raises(InfrastructureError, match="engine"):
        _findings(ExceptionGroup("several", [InfrastructureError("engine"), ValueError("x")]), rule)


def needing(pairs: int, otherwise: float = np.nan):
    """DPO, but broken in batches smaller than `pairs`."""

    def answer(batch: PairBatch) -> Answer:
        got = DPO(batch)
        return got if batch.pairs >= pairs else replace(got, values=np.full_like(got.values, otherwise))

    return answer


@pytest.mark.parametrize(("needs", "found"), [(1, 1), (2, 2), (3, 3), (5, 8), (64, 64)])
def test_the_smallest_batch_is_found(needs: int, found: int) -> None:
    one = subject(needing(needs))
    assert one.smallest_batch == found
    assert one.size(1) == found
    assert one.fill([1.0]).size == found


def test_a_loss_that_never_works_is_left_to_the_properties() -> None:
    one = subject(needing(1000))
    assert one.smallest_batch == 1


def test_an_exception_in_small_batches_counts_as_not_working() -> None:
    one = subject(lambda b: REFUSAL if b.pairs < 4 else DPO(b))
    assert one.smallest_batch == 4


def test_a_complaint_becomes_a_finding_with_its_batch() -> None:
    with pytest.raises(CandidateFault) as caught:
        subject(lambda _: REFUSAL).answer(plain([1.0], 0.1))
    (finding,) = caught.value.findings
    assert finding.rule == "W202"
    assert "ValueError" in finding.message
    assert finding.location is not None
    assert finding.location.line == 3
    assert finding.counterexample is not None
    assert finding.counterexample["rho"] == [1.0]


def test_after_the_end_every_question_gets_the_same_fault(rule: Rule) -> None:
    asked = []

    def dies(batch: PairBatch) -> Answer:
        asked.append(batch)
        raise CandidateFault(rule.finding("dead"))

    one = subject(dies)
    for _ in range(3):
        with pytest.raises(CandidateFault, match="dead"):
            one.answer(plain([1.0], 0.1))
    with pytest.raises(CandidateFault, match="dead"):
        one.fresh()
    assert len(asked) == 1


def test_a_note_is_taken_once(rule: Rule) -> None:
    one = subject(DPO)
    for _ in range(3):
        one.note(rule, "a jump", Severity.WARNING, at=0.0)
    one.note(rule, "another", Severity.NOTE)
    assert [(n.message, n.severity) for n in one.notes] == [("a jump", "warning"), ("another", "note")]


def test_a_large_counterexample_says_how_large_and_how_long_and_no_other_numbers(rule: Rule) -> None:
    fault = subject(DPO).broken(rule, "x", plain(np.zeros(64), 0.1))
    assert fault.findings[0].counterexample == {
        "beta": 0.1,
        "progress": 0.5,
        "pairs": 64,
        "lengths": [4.0, 4.0],
    }
