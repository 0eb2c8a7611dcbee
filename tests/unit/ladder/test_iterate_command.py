"""`harness iterate`: which rung, which losses, by round and seed; kept, gone on with, drawn; and who is at fault."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from harness.cli.iterate import iterate_command
from harness.core.errors import CandidateFault, HarnessError, InfrastructureError, StoppedError, UserError
from harness.core.verdict import Accepted, Rejected
from harness.ladder import iterating
from harness.ladder.iterating import Outcome, planned
from harness.ladder.ladder import load
from harness.plots import picture_rounds
from harness.protocol.rules import WRONG_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FAULT = WRONG_OUTPUT.finding("it returned a word")


class Trainings:
    """Gives each loss and seed made-up metrics; `calls` are (loss's digest, seed)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.code = "code"
        self.fault: Callable[[str, int], Exception | None] = lambda _, __: None
        self.stopping: Callable[[], bool] = lambda: False

    def identity(self, _: object) -> str:
        return self.code

    def measure(self, _: object, plan: Any, seed: int, name: str, *, say: object) -> dict[str, float]:
        del say
        self.calls.append((name.partition("/")[0], seed))
        if (fault := self.fault(name, seed)) is not None:
            raise fault
        rounds, own = dict(plan.settings)["rounds"], len(set(name))
        told = {f"length@{n}": 20.0 + n * (own + seed) for n in range(rounds + 1)}
        told |= {f"reward@{n}": 0.5 + 0.1 * n for n in range(rounds + 1)}
        return told | {"length": told[f"length@{rounds}"], "kl@1": math.inf, "seconds_per_step": 1.0}


class Checker:
    """Accepts what is not called bad."""

    def __init__(self) -> None:
        self.environment, self.recipe = {"image_digest": "i"}, SimpleNamespace(gpu=None)

    @contextlib.contextmanager
    def connected(self) -> Any:
        yield self

    def screen(self, loss: Any) -> Any:
        return SimpleNamespace(fault=None, sha256=loss.sha256)

    def check(self, loss: Any) -> Any:
        bad = loss.path.endswith("/bad.py")
        return SimpleNamespace(verdict=Rejected((FAULT,)) if bad else Accepted(()))


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    made = Trainings()

    def of(_: object, __: object, ___: object, stopping: Callable[[], bool]) -> Trainings:
        made.stopping = stopping
        return made

    monkeypatch.setattr(iterating, "trainings_of", of)
    monkeypatch.setattr("harness.checks.checker.Checker.open", lambda _: contextlib.nullcontext(Checker()))
    monkeypatch.setattr("harness.ladder.needs.meet", lambda *_, **__: None)
    return made


def run(folder: Path, *words: str, losses: tuple[str, ...] = ("mine",)) -> Result:
    for name in losses:
        (folder / f"{name}.py").write_text(f"# {name}\n")
    every = [*(str(folder / f"{name}.py") for name in losses), "--folder", str(folder / "project"), *words]
    done = CliRunner().invoke(iterate_command, every)
    if isinstance(done.exception, HarnessError):
        raise done.exception
    return done


def test_every_seed_of_every_loss_beside_the_baseline(trainings: Trainings, tmp_path: Path) -> None:
    done = run(tmp_path, "--seeds", "2", "--rounds", "2", "--json", losses=("mine", "other"))
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["ladder"] == load("iterate").name
    assert told["settings"]["rounds"] == 2
    assert list(told["losses"]) == ["dpo (baseline)", "mine", "other"]
    assert len(trainings.calls) == 6
    mine, base = told["losses"]["mine"], told["losses"]["dpo (baseline)"]
    lengths = [mine["seeds"][seed]["length@2"] for seed in ("0", "1")]
    assert mine["rounds"][2]["length"]["mean"] == pytest.approx(sum(lengths) / 2)
    assert mine["rounds"][2]["length"]["low"] < min(lengths)
    less = [a - base["seeds"][seed]["length@2"] for a, seed in zip(lengths, ("0", "1"), strict=True)]
    assert mine["less_baseline"][2]["length"]["mean"] == pytest.approx(sum(less) / 2)
    assert mine["rounds"][0]["agreement"] is None, "nobody ranks before the first round"
    assert not any(name.startswith("seconds") for name in mine["seeds"]["0"])


def test_what_is_done_is_kept_and_what_other_code_did_is_not(trainings: Trainings, tmp_path: Path) -> None:
    trainings.fault = lambda _, seed: StoppedError() if seed == 2 else None
    assert run(tmp_path, "--jobs", "1").exit_code == 1
    assert [seed for _, seed in trainings.calls] == [0, 1, 2]
    trainings.fault = lambda _, __: None
    trainings.calls.clear()
    first = run(tmp_path, "--json").stdout
    assert sorted(seed for _, seed in trainings.calls) == [0, 1, 2, 2], "two of the baseline's were there"
    trainings.calls.clear()
    assert run(tmp_path, "--json").stdout == first
    assert trainings.calls == []
    for file in (tmp_path / "project" / "iterate").iterdir():
        file.write_text("{")
    run(tmp_path)
    assert len(trainings.calls) == 6, "what is damaged is measured again"
    trainings.code = "other"
    run(tmp_path)
    assert len(trainings.calls) == 12


def test_a_fault_of_a_loss_ends_its_own_seeds(trainings: Trainings, tmp_path: Path) -> None:
    digests = {name: iterating_digest(name) for name in ("mine", "other")}
    trainings.fault = lambda name, seed: (
        CandidateFault(FAULT) if seed == 1 and name.startswith(digests["mine"]) else None
    )
    done = run(tmp_path, "--json", losses=("mine", "other"))
    told = json.loads(done.stdout)["losses"]
    assert done.exit_code == 1
    assert "it returned a word" in told["mine"]["fault"]
    assert (list(told["mine"]["seeds"]), list(told["other"]["seeds"])) == (["0"], ["0", "1", "2"])
    assert "it returned a word" in run(tmp_path, losses=("mine", "other")).stdout


def iterating_digest(name: str) -> str:
    return hashlib.sha256(f"# {name}\n".encode()).hexdigest()


def test_a_rejected_loss_is_not_trained(trainings: Trainings, tmp_path: Path) -> None:
    done = run(tmp_path, "--json", losses=("bad", "mine"))
    assert done.exit_code == 1
    assert "bad: rejected" in done.stderr
    assert "bad" not in json.loads(done.stdout)["losses"]
    assert len(trainings.calls) == 6


@pytest.mark.parametrize(("error", "code"), [(UserError, 2), (InfrastructureError, 3)])
def test_bad_data_and_faults_of_ours_end_it_at_once(
    trainings: Trainings, tmp_path: Path, error: type[HarnessError], code: int
) -> None:
    """The other loss is told to stop; nothing is taken for a result."""
    heard = threading.Event()

    def fault(name: str, _: int) -> Exception | None:
        if name.startswith(iterating_digest("mine")):
            return error("the ranker ties", remedy="lower tie")
        while not trainings.stopping():
            heard.wait(0.01)
        return StoppedError()

    trainings.fault = fault
    with pytest.raises(error, match="the ranker ties") as told:
        run(tmp_path, "--jobs", "2")
    assert told.value.exit_code == code
    assert not (tmp_path / "project" / "iterate").exists()


def test_the_rung_is_the_one_that_trains_in_rounds() -> None:
    ladder, plan = planned(load("iterate"), None)
    assert plan == load("iterate").rungs[-1]
    assert ladder == load("iterate")
    assert dict(planned(load("iterate"), 5)[1].settings)["rounds"] == 5
    with pytest.raises(UserError, match="0 rungs that train in rounds"):
        planned(load("reviews"), None)


def test_a_table_by_round_for_people(trainings: Trainings, tmp_path: Path) -> None:
    del trainings
    shown = run(tmp_path, "--rounds", "1").stdout
    assert "means over 3 seeds" in shown
    assert "less dpo (baseline)'s" in shown
    assert all(f"│ {name} " in shown for name in iterating.SHOWN if name in {"reward", "length"})


def test_a_difference_is_taken_seed_by_seed() -> None:
    one = Outcome("one", "", {0: {"length@1": 10.0}, 1: {"length@1": 20.0}, 2: {"length@1": 1.0}})
    other = Outcome("other", "", {0: {"length@1": 9.0}, 1: {"length@1": 19.0}})
    assert one.less(other, "length", 1) == (1.0, 1.0, 1.0)
    assert one.at("length", 2) is None
    assert one.rounds == 1


def test_a_picture_has_a_line_and_intervals_for_each_loss(trainings: Trainings, tmp_path: Path) -> None:
    del trainings
    panels = {
        "length": {"dpo": [(0, 20.0, 19.0, 21.0), (1, 30.0, 28.0, 32.0)], "aipo": [(0, 20.0, -math.inf, math.inf)]}
    }
    panel: Any
    (panel,) = picture_rounds.figure(panels).axes
    _, labels = panel.get_legend_handles_labels()
    assert labels == ["dpo", "aipo"]
    assert panel.containers[0].has_yerr
    assert [tuple(map(tuple, line)) for line in panel.containers[0].lines[2][0].get_segments()][1][1][1] == 32.0
    done = run(tmp_path, "--plots", str(tmp_path / "plots"))
    assert {path.suffix for path in (tmp_path / "plots").iterdir()} == {".svg", ".png"}
    assert "drew" in done.stderr
