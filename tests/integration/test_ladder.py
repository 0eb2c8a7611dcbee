"""The ladder for real: sandboxes, gates, the ledger, a worker that is killed, and the commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import ROOT, harness_command

from harness import Ledger, submit, text_candidate
from harness.core.errors import UserError
from harness.ledger.records import State
from harness.workers.local import local_places

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.container, pytest.mark.rest]

LOSSES = ROOT / "harness" / "losses"
SIGNATURE = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
RHO = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"
INVERTED = f"import torch.nn.functional as F\n\ndef loss({SIGNATURE}):\n    return -F.logsigmoid(-beta * ({RHO}))\n"


def command(folder: Path, *arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CI": "true"}
    environment.pop("HARNESS_DATABASE_URL", None)
    words = [*harness_command(*arguments), "--folder", str(folder)]
    return subprocess.run(words, capture_output=True, text=True, env=environment, cwd=ROOT, check=False, **more)


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in which a worker has drained a queue of good and bad candidates."""
    folder = tmp_path_factory.mktemp("ladder") / "harness"
    bad = folder.parent / "inverted.py"
    bad.write_text(INVERTED, encoding="utf-8")
    paths = [LOSSES / "dpo.py", LOSSES / "slic.py", LOSSES / "ipo.py", ROOT / "examples" / "dpo.py", bad]
    done = command(folder, "submit", *paths)
    assert done.returncode == 0, done.stderr
    assert "queued: 5" in done.stdout
    done = command(folder, "worker", "--drain", timeout=900)
    assert done.returncode == 0, done.stderr
    assert "5 attempts ended" in done.stderr
    return folder


def by_name(folder: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    with Ledger(folder) as ledger:
        for run in ledger.runs():
            found.setdefault(Path(run.path).name, []).append(run)
    return found


def test_every_run_ends_where_it_belongs_and_says_why(climbed: Path) -> None:
    runs = by_name(climbed)
    assert [r.state for r in runs["slic.py"] + runs["ipo.py"]] == [State.COMPLETED] * 2
    assert sorted(r.state for r in runs["dpo.py"]) == [State.COMPLETED, State.DUPLICATE]
    (same,) = [r for r in runs["dpo.py"] if r.state is State.DUPLICATE]
    assert f"run {same.same_as}" in same.reason
    (bad,) = runs["inverted.py"]
    assert bad.state is State.REJECTED
    assert "P308" in bad.reason


def test_the_cores_of_a_host_are_shared_by_as_many_runs_as_keep_them_busy(climbed: Path) -> None:
    with Ledger(climbed) as ledger:
        claims = [e.detail["slot"] for run in ledger.runs() for e in ledger.events(run.id) if e.kind == "claimed"]
    assert len(set(claims)) >= min(2, len(local_places()))
    assert set(claims) <= {place.name for place in local_places()}


def test_promotions_are_one_for_each_rung_and_candidate(climbed: Path) -> None:
    with Ledger(climbed) as ledger:
        promotions = ledger.promotions()
        assert len({(p["candidate"], p["evaluation"]) for p in promotions}) == len(promotions)
        (bad,) = by_name(climbed)["inverted.py"]
        assert [p["rung"] for p in promotions if p["run"] == bad.id] == ["screen"]
        for run in ledger.runs(states=(State.COMPLETED,)):
            assert [p["rung"] for p in ledger.promotions(run.id)] == ["screen", "properties", "bandit"]


def test_the_leaderboard_ranks_by_the_rung_that_trains(climbed: Path) -> None:
    done = command(climbed, "leaderboard", "--json")
    rows = json.loads(done.stdout)["rows"]
    assert [row["name"] for row in rows][-1] == "ipo"
    assert all(row["low"] < row["mean"] < row["high"] and row["seeds"] >= 2 for row in rows)
    assert "slic" in command(climbed, "leaderboard").stdout


def test_what_the_queue_and_a_run_show(climbed: Path) -> None:
    document = json.loads(command(climbed, "queue", "--all", "--json").stdout)
    assert document["counts"] == {"completed": 3, "duplicate": 1, "rejected": 1}
    assert len(document["runs"]) == 5
    assert "completed" in command(climbed, "queue").stdout
    (ipo,) = by_name(climbed)["ipo.py"]
    shown = json.loads(command(climbed, "show", ipo.id, "--json").stdout)
    assert {s["metric"] for s in shown["scores"]["bandit"]} >= {"score", "kl", "finite"}
    assert [d["decision"] for d in shown["decisions"]] == ["promote"] * 3
    assert "bandit" in command(climbed, "show", ipo.id).stdout
    text = command(climbed, "show", ipo.id, "--text").stdout
    assert text.rstrip("\n") == (LOSSES / "ipo.py").read_text("utf-8").rstrip("\n")


def test_a_run_that_is_there_is_answered_from_the_ledger(climbed: Path) -> None:
    done = command(climbed, "run", LOSSES / "slic.py")
    assert done.returncode == 0
    assert "completed" in done.stderr
    assert json.loads(command(climbed, "queue", "--all", "--json").stdout)["counts"]["completed"] == 3


def test_killed_it_is_taken_over_at_once_by_the_same_command_and_waited_for_by_another(tmp_path: Path) -> None:
    """Of two who take over at the same moment one climbs, and the other waits for its end."""
    folder, loss = tmp_path / "harness", LOSSES / "slic.py"
    words = [*harness_command("run", loss), "--folder", str(folder)]
    environment = {k: v for k, v in os.environ.items() if k != "HARNESS_DATABASE_URL"}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)

    with start() as first:
        end = time.monotonic() + 600.0
        while not (folder / "ledger.db").exists() or not Ledger(folder).runs(states=(State.RUNNING,)):
            assert time.monotonic() < end
            time.sleep(0.1)
        first.kill()
    with start() as second, start() as third:
        told = [one.communicate(timeout=900)[1] for one in (second, third)]
        assert [one.returncode for one in (second, third)] == [0, 0], told
    assert all("completed" in one for one in told), told
    assert sum("is at it, whose lease ends in" in one for one in told) == 1, told
    with Ledger(folder) as ledger:
        (run,) = ledger.runs()
        assert run.attempt == 2
        (died,) = [e for e in ledger.events(run.id) if e.kind == "queued-again"]
        assert died.detail["wait"] == 0.0
        assert " died in attempt 1" in str(died.detail["reason"])


