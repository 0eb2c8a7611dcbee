"""The discovery loop for real: the recording that ships, containers, a kill in the middle, and the commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from support import ROOT, harness_command

from harness import Ledger
from harness.ledger.records import State

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.container, pytest.mark.rest]

RECORDING = ROOT / "examples" / "discovery" / "replies.jsonl"
ENVIRONMENT = {**{k: v for k, v in os.environ.items() if k != "HARNESS_DATABASE_URL"}, "CI": "true"}
#: As `make discover` has it, but for the fresh seeds at the end.
SHORT = ("--confirm", "4", "--generations", "7")
BURN_IN = ("dpo", "slic", "ipo", "kto_pair")


def command(folder: Path, *words: object) -> list[str]:
    return [*harness_command(*words), "--folder", str(folder)]


def run(folder: Path, *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(folder, *words), capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT, check=False, timeout=900
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def entries(folder: Path) -> list[dict[str, Any]]:
    journal = folder / "discover" / "run-1" / "journal.jsonl"
    lines = journal.read_text("utf-8").splitlines(keepends=True) if journal.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def climbs(folder: Path) -> bool:
    """Whether the first candidate that passes its check is on the ladder at this moment."""
    if sum(entry["kind"] == "reply" for entry in entries(folder)) < 4:
        return False
    with Ledger(folder) as ledger:
        return bool(ledger.runs(states=(State.RUNNING,)))


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The recording, killed in the middle of a climb and resumed; the folder and the summary."""
    folder = tmp_path_factory.mktemp("discover") / "harness"
    first = subprocess.Popen(
        command(folder, "discover", "--proposer", f"replay:{RECORDING}", *SHORT),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd=ROOT,
        start_new_session=True,
    )
    until = time.monotonic() + 600
    while time.monotonic() < until and not climbs(folder):
        assert first.poll() is None, "it ended before it could be killed"
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    cut = entries(folder)
    assert not any(entry["kind"] == "end" for entry in cut)
    done = run(folder, "discover", "--resume", "run-1", "--json")
    assert entries(folder)[: len(cut)] == cut, "what was written is never written anew"
    return folder, json.loads(done.stdout)


@pytest.mark.whole
def test_the_recording_ends_above_dpo_with_every_step_told(replayed: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = replayed
    assert summary["ended"] == "7 generations"
    assert summary["gain"]["low"] > 0
    assert summary["gain"]["seeds"] == summary["best_baseline"]["seeds"] == 4
    assert summary["best_baseline"]["name"] == "dpo"
    assert summary["replay"] == {"compared": 18, "same": 18}, "the recording is of other scores: see its README"
    assert summary["replies"] == {
        "code-in-prose": 1,
        "cut": 1,
        "empty": 1,
        "hostile": 1,
        "json": 9,
        "no-code": 1,
        "not-json": 1,
        "refusal": 1,
        "two-candidates": 1,
        "wrong-keys": 1,
    }
    assert summary["ended_at"] == {
        "bandit": 1,
        "known": 1,
        "measured": 6,
        "properties": 2,
        "reading": 7,
        "screen": 1,
    }
    assert set(summary["seconds"]) >= {"start", "screen", "properties", "bandit"}
    place = folder / "discover" / "run-1"
    assert summary["best"]["name"] in (place / "best.py").read_text("utf-8")
    assert (place / "progress.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.whole
def test_a_kill_costs_no_reply_and_no_run(replayed: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = replayed
    kinds = [entry["kind"] for entry in entries(folder)]
    assert kinds.count("reply") == kinds.count("judged") == summary["proposals"] == 18
    digests = [entry["digest"] for entry in entries(folder) if entry["kind"] == "ask"]
    assert len(digests) == len(set(digests)) == 18
    with Ledger(folder) as ledger:
        runs = ledger.runs()
        assert len({run.candidate for run in runs}) == len(runs) == len(BURN_IN) + 10, (
            "rejected and known ones have a run too"
        )
        promotions = [(p["candidate"], p["evaluation"]) for p in ledger.promotions()]
        assert len(set(promotions)) == len(promotions)


@pytest.mark.whole
def test_findings_reached_the_proposer(replayed: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = replayed
    told = {entry["name"]: entry for entry in entries(folder) if entry["kind"] == "judged" and entry["rules"]}
    assert {"S112", "P302", "P308"} <= {rule for entry in told.values() for rule in entry["rules"]}
    assert all(rule in entry["answer"] for entry in told.values() for rule in entry["rules"][:1])


@pytest.mark.whole
def test_lineage_shows_parents_and_the_ledger_answers_what_is_known(replayed: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = replayed
    shown = run(folder, "lineage", "run-1", "--plots", folder / "plots").stdout
    lines = {line.split("── ")[-1].split(" ")[0]: line for line in shown.splitlines() if "── " in line}
    assert set(lines) == {*BURN_IN, "hard_pairs", "wide_margin", "leaky", "slow_fade", "one_scale", "root_scale"}
    assert lines["root_scale"].index("root") > lines["slow_fade"].index("slow") > lines["dpo"].index("dpo")
    assert (folder / "plots" / "progress.svg").is_file()
    rows = json.loads(run(folder, "lineage", "run-1", "--json").stdout)["rows"]
    assert len(rows) == len(BURN_IN) + 18
    # The journal of a run is a recording: the same replies once more, and not one of their functions is trained again.
    journal = folder / "discover" / "run-1" / "journal.jsonl"
    again = run(folder, "discover", "--proposer", f"replay:{journal}", "--confirm", "0", "--generations", "1", "--json")
    second = json.loads(again.stdout)
    assert second["replay"] == {"compared": 4, "same": 4}
    assert second["answered_by_the_ledger"] == 2, "one of them by its findings"
    with Ledger(folder) as ledger:
        assert len(ledger.runs()) == len(BURN_IN) + 10


def test_commands_that_make_no_sense_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "harness"
    for words, told in (
        ((), "--proposer"),
        (("--proposer", "nobody"), "no proposer"),
        (("--proposer", "replay:/nowhere"), "cannot be read"),
        (("--proposer", "replay:x", "--budget-dollars", "1"), "price"),
        (("--proposer", f"replay:{RECORDING}", "--burn-in", "nothing"), "no baseline"),
        (("--proposer", f"replay:{RECORDING}", "--profile", "nothing"), "no ladder"),
        (("--resume", "run-9"), "no run"),
    ):
        assert told in run(folder, "discover", *words, code=2).stderr
    assert not (folder / "discover").exists()
