"""The leaderboard: runs beside their baseline, each ladder by itself, whatever it is called."""

from __future__ import annotations

import importlib.resources
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from ledger_samples import claim

from harness.api import submit, text_candidate
from harness.cli.leaderboard import leaderboard_command
from harness.cli.queue import queue_command
from harness.cli.show import show_command
from harness.core.errors import UserError
from harness.ladder.board import board
from harness.ladder.evaluations import MEASURED
from harness.ladder.gate import interval
from harness.ladder.ladder import called, load, named
from harness.ladder.rung_records import BASELINE
from harness.ledger import Ledger
from harness.ledger.records import Decision, Score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import click

BANDIT = importlib.resources.files("harness.ladder.profiles").joinpath("bandit-2026.2.toml").read_text("utf-8")
DPO = (0.60, 0.66, 0.63, 0.65)


def mine(folder: Path, steps: int) -> str:
    path = folder / f"mine-{steps}.toml"
    path.write_text(
        BANDIT.replace('name = "bandit-2026.2"', 'name = "mine"').replace("steps = 150", f"steps = {steps}")
    )
    return str(path)


def measured(
    ledger: Ledger,
    profile: str,
    name: str,
    scores: Sequence[float],
    baseline: Sequence[float] | None = DPO,
    by: Mapping[str, str] | None = None,
) -> int:
    """A run that came to the end of its ladder; its baseline is not kept where there is None."""
    text = f"def {name}(pc, pr, rc, rr, beta):\n    return pc\n"
    number = submit([text_candidate(text, f"{name}.py")], ledger=ledger, profile=profile)[0].run
    held, plans = claim(ledger, only=number), load(profile).rungs
    for place, plan in enumerate(plans):
        if plan.gate is not None and by is not None:
            ledger.note(held, MEASURED, {"rung": plan.name, "attempt": held.attempt, **by})
        own = {s: {"score": value, "finite": 1.0, "kl": 1.0} for s, value in enumerate(scores)} if plan.gate else {}
        base = {s: {"score": value, "finite": 1.0, "kl": 2.0} for s, value in enumerate(baseline or DPO)}
        decision = Decision("promote", "accepted")
        if plan.gate is not None:
            decision = plan.gate.decide(own, base) or decision
        for seed, metrics in own.items() if baseline is not None else ():
            data = json.dumps(base[seed]).encode()
            assert metrics
            ledger.attach(held, plan.name, BASELINE.format(seed), data)
        ledger.checkpoint(
            held,
            rung=plan.name,
            scores=[Score(seed, metric, value) for seed, each in own.items() for metric, value in each.items()],
            decision=decision,
            evaluation=plan.name * 8,
            next_needs="cpu" if place + 1 < len(plans) else None,
        )
    return number


def told(command: click.Command, folder: Path, *words: object, columns: int = 220) -> str:
    done = CliRunner().invoke(command, [*map(str, words), "--folder", str(folder)], env={"COLUMNS": str(columns)})
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("│")]


def test_what_computes_intervals_is_loaded_while_the_database_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()
    scores = Ledger.ladder_scores

    def computes(*given: Any) -> tuple[float, float]:
        found = interval(*given)
        loaded.set()
        return found

    def waits(self: Ledger, *given: Any) -> Any:
        assert loaded.wait(60), "nobody loads it meanwhile"
        return scores(self, *given)

    monkeypatch.setattr("harness.ladder.board.interval", computes)
    monkeypatch.setattr(Ledger, "ladder_scores", waits)
    with Ledger(tmp_path) as ledger:
        run = measured(ledger, "bandit", "first", (0.7, 0.72, 0.71, 0.73))
        (row,) = board(ledger, load("bandit")).rows
    assert row.run.id == run
    assert loaded.is_set()


