"""What judges nothing rejects nothing: facts that took too long are missing, and that is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from judging import Answering

from harness.checks.judging import _facts
from harness.checks.outcome import Outcome
from harness.core.domain import Domain
from harness.core.errors import CandidateFault
from harness.core.facts import LossFacts
from harness.core.profiles import load
from harness.protocol.rules import RAISED_ON_CALL, TIME_LIMIT
from harness.report.wording import fact_rows
from harness.subject.preference import PreferenceSubject

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.protocol.batch import Answer
    from harness.protocol.batch_types import PairBatch


def gathered(profile: str, rule: Any) -> tuple[dict[str, Json], list[str]]:
    """What is gathered of one whose facts end in a fault, and what was found."""

    def fails(_: PairBatch) -> Answer:
        raise CandidateFault(rule.finding("it took longer than 10 s for one answer"))

    bench: Any = SimpleNamespace(recipe=SimpleNamespace(limits=load(profile).limits()))
    ready: Any = SimpleNamespace(screened=SimpleNamespace(program=None))
    subject = PreferenceSubject(Answering(fails), Domain())
    outcome = Outcome([], {subject.shape_rule.id: "passed"})
    return _facts(bench, ready, subject, outcome), [f.rule for f in outcome.findings]


def test_a_time_out_among_the_facts_is_no_finding() -> None:
    found, rules = gathered("2026.2", TIME_LIMIT)
    assert rules == []
    assert fact_rows(LossFacts(found)) == [
        ("other facts", "missing: it took longer than 10 s for one answer while facts were gathered")
    ]


@pytest.mark.parametrize(("profile", "rule"), [("2026.1", TIME_LIMIT), ("2026.2", RAISED_ON_CALL)])
def test_all_else_is_as_it_was(profile: str, rule: Any) -> None:
    assert gathered(profile, rule) == ({}, [rule.id])


def test_the_report_says_how_far_state_was_looked_for() -> None:
    witness: dict[str, Json] = {
        "calls_of_one_life": 8192,
        "never_asked_before": 64,
        "asked_again": 1634,
        "one_in": 16,
    }
    told = "none in 8,192 calls of one life; 1,698 batches asked again in a fresh container"
    assert fact_rows(LossFacts({"witness": witness})) == [("state", told)]
