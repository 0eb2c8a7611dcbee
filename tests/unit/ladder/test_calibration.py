"""A gate that is asked about nothing says so as often as it promises, and one that is not is found out."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from harness.api import text_candidate
from harness.checks.static import screened_text
from harness.cli import calibrate
from harness.core import profiles
from harness.core.errors import UserError
from harness.discover import confirmation
from harness.ladder import gate, tuning
from harness.ladder.baselines import Baselines, baseline_candidate
from harness.ladder.calibration import OTHER_WORDS, SEEDS, WORDS, Share, measured, prompts, seeds_of, tally
from harness.ladder.ladder import load
from harness.ladder.plan import HELD_OUT_FIRST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.ladder.calibration import Measure, Pair

PLAN = load("bandit").rungs[2]


def test_no_seed_is_used_twice_and_none_is_anybody_elses() -> None:
    used = [seed for run in range(50) for side in seeds_of(PLAN, run) for seed in side]
    assert len(set(used)) == len(used) == 50 * 2 * 8
    others = {*range(10_000), *range(HELD_OUT_FIRST, HELD_OUT_FIRST + 10_000), *tuning.SEEDS}
    others |= set(range(confirmation.FIRST_SEED, confirmation.FIRST_SEED + 1000))
    assert not others & set(used)


def test_each_side_is_measured_at_its_own_seeds_and_other_words_at_those_of_the_candidate() -> None:
    for run in range(3):
        found = measured(PLAN, run, lambda seed: {"score": float(seed)}, lambda seed: {"score": -float(seed)})
        own, others = seeds_of(PLAN, run)
        assert [one["score"] for one in found[SEEDS].candidate.values()] == list(own)
        assert [one["score"] for one in found[SEEDS].baseline.values()] == list(others)
        assert [-one["score"] for one in found[WORDS].candidate.values()] == list(own)
        assert found[WORDS].baseline == found[SEEDS].candidate
    assert list(measured(PLAN, 1, lambda _: {"score": 0.0}, None)) == [SEEDS]


def runs(count: int, baseline: Measure, other: Measure | None = None) -> list[Pair]:
    """So many runs, in other words where there are some."""
    return [measured(PLAN, run, baseline, other)[SEEDS if other is None else WORDS] for run in range(count)]


def noise(scale: float = 0.05, gain: float = 0.0, **more: float) -> Measure:
    """A text whose score at a seed is noise of that seed's."""

    def one(seed: int) -> dict[str, float]:
        draw = np.random.Generator(np.random.PCG64([seed, int(gain != 0.0)]))
        return {"score": 0.65 + gain + scale * draw.normal(), "finite": 1.0, "kl": 1.0, **more}

    return one


def test_a_gate_errs_as_seldom_as_it_promises_and_the_ladders_own_rejects_nobody() -> None:
    found = tally(PLAN, SEEDS, runs(400, noise()))
    wrong = found.interval["better"] + found.interval["worse"]
    assert 1 <= wrong <= 0.08 * 400, "5 % at all looks together; a t-test at each look would err 12 % of the time"
    assert found.gate == {"promoted": 400}
    assert found.evidence <= 0.05 * 400
    assert found.discoveries == 0
    assert len(found.differences) == 400 * 8


def test_a_gate_that_is_not_right_at_all_looks_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = runs(400, noise())
    honest = tally(PLAN, SEEDS, pairs).interval
    once = gate.interval
    monkeypatch.setattr(gate, "interval", lambda values, alpha: once(values, alpha * 3))
    naive = tally(PLAN, SEEDS, pairs).interval
    assert naive["better"] + naive["worse"] > 2 * (honest["better"] + honest["worse"])


def test_what_is_there_is_called_so() -> None:
    pairs = runs(20, noise(0.01), noise(0.01, gain=0.2))
    found = tally(PLAN, WORDS, pairs)
    assert (found.interval, found.gate) == ({"better": 20}, {"promoted": 20})
    assert found.evidence == found.discoveries == 20
    worse = tally(PLAN, WORDS, runs(5, noise(0.01), noise(0.01, gain=-0.7)))
    assert (worse.interval, worse.gate) == ({"worse": 5}, {"rejected": 5})


def test_the_very_same_figures_are_left_open_and_a_rail_is_told() -> None:
    same = tally(PLAN, WORDS, runs(4, noise(), noise()))
    assert (same.interval, same.gate, same.discoveries) == ({"left open": 4}, {"promoted": 4}, 0)
    for mine, base in (({"kl": 9.0}, {}), ({"kl": 9.0}, {"kl": 9.0})):
        broken = tally(PLAN, WORDS, runs(2, noise(**base), noise(**mine)))
        assert broken.gate == broken.interval == {"stopped by a rail": 2}


@pytest.mark.parametrize("effects", [[0.3] * 9, [0.02] * 49 + [-0.98], [1e-9, -3e-9, 2e-9]])
def test_the_gate_for_prompts_sees_nothing_in_effects_with_signs_by_chance(effects: list[float]) -> None:
    found = prompts(effects, 0.05, turns=200)
    assert sum(found.values()) == 200
    assert found["better"] + found["worse"] <= 0.05 * 200
    assert found["left open"] >= 190


