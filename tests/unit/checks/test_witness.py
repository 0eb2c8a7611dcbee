"""State is judged over fresh containers: what is remembered in one life is not known in another."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from judging import DPO, REFUSAL, Answering

from harness.checks.witness import Waiting, hear
from harness.core.domain import Domain
from harness.core.errors import CandidateFault, EngineUnavailableError, InfrastructureError
from harness.core.profiles import Witnessing, load
from harness.oracle.again import Kept
from harness.property_tests.preference import test_determinism, test_state
from harness.subject.classification.classifier import Classifier
from harness.subject.long_life import grow_old
from harness.subject.preference import LARGE, PreferenceSubject, distinct_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.core.verdict import Finding, Json
    from harness.protocol.batch import Answer, Batch, Complaint
    from harness.protocol.batch_types import PairBatch

DOMAIN = Domain()
PLAN = Witnessing(calls=300, seconds=0.05, new=16, last=16, every=8, training_every=20)


class Living(Answering):
    """An oracle that counts its life and keeps what it answers, as the real one does."""

    def __init__(self, function: Callable[[PairBatch], Answer | Complaint], *, guarded: bool = True) -> None:
        super().__init__(function)
        self.program = replace(self.program, guarded=guarded)
        self.life, self.born = 0, time.monotonic()
        self.kept = Kept(PLAN.every, PLAN.last)
        self.requests: list[list[Batch]] = []

    def ask(self, batches: Sequence[Batch], **named: object) -> list[Answer | Complaint]:
        self.requests.append(list(batches))
        self.life += len(batches)
        answers = super().ask(batches, **named)
        if self.kept is not None:
            self.kept.take(batches, answers)
        return answers


class Remembering:
    """DPO, or the reverse from when `turned` says so; it goes on answering as before what it was asked before."""

    def __init__(self, turned: Callable[[Remembering, PairBatch], bool]) -> None:
        self.turned = turned
        self.modes: dict[bytes, bool] = {}
        self.calls = 0
        self.before = 0
        self.born = time.monotonic()

    def __call__(self, batch: PairBatch) -> Answer | Complaint:
        self.calls += 1
        late = self.modes.setdefault(batch.raw, self.turned(self, batch))
        self.before = batch.pairs
        return DPO(batch.swapped() if late else batch)


def heard(
    make: Callable[[], Callable[[PairBatch], Answer | Complaint]],
    plan: Witnessing | None = PLAN,
    *,
    guarded: bool = True,
) -> tuple[list[Finding], dict[str, Json], Living, Living]:
    """Judge what `make` makes, once for each container: findings, what is told, and both."""
    first = Living(make(), guarded=guarded)
    subject = PreferenceSubject(first, DOMAIN, witnessing=plan)
    subject.answers(distinct_batches(40, 3, DOMAIN))
    grow_old(subject)
    subject.answers(distinct_batches(40, 2, DOMAIN))
    second = Living(make(), guarded=guarded)
    findings, told = hear(subject, second, test_state.RULE, test_determinism.RULE)
    return findings, told, first, second


TURNED: dict[str, Callable[[Remembering, PairBatch], bool]] = {
    "by its calls": lambda one, _: one.calls > 250,
    "by the batches that it has seen": lambda one, _: len(one.modes) >= 200,
    "in its last calls": lambda one, _: one.calls > 330,
    "behind a large batch": lambda one, batch: one.before >= LARGE > batch.pairs,
    "by what it was asked first": lambda one, batch: (
        next(iter(one.modes), batch.raw) != distinct_batches(40, 3, DOMAIN)[0].raw
    ),
}


@pytest.mark.parametrize("name", TURNED)
def test_one_that_remembers_what_it_said_is_found(name: str) -> None:
    findings, _, _, _ = heard(lambda: Remembering(TURNED[name]))
    assert [f.rule for f in findings] == ["P310"]
    assert "fresh container" in findings[0].message
    assert findings[0].counterexample
    assert len(findings[0].counterexample["policy_chosen_logps"]) <= 8  # type: ignore[arg-type]


def test_a_clock_is_waited_for_where_it_is_within_reach() -> None:
    def make() -> Remembering:
        return Remembering(lambda one, _: time.monotonic() - one.born > PLAN.seconds - 0.01)

    findings, told, _, _ = heard(make, guarded=False)
    assert [f.rule for f in findings] == ["P310"]
    assert told["seconds_of_one_life"] == PLAN.seconds
    assert "seconds_of_one_life" not in heard(lambda: DPO)[1]


def test_nothing_is_found_in_an_honest_one_and_it_is_said_what_was_looked_at() -> None:
    findings, told, first, second = heard(lambda: DPO)
    assert findings == []
    # 300 and the 8 + 8 new ones, one of them behind a large batch, and the 40 of the facts.
    assert first.calls == 300 + 16 + 1 + 40
    assert told == {
        "calls_of_one_life": 300,
        "never_asked_before": 16,
        "asked_again": 16 + (357 - 16) // 8,
        "one_in": 8,
    }
    assert second.calls == 16 + 16 + (357 - 16) // 8


def test_what_is_new_comes_first_there_and_what_was_answered_last_comes_next() -> None:
    _, _, first, second = heard(lambda: DPO)
    asked = {b.raw for request in first.requests for b in request}
    assert {b.raw for request in second.requests for b in request} <= asked
    new = [b.raw for request in first.requests[-11:-1] for b in request]
    assert [request[0].raw for request in second.requests[:8]] == new[:8]
    assert first.requests[-1][-1].raw == second.requests[9][0].raw


def test_what_went_alone_goes_in_a_bundle_and_the_other_way_round() -> None:
    _, _, first, second = heard(lambda: DPO)
    alone = {request[0].raw for request in first.requests if len(request) == 1}
    alone_there = {request[0].raw for request in second.requests if len(request) == 1}
    assert len(alone) >= 8
    assert len(alone_there) >= 12
    assert not alone & alone_there


def test_batches_that_only_have_to_be_made_are_no_two_alike() -> None:
    for size in (1, 3):
        made = distinct_batches(2000, size, DOMAIN)
        assert len({b.raw for b in made}) == len(made) == 2000
        assert {b.pairs for b in made} == {size}


def test_one_that_contradicts_itself_in_one_container_is_noise() -> None:
    def make() -> Callable[[PairBatch], Answer]:
        draw = itertools.count()

        def answer(batch: PairBatch) -> Answer:
            got = DPO(batch)
            return replace(got, values=got.values * np.float32(1 + next(draw) / 7))

        return answer

    assert [f.rule for f in heard(make)[0]] == ["P309"]


def test_an_exception_there_is_a_difference() -> None:
    made = itertools.count()

    def make() -> Callable[[PairBatch], Answer | Complaint]:
        return DPO if next(made) == 0 else lambda _: REFUSAL

    assert [f.rule for f in heard(make)[0]] == ["P310"]


def test_an_exception_late_in_a_life_is_the_candidates() -> None:
    calls = itertools.count()
    with pytest.raises(CandidateFault):
        heard(lambda: lambda batch: DPO(batch) if next(calls) < 280 else REFUSAL)


def test_nothing_kept_is_no_pass() -> None:
    with pytest.raises(InfrastructureError, match="nothing was kept"):
        heard(lambda: DPO, None)


def test_classification_has_batches_of_its_own() -> None:
    subject = Classifier(Living(DPO), DOMAIN, _smallest=1)
    made = [*subject.distinct(300), *subject.unasked(16), subject.large()]
    assert len({b.raw for b in made}) == len(made)
    assert {b.classes for b in made} >= {2, 10, 100}


def test_a_share_is_kept_and_the_last_ones() -> None:
    kept = Kept(10, 4)
    batches = distinct_batches(100, 1, DOMAIN)
    for batch in batches:
        kept.take([batch], [DPO(batch)])
    assert [e.number for e in kept.latest_first()] == [100, 99, 98, 97, *range(90, 0, -10)]
    small = Kept(1, 1, cap=9 * 4 * 30)
    for batch in batches:
        small.take([batch], [DPO(batch)])
    assert small.every == 4
    assert [e.number for e in small.latest_first()] == list(range(100, 0, -4))


def test_the_second_container_is_started_when_it_is_likely_to_be_needed() -> None:
    started: list[int] = []
    kept = Kept(10, 4, when=(25, lambda: started.append(kept.calls)))
    for batch in distinct_batches(100, 1, DOMAIN):
        kept.take([batch], [DPO(batch)])
    assert started == [25]


def test_a_second_container_that_does_not_start_is_a_fault_of_ours() -> None:
    class Nowhere:
        def another(self) -> Nowhere:
            raise EngineUnavailableError

    waiting = Waiting(SimpleNamespace(engine=Nowhere()), None)  # type: ignore[arg-type]
    with pytest.raises(InfrastructureError):
        waiting.sandbox()
    waiting.close()


def test_2026_1_has_no_witness() -> None:
    assert load("2026.1").witness is None
    plan = load("2026.2").witness
    assert plan is not None
    assert plan.calls >= 8192
