"""The commands around the ledger, as machines and people read them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from ledger_samples import claim, submit

from harness.cli.paced import told_seconds
from harness.cli.profiles import profiles_command
from harness.cli.queue import queue_command
from harness.cli.show import show_command
from harness.core.errors import UserError
from harness.core.profiles import names
from harness.ladder import ladder as ladders
from harness.ledger import Ledger
from harness.ledger.progress import Underway


def run(command, *arguments):
    done = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_what_is_being_trained_is_shown_with_its_time_left(tmp_path):
    with Ledger(tmp_path) as ledger:
        (number,) = submit(ledger)
        held = claim(ledger)
        curve = {"loss": ((10, 0.75), (30, 0.5))}
        ledger.tell(held, Underway("candidate", "reviews", 1, "train", "trains \x1b[31m", 30, 120, 15.0, curve))
        ledger.tell(held, Underway("dpo", "reviews", 2, "prepare", "", 0, 1, 1.0))
    told = CliRunner().invoke(queue_command, ["--folder", str(tmp_path)], env={"COLUMNS": "200"}).stdout
    assert "candidate, seed 1: train (trains" in told
    assert "25%, 45 s left, loss 0.500" in told
    assert "train 25% 45 s left" in told
    assert "dpo, seed 2: prepare" in told
    assert "\x1b" not in told
    shown = run(show_command, number, "--folder", tmp_path)
    assert "now: candidate, seed 1" in shown
    assert "█▁" in shown
    for command, arguments in ((queue_command, ()), (show_command, (number,))):
        document = json.loads(run(command, *arguments, "--json", "--folder", tmp_path))
        candidate, dpo = document["underway"]
        assert (candidate["done"], candidate["left"], candidate["curve"]["loss"]) == (30, 45.0, [[10, 0.75], [30, 0.5]])
        assert dpo["left"] is None


def test_what_a_dead_worker_was_at_is_not_shown_as_under_way(tmp_path):
    with Ledger(tmp_path) as ledger:
        for number, lease in zip(submit(ledger, range(2)), (30.0, 0.0), strict=True):
            held = claim(ledger, f"w{number}", lease=lease, only=number)
            ledger.tell(held, Underway("candidate", "reviews", number, "train", "", 30, 120, 15.0))
    told = CliRunner().invoke(queue_command, ["--folder", str(tmp_path)], env={"COLUMNS": "200"}).stdout
    assert told.count("train 25% 45 s left") == 1
    (lapsed,) = [line for line in told.splitlines() if "lapsed" in line]
    assert "its lease is over" in lapsed
    assert "loss-1" in lapsed
    assert "seed 2" not in told
    document = json.loads(run(queue_command, "--json", "--folder", tmp_path))
    assert {one["name"]: one["lapsed"] for one in document["runs"]} == {"loss-0": False, "loss-1": True}
    assert [one["run"] for one in document["underway"]] == [1]


@pytest.mark.parametrize(("seconds", "told"), [(3.2, "3 s"), (99.0, "99 s"), (150.0, "2 min"), (9000.0, "2.5 h")])
def test_times_are_told_as_people_do(seconds, told):
    assert told_seconds(seconds) == told


def test_profiles_and_ladders_are_listed_together():
    told = run(profiles_command)
    assert "2026.1 " in told
    assert all(name in told for name in ladders.names())
    document = json.loads(run(profiles_command, "--json"))
    assert document["schema"] == "harness.profiles/v1"
    assert [p["name"] for p in document["profiles"]] == list(names())
    assert [ladder["name"] for ladder in document["ladders"]] == list(ladders.names())
    (bandit,) = [ladder for ladder in document["ladders"] if ladder["name"] == "bandit-2026.1"]
    assert [rung["name"] for rung in bandit["rungs"]] == ["screen", "properties", "bandit"]
    assert bandit["rungs"][2]["gate"]["rails"][0] == {"metric": "finite", "least": 1.0, "most": "inf"}


def test_one_of_them_is_shown_by_its_name():
    assert "properties:" in run(profiles_command, "2026.1")
    told = run(profiles_command, "bandit")
    assert "against dpo" in told
    assert "gate:" in told
    with pytest.raises(UserError, match="no profile and no ladder") as error:
        run(profiles_command, "everest")
    assert "bandit-2026.1" in error.value.remedy


def test_the_queue_names_its_schema_and_counts_what_the_limit_leaves_out(tmp_path):
    with Ledger(tmp_path) as ledger:
        submit(ledger, range(5))
        claim(ledger)
    document = json.loads(run(queue_command, "--json", "--limit", 2, "--folder", tmp_path))
    assert document["schema"] == "harness.queue/v1"
    assert document["counts"] == {"queued": 4, "running": 1}
    assert [r["state"] for r in document["runs"]] == ["running", "queued"]
    assert run(queue_command, "--folder", tmp_path).endswith("4 queued, 1 running\n")


def test_the_queue_is_watched_a_document_a_line(tmp_path):
    with Ledger(tmp_path) as ledger:
        submit(ledger)
        words = [sys.executable, "-m", "harness", "queue", "--watch", "--json", "--folder", tmp_path]
        environment = {k: v for k, v in os.environ.items() if k != "HARNESS_DATABASE_URL"}
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, text=True) as watching:
            assert watching.stdout is not None
            assert json.loads(watching.stdout.readline())["counts"] == {"queued": 1}
            claim(ledger)
            while json.loads(watching.stdout.readline())["counts"] != {"running": 1}:
                pass
            watching.kill()


def test_a_run_shows_its_documents_and_gives_out_its_report(tmp_path):
    with Ledger(tmp_path) as ledger:
        submit(ledger)
        held = claim(ledger)
        with pytest.raises(UserError, match="no report yet"):
            run(show_command, 1, "--report", "--folder", tmp_path)
        ledger.attach(held, "zero", "screen.json", b'{"of": "the screen"}\n')
        assert run(show_command, 1, "--report", "--folder", tmp_path) == '{"of": "the screen"}\n'
        ledger.attach(held, "one", "report.json", b'{"a": 1}\n')
    assert run(show_command, 1, "--report", "--folder", tmp_path) == '{"a": 1}\n'
    document = json.loads(run(show_command, 1, "--json", "--folder", tmp_path))
    assert document["schema"] == "harness.run/v1"
    told = [(a["rung"], a["name"], a["size"]) for a in document["attachments"]]
    assert told == [("one", "report.json", 9), ("zero", "screen.json", 21)]


def test_what_a_candidate_is_called_and_why_it_ended_is_shown_as_it_is(tmp_path):
    """Brackets are no markup here, and get no strokes before them either."""
    with Ledger(tmp_path) as ledger:
        submit(ledger)
        ledger.reject(claim(ledger), "it said [bold]boo[/bold]")
    assert "[bold]boo[/bold]" in run(show_command, 1, "--folder", tmp_path)