def test_one_candidate_climbs_here_and_now(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(INVERTED, encoding="utf-8")
    done = command(tmp_path / "harness", "run", bad, timeout=900)
    assert done.returncode == 1, done.stderr
    assert "P308" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "7"], "no run 7"),
        (["submit", "/nowhere.py"], "nowhere"),
        (["submit", ROOT / "examples" / "dpo.py", "--profile", "everest"], "no ladder"),
        (["cancel", "7"], "no run 7"),
        (["leaderboard", "--profile", "everest"], "no ladder"),
    ],
)
def test_mistakes_of_the_user(tmp_path: Path, arguments: list[object], words: str) -> None:
    if arguments[0] != "submit":
        assert "there is no ledger" in command(tmp_path, *arguments).stderr
        assert command(tmp_path, "submit", LOSSES / "dpo.py").returncode == 0
    done = command(tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_people_decide(tmp_path: Path) -> None:
    assert command(tmp_path, "submit", LOSSES / "dpo.py").returncode == 0
    assert "cancelled" in command(tmp_path, "cancel", "1", "--reason", "not today").stdout
    assert command(tmp_path, "approve", "1").returncode == 2
    assert "queued" in command(tmp_path, "retry", "1").stdout
    events = json.loads(command(tmp_path, "show", "1", "--json").stdout)["events"]
    assert [e["kind"] for e in events] == ["submitted", "cancelled", "retried"]


def test_the_interface_for_programs(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        (first,) = submit([text_candidate(INVERTED, "mine.py")], ledger=ledger, priority=3)
        (again,) = submit([text_candidate(INVERTED, "mine.py")], ledger=ledger)
        assert (first.run, first.fresh, again.run, again.fresh) == (first.run, True, first.run, False)
        assert ledger.text(ledger.run(first.run)).decode() == INVERTED
        with pytest.raises(UserError):
            submit([tmp_path / "nothing.py"], ledger=ledger)
        with pytest.raises(UserError):
            submit([], ledger=ledger)


def until(condition: Callable[[], bool], seconds: float = 200.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.whole
def test_a_worker_that_is_killed_is_followed_by_one_that_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "harness"
    assert command(folder, "submit", LOSSES / "ipo.py").returncode == 0
    words = [*harness_command("worker", "--slots", "1"), "--folder", str(folder)]
    worker = subprocess.Popen(words, cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL)
    with Ledger(folder) as ledger:
        try:
            until(lambda: bool(ledger.scores(1).get("bandit")))
        finally:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        before = ledger.scores(1)["bandit"]
        done = command(folder, "worker", "--drain", "--slots", "1", timeout=900)
        assert done.returncode == 0, done.stderr
        run = ledger.run(1)
        assert (run.state, run.attempt) == (State.COMPLETED, 2)
        after = ledger.scores(1)["bandit"]
        assert after[: len(before)] == before
        assert [rung for rung, _ in ledger.decisions(1)] == ["screen", "properties", "bandit"]
        kinds = [e.kind for e in ledger.events(1)]
        assert kinds.count("claimed") == 2
        assert "queued-again" in kinds
        assert len(ledger.promotions(1)) == 3
