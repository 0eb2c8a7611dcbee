"""A duplicate carries the outcome of the run that answers for it, and says whose that is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from harness import Ledger, submit, text_candidate
from harness.cli import run as running
from harness.cli.run import run_command
from harness.cli.show import show_command
from harness.cli.submit import submit_command
from harness.ledger.records import Decision, State

if TYPE_CHECKING:
    from pathlib import Path

    from harness.ladder.worker import WorkerConfig, WorkerSlot

F = "f" * 64
FIRST, SECOND = "def loss(): pass  # first\n", "def loss(): pass  # second\n"


class World:
    """A ledger in which the second candidate is the same function as the first, which stands where it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "harness"
        self.path = folder / "second.py"
        self.path.write_text(SECOND, encoding="utf-8")
        self.climbed: list[int] = []
        self.then = "promote"
        with Ledger(self.folder) as ledger:
            candidates = [text_candidate(FIRST, "first.py"), text_candidate(SECOND, "second.py")]
            self.first, self.second = (one.run for one in submit(candidates, ledger=ledger))
            self.held: list[Any] = [ledger.claim("w", slot=slot, needs=("cpu",)) for slot in "ab"]
            assert all(self.held)
            assert [ledger.same_function(each, F, lambda _: None) for each in self.held] == [None, self.first]

    def ended(self, ledger: Ledger, held: Any, decision: str) -> None:
        """Bring a run to its end."""
        more: Any = {"rung": "bandit", "scores": (), "evaluation": "e", "next_needs": None}
        ledger.checkpoint(held, decision=Decision(decision, f"told: {decision}"), **more)

    def end(self, decision: str) -> None:
        """Bring the first run to its end."""
        with Ledger(self.folder) as ledger:
            self.ended(ledger, self.held[0], decision)

    def work(self, place: WorkerSlot, orders: WorkerConfig, **_: object) -> int:
        """Climb, as a worker does: claim the one run and end it."""
        with Ledger(self.folder) as ledger:
            assert orders.only is not None
            held = ledger.claim("v", slot=place.name, needs=place.needs, only=orders.only)
            assert held is not None
            self.climbed.append(held.run.id)
            if held.run.id == self.second:
                assert ledger.same_function(held, F, lambda _: None) is None, "it is run all the same"
            self.ended(ledger, held, self.then)
        return 1

    def __call__(self, command: Any, *words: object) -> Result:
        arguments = [*map(str, words), "--folder", str(self.folder)]
        return CliRunner().invoke(command, arguments, env={"COLUMNS": "200"}, catch_exceptions=False)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setattr(running, "work", made.work)
    return made


@pytest.mark.parametrize(("decision", "state", "code"), [("promote", "completed", 0), ("reject", "rejected", 1)])
def test_it_has_the_exit_code_and_the_words_of_the_run_that_answers(
    world: World, decision: str, state: str, code: int
) -> None:
    world.end(decision)
    done = world(run_command, world.path)
    assert done.exit_code == code
    assert f"run {world.second}" in done.stderr
    assert f"run {world.first}, first" in done.stderr, "it says whose the outcome is"
    assert f"told: {decision}" in done.stderr
    assert state in done.stderr
    assert "--again" in done.stderr
    assert not world.climbed
    shown = world(show_command, world.second)
    assert f"run {world.first}, first" in shown.stdout
    assert f"told: {decision}" in shown.stdout
    document = json.loads(world(show_command, world.second, "--json").stdout)
    assert (document["answered_by"]["id"], document["answered_by"]["state"]) == (world.first, state)
    assert "answered_by" not in json.loads(world(show_command, world.first, "--json").stdout)
    queued = world(submit_command, world.path)
    assert f"run {world.second} is the same function as run {world.first}, first" in queued.stdout
    assert state in queued.stdout


@pytest.mark.parametrize(("then", "code"), [("promote", 0), ("reject", 1)])
def test_one_whose_answer_is_pending_finishes_it(world: World, then: str, code: int) -> None:
    with Ledger(world.folder) as ledger:
        ledger.release(world.held[0])
    world.then = then
    assert world(run_command, world.path).exit_code == code
    assert world.climbed == [world.first]


def test_one_whose_answer_failed_goes_on_with_that(world: World) -> None:
    with Ledger(world.folder) as ledger:
        held = world.held[0]
        while held is not None:
            ledger.fault(held, "no engine", 0.0)
            held = ledger.claim("w", slot="a", needs=("cpu",))
        assert ledger.run(world.first).state is State.FAILED
    assert world(run_command, world.path).exit_code == 0
    assert world.climbed == [world.first]


def test_again_runs_it_for_itself(world: World) -> None:
    world.end("reject")
    done = world(run_command, world.path, "--again")
    assert (done.exit_code, world.climbed) == (0, [world.second])
    with Ledger(world.folder) as ledger:
        assert ledger.run(world.second).state is State.COMPLETED
        assert ledger.run(world.first).state is State.REJECTED
    assert "queued again" in world(submit_command, world.path, "--again").stdout
