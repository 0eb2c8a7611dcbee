"""Sweeps: which losses and which rung, what is kept and not trained again, and what becomes of a loss that fails."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import pytest
from click.testing import CliRunner

from harness.checks import checker as checkers
from harness.checks.static import screened_text
from harness.cli import diverge, frontier, plot, sweeping
from harness.containers.request import Recipe
from harness.core.errors import CandidateFault, InfrastructureError, StoppedError, UserError
from harness.core.limits import Limits
from harness.ladder import sweep as sweeps
from harness.ladder.ladder import load
from harness.ladder.measuring import Measured
from harness.ladder.sweep import Sweep, Training, Watch, changed, losses_of, run_all, rung_of
from harness.plots.picture_losses import Drawn
from harness.protocol.job import Progress, Step
from harness.protocol.rules import RAISED_ON_LOAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.checks.static import Screened
    from harness.core.candidate import Candidate
    from harness.ladder.plan import RungPlan

GOOD = "def loss(pc, pr, rc, rr, beta):\n    return -beta * (pc - pr - rc + rr)\n"
REFUSED = "import os\n\ndef loss(pc, pr, rc, rr, beta):\n    return os.urandom(1)\n"


@dataclass(frozen=True)
class Checker:
    """As much of a checker as is used: it screens, and has no engine."""

    recipe: Recipe = field(default_factory=lambda: Recipe("image", Limits()))
    environment: dict[str, str] = field(default_factory=lambda: {"image_digest": "sha256:1"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def screen(self, candidate: Candidate) -> Screened:
        return screened_text(candidate)

    @contextmanager
    def connected(self) -> Iterator[Checker]:
        yield self

    @contextmanager
    def oracle(self, one: Screened) -> Iterator[Any]:
        if one.fault is not None:
            raise one.fault
        yield one


class Trainer:
    """Stands for trainings: remembers those that were made, and fails where it is told to."""

    def __init__(self) -> None:
        self.made: list[tuple[str, float, int]] = []
        self.fails: Callable[[str, float, int], Exception | None] = lambda *_: None
        self.identity_now = "a"

    def identity(self, _: object) -> str:
        return self.identity_now

    def measuring(self, _: object, plan: RungPlan, one: Screened, *__: object) -> Any:
        trainer = self
        beta = cast("tuple[float, ...]", dict(plan.settings)["betas"])[0]
        name = one.job.path.stem

        class Measuring:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def __call__(self, seed: int, say: Any) -> Measured:
                say(Step.TRAIN, Progress(1, 2))
                if (error := trainer.fails(name, beta, seed)) is not None:
                    raise error
                trainer.made.append((name, beta, seed))
                return Measured(of(beta, seed))

        return Measuring()


def of(beta: float, seed: int) -> dict[str, float]:
    """Metrics as the rung gives them: the larger beta, the less divergence."""
    reward, finite = 0.8 - 0.05 * beta + 0.01 * seed, 1.0 if beta < 5 else 0.0
    found = {"reward": reward, "finite": finite, "reward@9": 0.5, "reference_reward": 0.5}
    for name in ("kl", "kl_token", "kl_forward", "kl_forward_answer"):
        found |= {name: 1 / beta, f"{name}_at_{beta:g}": 1 / beta}
    steps = {"stable_steps": 54.0 if finite else 2.0, "steps": 54.0, "lowest_margin": -2.0 if finite else -19.0}
    return found | steps | {f"reward_at_{beta:g}": reward}


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    made = Trainer()
    monkeypatch.setattr(sweeps, "trainings_of", lambda *_: made)
    monkeypatch.setattr(sweeps, "Measuring", made.measuring)
    monkeypatch.setattr(sweeping, "meet", lambda *_, **__: None)
    monkeypatch.setattr(checkers.Checker, "open", lambda _: Checker())
    monkeypatch.setattr(diverge, "limits_of", lambda _, betas: dict.fromkeys(betas, -17.75))
    return made


def checker() -> Any:
    return Checker()


def plans(*betas: float) -> list[RungPlan]:
    return [changed(rung_of(load("reviews")), betas=(beta,)) for beta in betas]


def test_a_loss_is_a_file_or_a_name_of_the_catalogue(tmp_path: Path) -> None:
    (one := tmp_path / "dpo.py").write_text(GOOD)
    (bad := tmp_path / "bad.py").write_text(REFUSED)
    found = losses_of(["dpo", str(one), str(bad), "slic"], checker())
    assert [loss.name for loss in found] == ["dpo", "dpo.py", "bad.py", "slic"]
    assert [bool(loss.refusal) for loss in found] == [False, False, True, False]
    (tmp_path / "other").mkdir()
    (two := tmp_path / "other" / "dpo.py").write_text(f"{GOOD}# another\n")
    first, second = losses_of([str(one), str(two)], checker())
    assert (first.name, second.name) == (f"dpo.py-{first.one.sha256[:8]}", f"dpo.py-{second.one.sha256[:8]}")
    for words in (["dop"], ["no/such.py"], ["dpo", "dpo"], [str(one), str(one)], [str(tmp_path)]):
        with pytest.raises(UserError) as error:
            losses_of(words, checker())
        assert error.value.remedy


def test_the_rung_is_the_one_that_tells_divergence_and_its_settings_have_to_make_sense() -> None:
    plan = rung_of(load("imdb"))
    assert (plan.name, plan.baseline, plan.gate) == ("imdb", "", None)
    with pytest.raises(UserError, match="bandit"):
        rung_of(load("bandit"))
    assert dict(changed(plan, clip=0.0).settings)["clip"] == 0.0
    for wrong in ({"clip": -1.0}, {"bteas": (1.0,)}, {"epochs": 0}):
        with pytest.raises(UserError):
            changed(plan, **wrong)


def test_what_was_trained_is_not_trained_again_unless_something_is_another(trainer: Trainer, tmp_path: Path) -> None:
    losses = losses_of(["dpo", "slic"], checker())
    wanted = [Training(loss.name, plan, seed) for seed in (0, 1) for loss in losses for plan in plans(0.5, 1.0)]

    def run() -> int:
        before = len(trainer.made)
        found, failed = run_all(Sweep(checker(), load("reviews"), tmp_path), losses, wanted, Watch(), jobs=2)
        assert list(found) == wanted
        assert not failed
        assert found[wanted[0]]["reward"] == of(0.5, 0)["reward"]
        return len(trainer.made) - before

    assert run() == 8
    assert run() == 0
    sweep = Sweep(checker(), load("reviews"), tmp_path)
    places = {sweep._place(t, loss) for t in wanted for loss in losses if loss.name == t.loss}
    assert len(places) == 8
    next(iter(places)).write_text("{")
    assert run() == 1, "what is damaged is trained again"
    trainer.identity_now = "b"
    assert run() == 8, "other code trains, or other files are trained on"


def test_a_loss_that_fails_is_asked_no_more_and_others_go_on(trainer: Trainer, tmp_path: Path) -> None:
    losses = losses_of(["dpo", "slic"], checker())
    fault = CandidateFault(RAISED_ON_LOAD.finding("it raised"))
    trainer.fails = lambda name, beta, _: fault if (name, beta) == ("dpo", 1.0) else None
    wanted = [Training(loss.name, plan, 0) for loss in losses for plan in plans(0.5, 1.0, 2.5)]
    told: list[str] = []
    watch = Watch(failed=lambda training, _: told.append(training.loss))
    found, failed = run_all(Sweep(checker(), load("reviews"), tmp_path), losses, wanted, watch)
    assert failed == {"dpo": "it raised"}
    assert told == ["dpo"]
    assert trainer.made == [("dpo", 0.5, 0), ("slic", 0.5, 0), ("slic", 1.0, 0), ("slic", 2.5, 0)]
    assert [t.loss for t in found] == ["dpo", "slic", "slic", "slic"]


@pytest.mark.parametrize("error", [InfrastructureError("no engine"), StoppedError("called off")])
def test_a_fault_of_ours_ends_it_and_what_was_made_stays(
    trainer: Trainer, tmp_path: Path, error: InfrastructureError
) -> None:
    losses = losses_of(["dpo"], checker())
    wanted = [Training("dpo", plan, 0) for plan in plans(0.5, 1.0, 2.5)]
    trainer.fails = lambda _, beta, __: error if beta == 1.0 else None
    sweep = Sweep(checker(), load("reviews"), tmp_path)
    with pytest.raises(InfrastructureError):
        run_all(sweep, losses, wanted, Watch())
    assert sweep.known(wanted[0], losses[0]) is not None
    assert sweep.known(wanted[1], losses[0]) is None


def call(command: Any, *words: object) -> Any:
    return CliRunner().invoke(command, [str(word) for word in words], env={"COLUMNS": "200"})


def test_the_frontier_is_told_written_and_drawn(trainer: Trainer, tmp_path: Path) -> None:
    (bad := tmp_path / "bad.py").write_text(REFUSED)
    words = ["dpo", "slic", "--betas", "0.5, 1 2.5", "--seeds", "2", "--folder", tmp_path / "p"]
    done = call(frontier.frontier_command, *words)
    assert done.exit_code == 0, done.output
    assert "6 of 12" in done.stderr
    assert "reward at equal divergence" in done.stdout
    document = json.loads((tmp_path / "p" / "frontier" / "frontier.json").read_text("utf-8"))
    assert (document["schema"], document["rung"], document["betas"]) == (
        "harness.frontier/v1",
        "reviews",
        [0.5, 1, 2.5],
    )
    assert "betas" not in document["settings"]
    assert len(document["trainings"]) == 12
    assert not [name for one in document["trainings"] for name in one["metrics"] if "@" in name or "_at_" in name]
    assert set(document["curves"]) == {"kl", "kl_token", "kl_forward", "kl_forward_answer"}
    row = document["at_equal"]["kl"][0]
    assert row["differences"]["slic"]["mean"] == 0.0
    assert len(list((tmp_path / "p" / "frontier").glob("*.png"))) == 4
    again = call(frontier.frontier_command, *words, bad, "--json", "--out", tmp_path / "out", "--at", "0.7,9")
    assert again.exit_code == 1, again.output
    assert len(trainer.made) == 12
    told = json.loads(again.stdout)
    assert told == json.loads((tmp_path / "out" / "frontier.json").read_text("utf-8"))
    assert [one["failed"] is None for one in told["losses"]] == [True, True, False]
    assert [row["rewards"]["dpo"] is None for row in told["at_equal"]["kl"]] == [False, True]


@pytest.mark.parametrize(("ladder", "betas"), [("imdb", [0.025, 0.05, 0.1, 0.25, 0.5, 1.0]), ("reviews", [0.1, 5.0])])
def test_betas_that_nobody_names_are_the_ladders_where_it_has_several(
    trainer: Trainer, tmp_path: Path, ladder: str, betas: list[float]
) -> None:
    words = ["dpo", "--ladder", ladder, "--seeds", "1", "--folder", tmp_path, "--json"]
    told = json.loads(call(frontier.frontier_command, *words).stdout)
    assert set(betas) <= set(told["betas"])
    assert len(told["betas"]) == 6
    assert [beta for _, beta, _ in trainer.made] == told["betas"]


def test_what_diverges_is_told_beside_what_was_foretold(trainer: Trainer, tmp_path: Path) -> None:
    done = call(diverge.diverge_command, "dpo", "--betas", "1,5", "--folder", tmp_path / "p")
    assert done.exit_code == 0, done.output
    assert "4 of 4 trainings came as the map foretells" in done.stdout
    document = json.loads((tmp_path / "p" / "diverge" / "diverge.json").read_text("utf-8"))
    found = [(one["beta"], one["clip"], one["finite"], one["done"], one["foretold"]) for one in document["trainings"]]
    assert found == [(1, 0, True, 54, False), (1, 1, True, 54, False), (5, 0, False, 2, True), (5, 1, False, 2, True)]
    assert document["limits"] == {"dpo": {"1": -17.75, "5": -17.75}}
    assert {name: document["settings"][name] for name in ("rate", "epochs")} == {"rate": 5e-3, "epochs": 4}
    assert (tmp_path / "p" / "diverge" / "diverge.png").exists()
    assert len(trainer.made) == 4


def test_what_was_not_foretold_is_said_to_be(trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diverge, "limits_of", lambda _, betas: dict.fromkeys(betas, float("-inf")))
    done = call(diverge.diverge_command, "dpo", "--betas", "5", "--clips", "1", "--folder", tmp_path / "p")
    assert done.exit_code == 0, done.output
    assert "0 of 1 trainings came as the map foretells" in done.stdout
    assert trainer.made == [("dpo", 5.0, 0)]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--betas", "0.1,x"],
        ["--betas", "0.1,0.1"],
        ["--betas", "0"],
        ["--betas", "nan"],
        ["--betas", "inf"],
        ["--betas", ""],
        ["--clips", "no"],
        ["--clips", "-1"],
        ["--seeds", "0"],
        ["--ladder", "bandit"],
        ["--rate", "0"],
    ],
)
def test_words_that_make_no_sense_train_nothing(trainer: Trainer, tmp_path: Path, wrong: list[str]) -> None:
    done = call(diverge.diverge_command, "dpo", "--folder", tmp_path, *wrong)
    assert done.exit_code == 2 or isinstance(done.exception, UserError)
    assert not trainer.made


def test_losses_are_drawn_and_one_that_is_refused_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkers.Checker, "open", lambda _: Checker())
    monkeypatch.setattr(plot, "_asked", asked)
    (bad := tmp_path / "bad.py").write_text(REFUSED)
    done = call(plot.plot_command, "dpo", "slic", bad, "--betas", "0.05,1", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 1, done.output
    assert "bad.py is refused" in done.stderr
    document = json.loads(done.stdout)
    assert [(one["loss"], one["beta"]) for one in document["curves"]] == [
        ("dpo", 0.05), ("dpo", 1.0), ("slic", 0.05), ("slic", 1.0)
    ]  # fmt: skip
    assert list(document["failed"]) == ["bad.py"]
    words = (tmp_path / "out" / "losses.svg").read_text("utf-8")
    assert all(said in words for said in ("DPO", "SLiC", "beta 0.05", "beta 1", "not finite"))


def asked(_: object, betas: list[float], reach: float) -> Any:
    rho = np.linspace(-reach, reach, 21)
    value = np.logaddexp(0.0, -rho)
    value[:2] = np.nan
    return {beta: Drawn(rho, value, -1.0 / (1.0 + np.exp(rho))) for beta in betas}
