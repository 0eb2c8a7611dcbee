"""The log of what works for long: its lines are whole, harmless, and nobody else's."""

from __future__ import annotations

import datetime as dt
import json
import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.cli import worker as command
from harness.core.errors import InfrastructureError
from harness.ladder import logs
from harness.ladder.context import Progress, Training
from harness.ladder.worker import LeaseRenewer, _Log
from harness.ledger.records import Decision, State
from harness.protocol.job import Progress as StepProgress
from harness.protocol.job import Step
from harness.workers import News

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.ladder.worker import WorkerConfig

RUN = SimpleNamespace(id=7, candidate="c" * 64, name="loss", profile="bandit-2026.2")
HELD: Any = SimpleNamespace(run=RUN, attempt=2, slot="host/cpu/0", owner="me")
HOSTILE = "a\x1b[2J\n\u202eb ::error:: ##vso[task] \ud800 " + "x" * 5000


@pytest.fixture(autouse=True)
def _no_log_is_left() -> Iterator[None]:
    yield
    logs.set_up(None)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_nothing_is_logged_unless_it_is_wished_for(capsys: pytest.CaptureFixture[str]) -> None:
    logs.event("error", "fault of ours", message="none")
    logs.set_up(logs.Wish("debug"))
    logs.set_up(None)
    logs.event("error", "fault of ours", message="none")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("level", "count"), list(zip(logs.LEVELS, (4, 3, 2, 1), strict=True)))