def test_no_effects_are_no_simulation() -> None:
    assert prompts([], 0.05, turns=5) == prompts([0.0, float("nan")], 0.05, turns=5) == Counter()


def test_a_share_has_its_exact_interval() -> None:
    """Clopper and Pearson's, by their tables."""
    assert Share(0, 10).interval == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert Share(5, 100).interval == pytest.approx((0.0164, 0.1128), abs=1e-4)
    assert Share(10, 10).interval == pytest.approx((0.6915, 1.0), abs=1e-4)


@pytest.mark.parametrize("name", OTHER_WORDS)
def test_other_words_are_another_text_of_the_same_function(name: str) -> None:
    torch = pytest.importorskip("torch")
    texts = [baseline_candidate(name).data.decode(), OTHER_WORDS[name]]
    contract = "preference" if name == "dpo" else "classification"
    profile = profiles.load(profiles.DEFAULTS[contract])
    assert screened_text(text_candidate(texts[1], "x.py"), profile).fault is None
    draw, made = torch.Generator().manual_seed(1), []
    given = [torch.randn(64, generator=draw, dtype=torch.float64) for _ in range(4)]
    logits, targets = torch.randn(64, 10, generator=draw, dtype=torch.float64), torch.arange(64) % 10
    for text in texts:
        scope: dict[str, Any] = {}
        exec(text, scope)  # noqa: S102 - our own text
        (loss,) = (v for k, v in scope.items() if k.startswith(name))
        inputs = [one.clone().requires_grad_() for one in (given if name == "dpo" else [logits])]
        values = loss(*inputs, 0.25) if name == "dpo" else loss(*inputs, targets)
        values.sum().backward()
        made.append([values.detach(), *(one.grad for one in inputs[:2])])
    assert texts[0] != texts[1]
    for before, after in zip(*made, strict=True):
        assert torch.allclose(before, after, rtol=1e-9, atol=1e-12)
        assert before.abs().max() > 0.01


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command with a bandit that costs nothing; what is measured is counted."""
    asked: Counter[int] = Counter()

    class Context:
        folder = tmp_path
        stopped = False

        def __init__(self) -> None:
            self.baselines = Baselines(tmp_path / "baselines", lambda _, __, seed: self.measure(seed))

        def measure(self, seed: int) -> dict[str, float]:
            asked[seed] += 1
            return noise()(seed)

        def stopping(self) -> bool:
            return self.stopped

        def evaluation(self, _: Any) -> str:
            return "e" * 64

        def one_baseline(self) -> Any:
            return contextlib.nullcontext()

        def measuring(self, *_: Any) -> Any:
            found = noise()
            words = type("", (), {"__call__": lambda _, seed: type("", (), {"metrics": found(seed)})()})()
            return contextlib.nullcontext(words)

        checker = type("", (), {"screen": lambda _, candidate: candidate})()

    context = Context()

    @contextlib.contextmanager
    def opened(*_: Any) -> Iterator[Context]:
        yield context

    monkeypatch.setattr(calibrate, "_opened", opened)
    monkeypatch.setattr("harness.ladder.needs.meet", lambda *_, **__: None)

    def call(*words: str) -> Any:
        given = [*words, "--folder", str(tmp_path)]
        return CliRunner().invoke(calibrate.calibrate_command, given, env={"COLUMNS": "120"})

    call.asked, call.context = asked, context  # type: ignore[attr-defined]
    return call


def test_the_command_counts_and_measures_no_seed_again(command: Any) -> None:
    first = command("--runs", "3", "--json")
    assert first.exit_code == 0, first.output
    document = json.loads(first.stdout)
    assert [(one["rung"], one["varied"]) for one in document["rungs"]] == [("bandit", SEEDS), ("bandit", WORDS)]
    for one in document["rungs"]:
        assert sum(each["times"] for each in one["interval"].values()) == 3
        assert one["evidence"]["of"] == 3
    assert document["rungs"][1]["differences"] == [0.0] * 24, "the words are the baseline's own here"
    assert "bandit: 72 trainings of dpo" in first.stderr
    assert command("--runs", "4").exit_code == 0
    assert set(command.asked.values()) == {1}
    assert len(command.asked) == 4 * 16


def test_the_command_shows_what_was_asked_and_promised(command: Any) -> None:
    text = command("--runs", "2", "--rung", "bandit").stdout
    assert "bandit: the baseline against itself, other seeds, 2 runs" in text
    assert "5 % in both" in text
    assert "at the same seeds each difference is 0 by construction" in text
    assert "discoveries by e-BH, each of them false: 0 of 2 at bandit (other seeds)" in text


def test_a_rung_that_does_not_train_is_the_users_mistake(command: Any) -> None:
    done = command("--rung", "screen")
    assert isinstance(done.exception, UserError)
    assert "one of: bandit" in done.exception.remedy


def test_told_to_stop_it_stops_and_keeps_what_it_has(command: Any) -> None:
    command.context.stopped = True
    assert command("--runs", "2").exit_code != 0
    assert not command.asked
