"""Check, ledger, ladder: what is known costs nothing, what is broken goes no further, what is ours is no verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from scripted import code

from harness import Ledger
from harness.discover import judging
from harness.discover.judging import LadderJudge
from harness.errors import InfrastructureError
from harness.ladder.profile import load
from harness.ledger.records import Decision, Score
from harness.ledger.states import State
from harness.result import CheckReport, CheckResult
from harness.verdict import Accepted, Finding, Rejected, Severity, Undecided

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LADDER = load("bandit")
FINDING = Finding("P302", "finite-value", Severity.ERROR, "NaN")


@dataclass
class World:
    """A ledger that is real, and a check and a worker that are not."""

    ledger: Ledger
    judge: LadderJudge
    verdicts: list[Any] = field(default_factory=lambda: [Accepted()])
    fingerprint: str = "a" * 64
    checks: int = 0
    climbs: list[int] = field(default_factory=list)
    fate: str = "promote"

    def check(self, path: Path, options: object) -> CheckReport:
        """The next verdict."""
        del options
        verdict = self.verdicts[min(self.checks, len(self.verdicts) - 1)]
        self.checks += 1
        facts = {"fingerprint": self.fingerprint, "convex": True, "curve": [1] * 1000}
        return CheckReport("2026.1", 0, (CheckResult(str(path), "s", "n", verdict, facts=facts),))

    def work(self, place: Any, orders: Any, **more: Any) -> int:
        """Climb one run in the ledger, as a worker does."""
        del more
        held = self.ledger.claim("w", slot=place.name, needs=place.needs, only=orders.only)
        assert held is not None
        self.climbs.append(held.run.id)
        for plan in LADDER.rungs:
            if plan.gate is None:
                if plan.name == "properties" and self.ledger.same_function(held, self.fingerprint) is not None:
                    return 1
                decision = Decision("promote", "accepted")
            else:
                scores = [Score(s, m, 0.6 + s / 10) for s in (0, 1) for m in ("score", "score@30", "kl")]
                self.ledger.save_scores(held, plan.name, scores)
                decision = Decision(self.fate, "told", {"difference": 0.05})
            self.ledger.checkpoint(
                held,
                rung=plan.name,
                scores=(),
                decision=decision,
                evaluation=plan.name,
                next_needs=LADDER.needs(LADDER.rungs.index(plan) + 1),
                ask_a_person=False,
            )
        return 1


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with Ledger(tmp_path / "harness", database=f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        made = World(ledger, LadderJudge(LADDER, ledger, tmp_path / "candidates"))
        monkeypatch.setattr(judging, "check", made.check)
        monkeypatch.setattr(judging, "work", made.work)
        yield made


def never(_: str, __: str) -> bool:
    return False


def test_a_good_loss_has_the_scores_of_its_run(world: World) -> None:
    found = world.judge.judge(code("x"), "one", never)
    assert (found.fate, found.rung, found.place, found.answered) == ("measured", "bandit", 3, False)
    assert found.score == pytest.approx(0.65)
    assert found.gain == pytest.approx(0.05)
    assert found.learning == ((30, pytest.approx(0.65)),)
    assert found.low < 0.65 < found.high
    assert "curve" not in found.facts, "long facts are not carried along"
    assert world.ledger.run(found.run).state is State.COMPLETED


def test_a_rejected_loss_is_never_submitted(world: World) -> None:
    world.verdicts = [Rejected((FINDING,))]
    found = world.judge.judge(code("x"), "one", never)
    assert (found.fate, found.rung, found.findings) == ("rejected", "properties", (FINDING,))
    assert world.ledger.runs() == []


def test_a_function_of_this_run_is_never_submitted(world: World) -> None:
    asked: list[tuple[str, str]] = []
    found = world.judge.judge(code("x"), "one", lambda *what: bool(asked.append(what)) or True)
    assert found.fate == "known"
    assert asked == [(world.fingerprint, found.id)]
    assert world.ledger.runs() == []


def test_a_function_of_the_ledger_is_answered_by_it(world: World) -> None:
    first = world.judge.judge(code("x"), "one", never)
    other = world.judge.judge(code("x + 0"), "other", never)
    assert (other.answered, other.run, other.score, other.gain) == (True, first.run, first.score, first.gain)
    assert other.id != first.id
    assert world.climbs == [first.run]
    assert set(other.seconds) == {"check"}


def test_a_gate_that_said_no_is_remembered_too(world: World) -> None:
    world.fate = "reject"
    first = world.judge.judge(code("x"), "one", never)
    assert (first.fate, first.rung, first.place) == ("stopped", "bandit", 2)
    assert world.judge.judge(code("x + 0"), "other", never).fate == "stopped"
    assert len(world.climbs) == 1


def test_what_is_ours_is_tried_once_more_and_is_no_verdict(world: World) -> None:
    world.verdicts = [Undecided("no engine"), Accepted()]
    assert world.judge.judge(code("x"), "one", never).fate == "measured"
    world.verdicts, world.checks = [Undecided("no engine")], 0
    found = world.judge.judge(code("2 * x"), "two", never)
    assert (found.fate, found.score, world.checks) == ("undecided", None, 2)


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
            world.judge.duel(found.id, "one", [1], lambda *_: None)
        path.unlink(missing_ok=True)