def test_levels(level: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(logs.Wish(level, "json"))
    for each in logs.LEVELS:
        logs.event(each, "happened")
    told = lines(capsys.readouterr().err)
    assert [line["level"] for line in told] == list(logs.LEVELS[-count:])


def test_a_line_of_json_has_time_level_event_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(logs.Wish("info", "json"))
    logs.set_up(logs.Wish("info", "json"))  # in place of the first, and not beside it
    logs.event("info", "seed measured", run=3, seed=0, seconds=1.23456, none=None, alone=True, score=float("nan"))
    (line,) = lines(capsys.readouterr().err)
    at = dt.datetime.fromisoformat(line.pop("time"))
    assert at.utcoffset() == dt.timedelta(0)
    assert abs(at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    assert line == {
        "level": "info", "event": "seed measured", "run": 3, "seed": 0, "seconds": 1.235, "alone": True, "score": "nan",
    }  # fmt: skip


def test_a_line_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(logs.Wish("info"))
    logs.event("info", "gate decided", run=3, decision="reject", reason='it is "bad"', seconds=0.5)
    told = capsys.readouterr().err
    assert told.endswith(' info gate decided run=3 decision=reject reason="it is \\"bad\\"" seconds=0.5\n')


@pytest.mark.parametrize("form", logs.FORMATS)
def test_what_a_candidate_wrote_stays_in_its_field(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(logs.Wish("info", form))
    logs.event("info", "claimed", name=HOSTILE, message="::set-output::")
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert len(told) < 2000
    assert told[:-1].isprintable()
    assert "##" not in told
    assert "\x1b" not in told
    assert "\u202e" not in told
    if form == "json":
        (line,) = lines(told)
        assert line["name"].startswith("a b ::error:: ##vso[task] \ufffd x")


def test_an_attempt_tells_what_happens_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(logs.Wish("debug", "json"))
    log = logs.Attempt(HELD)
    log.watch(Progress("screen"))
    log.watch(Progress("screen", decision=Decision("promote", "it passes the screen")))
    log.watch(Progress("bandit"))
    log.watch(Progress("bandit", training=Training("candidate", 0, Step.TRAIN, StepProgress(1, 2, "steps", {}))))
    log.watch(Progress("bandit", told="the baseline is measured again"))
    log.watch(Progress("bandit", 0, {"regret": 0.1}, {"regret": 0.2}))
    log.renewed()
    log.watch(Progress("bandit", decision=Decision("reject", "worse")))
    log.failed(InfrastructureError("the engine is away", remedy="start it"))
    log.lost()
    log.ended(State.REJECTED)
    told = lines(capsys.readouterr().err)
    assert [(line["event"], line.get("rung"), line.get("seed")) for line in told] == [
        ("claimed", None, None),
        ("rung begun", "screen", None),
        ("gate decided", "screen", None),
        ("rung begun", "bandit", None),
        ("note", "bandit", None),
        ("seed measured", "bandit", 0),
        ("lease renewed", None, None),
        ("gate decided", "bandit", None),
        ("fault of ours", "bandit", None),
        ("lease lost", None, None),
        ("run ended", None, None),
    ]
    assert all((line["run"], line["attempt"], line["place"]) == (7, 2, "host/cpu/0") for line in told)
    assert all("seconds" in line for line in told if line["event"] in {"seed measured", "gate decided", "run ended"})
    fault = told[8]
    assert (fault["level"], fault["message"], fault["remedy"]) == ("error", "the engine is away", "start it")
    assert told[0]["candidate"] == "c" * 64
    assert told[-1]["state"] == "rejected"


@pytest.mark.parametrize(("answers", "event"), [([True, True, False], "lease lost"), ([True] * 30, "lease renewed")])
def test_a_lease_that_is_renewed_or_lost_is_told(
    answers: list[bool], event: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(logs.Wish("debug", "json"))
    left = iter(answers)
    ledger: Any = SimpleNamespace(renew=lambda *_: next(left, True))
    with LeaseRenewer(ledger, HELD, 0.03, logs.Attempt(HELD)) as keeper:
        keeper.lost.wait(0.5)
    assert event in {line["event"] for line in lines(capsys.readouterr().err)}


def test_a_worker_says_once_that_it_was_told_to_stop(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(logs.Wish("info", "json"))
    told: list[str] = []
    stop = iter([False, True, True])
    log = _Log("host/cpu/0", lambda: next(stop), told.append)
    assert [log.stopping() for _ in range(3)] == [False, True, True]
    log.tell("the engine is away; it waits")
    log.ended(4)
    events = lines(capsys.readouterr().err)
    assert [line["event"] for line in events] == ["told to stop", "waiting", "ended"]
    assert events[2]["attempts"] == 4
    assert told == ["the engine is away; it waits"]


class Engine:
    """In place of workers: notes its orders, and does one thing."""

    def __init__(self, does: Exception | None = None) -> None:
        self.does = does
        self.orders: list[WorkerConfig] = []

    def serve(self, orders: WorkerConfig, *, stopping: Any, news: Any) -> int:
        del stopping
        self.orders.append(orders)
        news(News("host/cpu/0", 1, "screen: promote"))
        news(News("host/cpu/0", 0, "its worker ended with -9; another one takes its place"))
        if self.does:
            raise self.does
        return 3


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    monkeypatch.setattr(command, "_engine", lambda *_: made)
    return made


def worker(folder: Path, *words: str) -> Any:
    return CliRunner().invoke(cli, ["worker", "--folder", str(folder), "--drain", *words])


def test_the_worker_hands_its_log_on_and_writes_nothing_else(engine: Engine, tmp_path: Path) -> None:
    done = worker(tmp_path, "--log-format", "json")
    assert done.exit_code == 0, done.output
    assert [line["event"] for line in lines(done.stderr)] == ["worker lost", "all ended"]
    assert engine.orders[0].log == logs.Wish("info", "json")


def test_a_fault_that_ends_the_worker_is_a_line_too(engine: Engine, tmp_path: Path) -> None:
    engine.does = InfrastructureError("no image", remedy="build it")
    done = worker(tmp_path, "--log-format", "json", "--log-level", "error")
    (line,) = lines(done.stderr)
    assert (line["event"], line["remedy"], done.exit_code) == ("fault of ours", "build it", 3)


def test_without_the_option_people_see_what_they_saw(engine: Engine, tmp_path: Path) -> None:
    done = worker(tmp_path)
    assert done.stderr.splitlines() == [
        "host/cpu/0  run 1  screen: promote",
        "host/cpu/0  its worker ended with -9; another one takes its place",
        "3 attempts ended",
    ]
    assert engine.orders[0].log is None


def test_with_text_people_see_both(engine: Engine, tmp_path: Path) -> None:
    done = worker(tmp_path, "--log-level", "info")
    assert "3 attempts ended" in done.stderr
    assert " info all ended attempts=3 " in done.stderr
    assert engine.orders[0].log == logs.Wish("info", "text")
    assert replace(engine.orders[0], log=None).drain


@pytest.mark.parametrize("name", ["run", "worker", "discover"])
def test_each_long_command_has_the_option(name: str) -> None:
    assert "--log-level [debug|info|warning|error]" in " ".join(
        CliRunner().invoke(cli, [name, "--help"]).output.split()
    )


def test_programs_may_listen_by_themselves(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "harness.events"):
        logs.event("info", "claimed", run=1)
    assert [(record.message, vars(record)["fields"]) for record in caplog.records] == [("claimed", {"run": 1})]
