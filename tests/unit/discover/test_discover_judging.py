"""Ledger and ladder: what is known costs nothing, what is broken goes no further, what is ours is no verdict."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from scripted import code

from harness import Ledger
from harness.checks.static import screen_result, screened_text
from harness.core.candidate import Candidate
from harness.core.errors import InfrastructureError
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted, Finding, Location, Rejected, Severity, Undecided
from harness.discover import judging, prompts
from harness.discover.judging import LadderJudge
from harness.ladder.ladder import load
from harness.ledger.records import Claim, Decision, Score, State
from harness.report.json_report import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.core.verdict import Verdict

LADDER = load("bandit")
FINDING = Finding("P302", "finite-value", Severity.ERROR, "NaN", "soften it", {"beta": "NaN"}, Location(3, 4))
WARNING = Finding("P313", "batch-of-one", Severity.WARNING, "needs two")


@dataclass
class World:
    """A ledger that is real, and a worker that judges without a sandbox.

    `properties` counts how often the properties were run, by the digest of the text.
    """

    ledger: Ledger
    judge: LadderJudge
    verdict: Verdict = field(default_factory=Accepted)
    fingerprint: str = "a" * 64
    properties: Counter[str] = field(default_factory=Counter)
    climbs: list[int] = field(default_factory=list)
    #: Where two functions differ that have one fingerprint; None where they are the same.
    differ: str | None = None
    fate: str = "promote"
    killed_at: str = ""

    def work(self, place: Any, orders: Any, **more: Any) -> int:
        """Climb one run in the ledger, as a worker does: tried again after a fault of ours, until it is given up."""
        del more
        while True:
            held = self.ledger.claim("w", slot=place.name, needs=place.needs, only=orders.only)
            assert held is not None
            self.climbs.append(held.run.id)
            if self.attempt(held) is not State.QUEUED:
                return 1

    def compare(self, _: Any) -> str | None:
        """What a comparison of the held run with another says."""
        return self.differ

    def attempt(self, held: Claim) -> State:
        """One attempt, from the last checkpoint on."""
        for plan in LADDER.rungs[held.run.rung :]:
            decision = Decision("promote", "accepted")
            if plan.name == self.killed_at:
                self.killed_at = ""
                raise KeyboardInterrupt
            if plan.kind == "properties":
                self.properties[held.run.candidate] += 1
                self.ledger.attach(held, plan.name, "report.json", self.report(held))
                if isinstance(self.verdict, Undecided):
                    return self.ledger.fault(held, self.verdict.reason, back_off=0.0)
                if isinstance(self.verdict, Rejected):
                    decision = Decision("reject", "P302 NaN", {"rules": ["P302"]})
                elif self.ledger.same_function(held, self.fingerprint, self.compare) is not None:
                    return State.DUPLICATE
            elif plan.gate is not None:
                scores = [Score(s, m, 0.6 + s / 10) for s in (0, 1) for m in ("score", "score@30", "kl")]
                self.ledger.save_scores(held, plan.name, scores)
                decision = Decision(self.fate, "told", {"difference": 0.05})
            state = self.ledger.checkpoint(
                held,
                rung=plan.name,
                scores=(),
                decision=decision,
                evaluation=plan.name,
                next_needs=LADDER.needs(LADDER.rungs.index(plan) + 1),
                ask_a_person=False,
            )
            if state is not State.RUNNING:
                return state
        raise AssertionError("there is no rung above the last")

    def report(self, held: Claim) -> bytes:
        """What the rung of the properties leaves behind."""
        facts: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "convex": True,
            "curve": [1] * 1000,
            "minima": [math.nan],
        }
        result = CheckResult("x.py", held.run.candidate, "n", self.verdict, facts=facts)
        return write_json(CheckReport("2026.1", 0, (result,))).encode()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with Ledger(tmp_path / "harness", database=f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        made = World(ledger, LadderJudge(LADDER, ledger, tmp_path / "candidates"))
        monkeypatch.setattr(judging, "work", made.work)
        yield made


def never(_: str, __: str) -> bool:
    return False


def test_a_good_loss_has_the_scores_of_its_run(world: World) -> None:
    found = world.judge.judge(code("x"), "one", never)
    assert (found.fate, found.rung, found.place, found.answered) == ("measured", "bandit", 3, False)
    assert found.score == pytest.approx(0.65)
    assert found.gain == pytest.approx(0.05)
    ((step, value),) = found.learning
    assert step == 30
    assert value == pytest.approx(0.65)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.65 < found.high
    assert "curve" not in found.facts, "long facts are not carried along"
    assert world.ledger.run(found.run).state is State.COMPLETED


def test_the_findings_of_a_rejected_loss_come_from_its_report(world: World) -> None:
    world.verdict = Rejected((WARNING, FINDING))
    found = world.judge.judge(code("x"), "one", never)
    assert (found.fate, found.rung, found.answered) == ("rejected", "properties", False)
    assert found.findings == (FINDING,), "what only warns is none of the reasons"
    assert "beta = float" in prompts.rejected(found.findings, code("x"))
    assert world.ledger.run(found.run).state is State.REJECTED
    assert set(world.properties.values()) == {1}
    again = world.judge.judge(code("x"), "one", never)
    assert (again.fate, again.findings, again.answered) == ("rejected", (FINDING,), True)
    assert set(world.properties.values()) == {1}, "a text that has a report is not judged again"


@pytest.mark.parametrize("kept", [True, False])
def test_what_the_screen_refuses_is_told_with_its_line(
    world: World, monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    """By the report that the rung of the screen kept; a run of an older version has none, and is screened again."""

    def refuse(place: Any, orders: Any, **_: Any) -> int:
        held = world.ledger.claim("w", slot=place.name, needs=place.needs, only=orders.only)
        assert held is not None
        if kept:
            text = Candidate("one.py", world.ledger.text(held.run), held.run.candidate)
            report = write_json(CheckReport("", 0, (screen_result(screened_text(text)),)))
            world.ledger.attach(held, "screen", "screen.json", report.encode())
            monkeypatch.setattr(judging, "screened_text", lambda *_: pytest.fail("it was screened again"))
        world.ledger.reject(held, "S112 no")
        return 1

    monkeypatch.setattr(judging, "work", refuse)
    found = world.judge.judge("import os\n" + code("x"), "one", never)
    assert (found.fate, found.rung) == ("rejected", "screen")
    assert found.findings[0].rule == "S112"
    assert found.findings[0].location is not None
    assert found.findings[0].location.line == 1


def test_a_function_of_this_run_is_not_measured(world: World) -> None:
    first = world.judge.judge(code("x"), "one", never)
    asked: list[tuple[str, str]] = []

    def seen(function: str, candidate: str) -> bool:
        asked.append((function, candidate))
        return True

    found = world.judge.judge(code("x + 0"), "two", seen)
    assert (found.fate, found.rung, found.facts["fingerprint"]) == ("known", "properties", world.fingerprint)
    assert found.facts["function"] == first.facts["function"] == first.id
    assert asked == [(first.id, found.id)]
    assert list(world.ledger.scores(first.run)) == ["bandit"]
    assert [run.state for run in world.ledger.runs()] == [State.COMPLETED, State.DUPLICATE]


def test_one_fingerprint_makes_no_function_known(world: World) -> None:
    """A wrong loss that answers where everybody looks as another does is measured for itself."""
    first = world.judge.judge(code("x"), "one", never)
    world.differ = "their values differ at beta 0.1"
    other = world.judge.judge(code("x + 0"), "two", lambda function, _: function == first.facts["function"])
    assert (other.fate, other.facts["function"], other.facts["fingerprint"]) == (
        "measured",
        other.id,
        world.fingerprint,
    )
    assert len({first.run, other.run}) == 2


def test_a_text_of_this_run_is_not_even_judged_again(world: World) -> None:
    world.judge.judge(code("x"), "one", never)
    assert world.judge.judge(code("x"), "again", lambda _, __: True).fate == "known"
    assert set(world.properties.values()) == {1}


def test_a_function_of_the_ledger_is_answered_by_it(world: World) -> None:
    first = world.judge.judge(code("x"), "one", never)
    other = world.judge.judge(code("x + 0"), "other", never)
    assert (other.answered, other.run, other.score, other.gain) == (True, first.run, first.score, first.gain)
    assert other.id != first.id
    assert [bool(world.ledger.scores(run.id)) for run in world.ledger.runs()] == [True, False]
    assert set(world.properties.values()) == {1}


@pytest.mark.parametrize("rung", ["screen", "properties", "bandit"])
def test_a_kill_at_any_rung_leaves_a_run_that_goes_on(world: World, rung: str) -> None:
    world.killed_at = rung
    with pytest.raises(KeyboardInterrupt):
        world.judge.judge(code("x"), "one", never)
    (run,) = world.ledger.runs()
    world.ledger.release(Claim(run, run.attempt, "w", "p"))
    found = world.judge.judge(code("x"), "one", never)
    assert (found.fate, found.run, found.answered) == ("measured", run.id, False)
    assert set(world.properties.values()) == {1}


def test_a_run_that_another_has_taken_the_place_of_is_answered_by_that(world: World) -> None:
    first = world.judge.judge(code("x"), "one", never)
    world.fingerprint, world.killed_at = "b" * 64, "bandit"
    with pytest.raises(KeyboardInterrupt):
        world.judge.judge(code("2 * x"), "two", never)
    cancelled = next(run for run in world.ledger.runs() if run.id != first.run)
    world.ledger.cancel(cancelled.id)
    heir = world.judge.judge(code("x + x"), "heir", never)
    found = world.judge.judge(code("2 * x"), "two", never)
    assert heir.run not in {first.run, cancelled.id}
    assert (found.fate, found.run, found.answered) == ("measured", heir.run, True)


def test_a_gate_that_said_no_is_remembered_too(world: World) -> None:
    world.fate = "reject"
    first = world.judge.judge(code("x"), "one", never)
    assert (first.fate, first.rung, first.place) == ("stopped", "bandit", 2)
    assert world.judge.judge(code("x + 0"), "other", never).fate == "stopped"
    assert [bool(world.ledger.scores(run.id)) for run in world.ledger.runs()] == [True, False]


def test_what_is_ours_is_tried_again_and_is_no_verdict(world: World) -> None:
    world.verdict = Undecided("no engine")
    found = world.judge.judge(code("2 * x"), "two", never)
    assert (found.fate, found.score, found.rung, found.findings) == ("undecided", None, "properties", ())
    assert "no engine" in found.told
    assert set(world.properties.values()) == {3}
    world.verdict = Accepted()
    assert world.judge.judge(code("2 * x"), "two", never).fate == "measured", "a later run of it may say more"


def test_a_run_that_was_cancelled_or_failed_is_climbed_again(world: World) -> None:
    first = world.judge.judge(code("x"), "one", never)
    world.fingerprint = "b" * 64
    from harness.api import submit, text_candidate

    (made,) = submit([text_candidate(code("2 * x"), "two.py")], ledger=world.ledger, profile="bandit")
    world.ledger.cancel(made.run)
    again = world.judge.judge(code("2 * x"), "two", never)
    assert (again.fate, again.run) == ("measured", made.run)
    assert first.run != made.run


def test_a_climb_that_was_told_to_stop_is_an_interrupt(world: World) -> None:
    world.judge.stopping = lambda: True
    with pytest.raises(KeyboardInterrupt):
        world.judge.judge(code("x"), "one", never)
    assert not world.judge.climbing


def test_the_catalogue_is_judged_like_anybody(world: World) -> None:
    source, found = world.judge.catalogue("dpo")
    assert "def dpo" in source
    assert found.fate == "measured"


def test_a_text_that_was_changed_or_lost_meets_nobody(world: World, tmp_path: Path) -> None:
    found = world.judge.judge(code("x"), "one", never)
    (path,) = (tmp_path / "candidates").iterdir()
    path.chmod(0o600)
    path.write_text(code("2 * x"))
    for _ in range(2):
        with pytest.raises(InfrastructureError, match=path.name):
            world.judge.duel(("one", found.id), ["dpo"], [1], lambda *_: None)
        path.unlink(missing_ok=True)