def test_the_baseline_has_its_row_and_each_run_its_paired_difference(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        measured(ledger, "bandit", "worse", [value - 0.1 for value in DPO])
        measured(ledger, "bandit", "better", [value + 0.02 * (1 + s % 2) for s, value in enumerate(DPO)])
        ladder = load("bandit")
        gate = ladder.rungs[-1].gate
        assert gate is not None
        found = board(ledger, ladder)
        (better, worse), (dpo,) = found.rows, found.baselines
        assert (better.run.name, worse.run.name, dpo.name) == ("better", "worse", "dpo")
        assert dpo.mean == pytest.approx(0.635)
        assert better.mean > dpo.mean > worse.mean
        assert better.difference is not None
        assert better.difference.mean == pytest.approx(0.03)
        decision = dict(ledger.decisions(better.run.id))["bandit"]
        assert (better.difference.low, better.difference.high) == (decision.detail["low"], decision.detail["high"])
        assert better.high - better.low > better.difference.high - better.difference.low > 0.0, "seeds cancel out"
    shown = told(leaderboard_command, tmp_path)
    assert [next(n for n in ("better", "dpo", "worse") if n in row) for row in rows(shown)] == [
        "better",
        "dpo",
        "worse",
    ]
    assert "+0.030" in rows(shown)[0]
    assert "-0.100" in rows(shown)[2]
    assert "less dpo on the same seeds, 95 % interval, right at all 3 looks" in shown
    document = json.loads(told(leaderboard_command, tmp_path, "--json"))
    assert [row["name"] for row in document["rows"]] == ["better", "worse"]
    assert document["rows"][0]["paired"]["difference"] == pytest.approx(0.03)
    assert (document["rows"][0]["against"], document["rows"][0]["paired"]["looks"]) == ("dpo", 3)
    assert document["baselines"] == [
        {"name": "dpo", "rung": "bandit", "metric": "score", "mean": dpo.mean, "low": dpo.low, "high": dpo.high,
         "seeds": 4, "settled": True}
    ]  # fmt: skip


def test_a_run_whose_baseline_was_not_kept_shows_what_its_gate_wrote_down(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        measured(ledger, "bandit", "old", [value + 0.01 for value in DPO], baseline=None)
        found = board(ledger, load("bandit"))
        (row,) = found.rows
        assert row.difference is not None
        assert row.difference.mean == pytest.approx(0.01)
        assert found.baselines == ()


def test_a_baseline_that_was_not_the_same_for_all_is_told(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        measured(ledger, "bandit", "first", DPO)
        measured(ledger, "bandit", "second", DPO, [value - 0.1 for value in DPO])
        found = board(ledger, load("bandit"))
        rows_, (dpo,) = found.rows, found.baselines
        assert not dpo.settled
        assert dpo.mean == pytest.approx(0.535)
        gaps = {row.run.name: row.difference.mean for row in rows_ if row.difference is not None}
        assert gaps == {"first": 0.0, "second": pytest.approx(0.1)}
    assert "dpo was not the same in all runs" in told(leaderboard_command, tmp_path)


def test_show_has_the_interval_of_the_sentence_in_its_table(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        number = measured(ledger, "bandit", "one", [value - s * 0.01 for s, value in enumerate(DPO)])
        detail: Mapping[str, object] = dict(ledger.decisions(number))["bandit"].detail
    shown = told(show_command, tmp_path, number)
    assert "95 % interval, right at all 3 looks" in shown
    assert f"{detail['low']:+.3f} to {detail['high']:+.3f}" in shown
    document = json.loads(told(show_command, tmp_path, number, "--json"))
    found = document["differences"]["bandit"]
    assert {k: found["metrics"]["score"][k] for k in ("difference", "low", "high", "seeds")} == {
        k: detail[k] for k in ("difference", "low", "high", "seeds")
    }
    assert (found["metrics"]["kl"]["candidate"], found["metrics"]["kl"]["baseline"]) == (1.0, 2.0)


def test_two_ladders_of_one_name_are_told_apart_everywhere_and_never_ranked_together(tmp_path: Path) -> None:
    first, second = mine(tmp_path, 60), mine(tmp_path, 61)
    names = [called("mine", load(path).digest) for path in (first, second)]
    assert names[0] != names[1]
    assert all(name.startswith("mine@") for name in names)
    with Ledger(tmp_path) as ledger:
        run = measured(ledger, first, "one", DPO)
        measured(ledger, second, "two", DPO)
        assert {named(ledger, name).digest for name in names} == {load(first).digest, load(second).digest}
        assert named(ledger, first).digest == load(first).digest
        with pytest.raises(UserError, match="2 ladders are called 'mine'") as error:
            named(ledger, "mine")
        assert all(name in error.value.remedy for name in names)
        for unknown in ("mine@00000000", "mine-2", "bandit@0"):
            with pytest.raises(UserError):
                named(ledger, unknown)
    queue = told(queue_command, tmp_path, "--all")
    assert all(name in queue for name in names)
    assert [one["ladder"] for one in json.loads(told(queue_command, tmp_path, "--all", "--json"))["runs"]] == names
    assert names[0] in told(show_command, tmp_path, run)
    board = told(leaderboard_command, tmp_path, "--profile", names[0])
    assert [row for row in rows(board) if "two" in row] == []
    assert len([row for row in rows(board) if "one" in row]) == 1
    assert f"not among these: runs of {names[1]}" in board
    assert json.loads(told(leaderboard_command, tmp_path, "--profile", names[1], "--json"))["ladder"] == names[1]


def test_a_ladder_of_the_package_needs_no_digest(tmp_path: Path) -> None:
    assert called("bandit-2026.1", load("bandit-2026.1").digest) == "bandit-2026.1"
    assert called("bandit-2026.1", "d" * 64) == "bandit-2026.1@dddddddd", "another version's"
    with Ledger(tmp_path) as ledger:
        assert named(ledger, "bandit") == load("bandit")
        path = mine(tmp_path, 60)
        measured(ledger, path, "one", DPO)
        assert named(ledger, "mine").digest == load(path).digest


@pytest.mark.parametrize("columns", [220, 100, 80, 40])
def test_a_number_is_never_cut(tmp_path: Path, columns: int) -> None:
    with Ledger(tmp_path) as ledger:
        measured(ledger, "bandit", "a_loss_with_a_long_name", [value - s * 0.01 for s, value in enumerate(DPO)])
        found = board(ledger, load("bandit"))
        (row,), (dpo,) = found.rows, found.baselines
    shown = told(leaderboard_command, tmp_path, columns=columns)
    gap = row.difference
    assert gap is not None
    numbers = [f"{one.mean:.3f}" for one in (row, dpo)] + [f"{one.low:.3f} to {one.high:.3f}" for one in (row, dpo)]
    for number in (*numbers, f"{gap.mean:+.3f}", f"{gap.low:+.3f} to {gap.high:+.3f}"):
        assert f" {number} " in shown, number
    assert "…" not in shown
    if columns >= 80:
        assert max(map(len, shown.splitlines())) <= columns


def test_runs_that_other_code_measured_than_the_newest_are_marked(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        measured(ledger, "bandit", "first", DPO, by={"evaluation": "a" * 64})
        measured(ledger, "bandit", "unknown", [value - 0.1 for value in DPO])
        assert not any(row.outdated for row in board(ledger, load("bandit")).rows)
        assert "other code" not in told(leaderboard_command, tmp_path)
        # Values that were tuned are no other code.
        measured(ledger, "bandit", "tuned", [v - 0.2 for v in DPO], by={"evaluation": "c" * 64, "untuned": "b" * 64})
        measured(ledger, "bandit", "newest", [v - 0.3 for v in DPO], by={"evaluation": "b" * 64, "untuned": "b" * 64})
        marks = {row.run.name: row.outdated for row in board(ledger, load("bandit")).rows}
    assert marks == {"first": True, "unknown": False, "tuned": False, "newest": False}
    shown = told(leaderboard_command, tmp_path)
    assert [row.split()[1] for row in rows(shown) if "baseline" not in row] == ["1*", "2", "3", "4"]
    assert "* measured by other code, or in another image, than the run that was measured last" in shown
    document = json.loads(told(leaderboard_command, tmp_path, "--json"))
    assert [row["outdated"] for row in document["rows"]] == [True, False, False, False]
