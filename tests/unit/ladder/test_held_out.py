"""A held-out rung comes last, has seeds of its own, and is there for nobody who searches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import MagicMock

import pytest
from click.testing import CliRunner
from held_out import BANDIT, RUNG, text, written

from harness.cli.profiles import profiles_command
from harness.core.errors import InfrastructureError, StoppedError, UserError
from harness.discover import confirmation
from harness.ladder import climb, tuning
from harness.ladder.checks import mistakes
from harness.ladder.ladder import load, names, parse
from harness.ladder.measuring import Measured
from harness.ladder.plan import HELD_OUT_FIRST
from harness.ladder.rungs import evaluation_digest
from harness.ladder.worker import WorkerConfig, _came_to
from harness.ledger.records import Decision, State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.ladder.plan import Ladder, RungPlan


def ladder(more: str = RUNG) -> Ladder:
    return parse(text(more).encode())


def test_a_ladder_with_one_is_a_ladder() -> None:
    made = ladder()
    assert not list(mistakes(made))
    assert [plan.held_out for plan in made.rungs] == [False, False, False, True]
    assert [plan.name for plan in made.searched.rungs] == ["screen", "properties", "bandit"]
    assert made.searched.digest == made.digest


NOT_HELD = RUNG.replace('name = "larger"', 'name = "last"').replace("held_out = true\n", "")
TWICE = RUNG.replace('name = "larger"', 'name = "twice"')


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (text(RUNG + NOT_HELD), "the rung larger is held out, and last above it is not"),
        (text(RUNG + TWICE), "the held-out rungs larger and twice train the same on the same seeds"),
        (text("").replace('baseline = "dpo"', 'baseline = "dpo"\nheld_out = true'), "no other rung trains"),
        (
            text().replace('kind = "properties"', 'kind = "properties"\nheld_out = true'),
            "the rung properties has no seeds that could be held out",
        ),
        (text(RUNG.replace("looks = [2, 4]", "looks = [2, 20000]")), "a look after 20000 seeds"),
    ],
    ids=["not the last", "twice the same", "nothing else trains", "nothing to hold out", "too many seeds"],
)
def test_one_that_could_not_be_held_out_is_refused(tmp_path: Path, file: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(file, "utf-8")
    with pytest.raises(UserError, match=told):
        load(str(path))


def test_the_same_rung_on_other_seeds_is_one() -> None:
    """That is the least that can be held out: what was tuned to the seeds of the search does not come again."""
    settings = BANDIT.partition("[rungs.settings]\n")[2].partition("# DPO")[0]
    assert not list(mistakes(ladder(RUNG.replace("contexts = 32\n", settings))))


def test_its_seeds_are_nobody_elses() -> None:
    most = 10_000
    seeds: list[Iterable[int]] = [range(most), range(HELD_OUT_FIRST, HELD_OUT_FIRST + most)]
    seeds += [range(confirmation.FIRST_SEED, confirmation.FIRST_SEED + 1000), tuning.SEEDS]
    every = [seed for some in seeds for seed in some]
    assert len(set(every)) == len(every) == 2 * most + 1000 + len(tuning.SEEDS)


def test_a_climb_measures_it_on_its_own_seeds_and_says_that_it_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, context, seeds = ladder().rungs[3], MagicMock(), MagicMock()
    context.baselines.outdated.return_value = context.stopping.return_value = False
    seeds.candidate.side_effect = lambda seed: Measured({"score": 0.9 + seed * 1e-9})
    seeds.baseline.side_effect = lambda seed: {"score": 0.1 + seed % 7 * 1e-3}
    for name, there in (("seeds_of", MagicMock()), ("_known", lambda *_: {}), ("_attach", MagicMock())):
        monkeypatch.setattr(climb, name, there)
    climb.seeds_of.return_value.__enter__.return_value = seeds  # type: ignore[attr-defined]
    decision = climb._seeded(context, MagicMock(), plan, MagicMock())
    wanted = [HELD_OUT_FIRST, HELD_OUT_FIRST + 1]
    assert [call.args[0] for call in seeds.candidate.call_args_list] == wanted
    assert [call.args[0] for call in seeds.foresee.call_args_list] == [wanted]
    assert decision.reason.startswith("held out: better than dpo")
    assert decision.detail["held_out"] is True


@pytest.mark.parametrize("below", [3, None])
def test_a_climb_of_a_search_ends_before_it(monkeypatch: pytest.MonkeyPatch, below: int | None) -> None:
    climbed: list[str] = []
    context, held = MagicMock(below=below, ladder=ladder()), MagicMock()
    context.stopping.return_value, held.run.rung = False, 2
    context.ledger.checkpoint.return_value = State.RUNNING
    monkeypatch.setattr(climb, "Candidate", MagicMock())

    def tuned(_: object, __: object, plan: RungPlan, one: object) -> tuple[object, None]:
        climbed.append(plan.name)
        return one, None

    monkeypatch.setattr(climb, "_tuned", tuned)
    monkeypatch.setattr(climb, "_seeded", lambda *_: Decision("promote", ""))
    for name in ("_sandboxes", "_end_of"):
        monkeypatch.setattr(climb, name, lambda *_: {})
    with pytest.raises(InfrastructureError) as error:
        climb._climb(context, held)
    assert climbed == (["bandit"] if below else ["bandit", "larger"])
    assert isinstance(error.value, StoppedError) is (below is not None)


def test_a_worker_of_a_search_leaves_a_run_there(tmp_path: Path) -> None:
    ledger = MagicMock()
    ledger.run.side_effect = lambda number: MagicMock(rung=number)
    orders = WorkerConfig(tmp_path, "bandit", below=3)
    assert [_came_to(ledger, replace(orders, only=at)) for at in (2, 3, 4)] == [False, True, True]
    assert not _came_to(ledger, orders)
    assert not _came_to(ledger, replace(orders, only=4, below=None))


def test_what_is_tuned_or_met_in_a_duel_is_not_of_it() -> None:
    """A ladder whose only bandit is held out is tuned by the package's own."""
    made = ladder()
    assert confirmation.rung_of(made) == made.rungs[2]
    settings, _ = tuning.proxy_of(made)
    assert settings.contexts == 16
    alone = load("reviews")
    held = replace(alone, rungs=(*alone.rungs, made.rungs[3]))
    assert tuning.proxy_of(held)[0].contexts == 16


def test_what_it_comes_to_is_no_other_rungs() -> None:
    held, plain = (ladder(more) for more in (RUNG, RUNG.replace("held_out = true\n", "")))
    assert evaluation_digest(held, held.rungs[3], "sha256:1") != evaluation_digest(plain, plain.rungs[3], "sha256:1")
    assert evaluation_digest(held, held.rungs[2], "sha256:1") == evaluation_digest(plain, plain.rungs[2], "sha256:1")


def test_the_ladder_tells_which_rung_is_held_out(tmp_path: Path) -> None:
    told = CliRunner().invoke(profiles_command, [written(tmp_path)]).stdout
    assert "larger: bandit on cpu, against dpo, held out: seeds from 2000000, and no search is told" in told


@pytest.mark.parametrize("name", names())
def test_the_ladders_of_the_package_end_a_search_at_a_rung_that_measures(name: str) -> None:
    assert load(name).searched.rungs[-1].gate is not None
