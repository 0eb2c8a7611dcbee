"""Declared parameters for real: passed, judged over their ranges, tuned on a ladder that is stopped in the middle."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import ROOT, decided, harness_command

from harness import Ledger, submit, text_candidate
from harness.checks.options import Options
from harness.core.limits import Limits
from harness.core.verdict import Accepted, Rejected
from harness.ladder import bandit, tuning
from harness.ladder.evaluations import Tuned
from harness.ladder.worker import WorkerConfig, WorkerSlot, work
from harness.ledger.records import State
from harness.oracle.oracle import Oracle
from harness.subject.batches import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Sandboxes

    from harness.core.result import CheckResult

pytestmark = [pytest.mark.container, pytest.mark.rest]

HEAD = "import torch.nn.functional as F\n"
DPO = """def loss(pc, pr, rc, rr, beta{more}):
    return F.softplus(-beta * {scale}((pc - pr) - (rc - rr)))
"""
PLAIN = HEAD + DPO.format(more="", scale="")
TUNABLE = HEAD + 'PARAMS = {"tau": (0.5, 2.0, "log")}\n' + DPO.format(more=", tau", scale="tau * ")
INERT = HEAD + 'PARAMS = {"tau": (0.5, 2.0, "log")}\n' + DPO.format(more=", tau=1.0", scale="")
#: Right in the middle and at the high end; at the low end it takes the root of a negative number.
CORNER = HEAD + 'PARAMS = {"tau": (-1.0, 3.0)}\n' + DPO.format(more=", *, tau", scale="")
CORNER = CORNER.replace("F.softplus", "(1.0 + 0.0 * (0.0 * pc + tau).sqrt()) * F.softplus")
#: In the middle it is held so close to the reference that little is learnt; with less of a pull, more.
HELD = HEAD + 'PARAMS = {"pull": (0.0, 1.0)}\n' + DPO.format(more=", pull", scale="").rstrip()
HELD += " + pull * ((pc - pr) - (rc - rr)) ** 2\n"
BATCH = plain(np.array([0.5, -1.0, 2.0]), 0.1, dtype=np.float64)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, x)


def test_values_reach_the_candidate_in_both_dialects_and_a_load_replaces_them(sandboxes: Sandboxes) -> None:
    method = TUNABLE.replace("loss(pc", "loss(self, pc").replace("beta, tau", "tau").replace("-beta", "-self.beta")
    for text in (TUNABLE, method):
        with sandboxes.opened(text) as oracle:
            rho = 0.1 * BATCH.rho
            assert oracle.answer(BATCH).values == pytest.approx(softplus(-rho))
            oracle.finish()
            again = Oracle(oracle._sandbox, oracle.program.at({"tau": 2.0}), Limits())
            assert again.answer(BATCH).values == pytest.approx(softplus(-2.0 * rho))


@pytest.fixture(scope="module")
def judged(sandbox_image: object, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CheckResult]:
    """Four candidates, checked once."""
    del sandbox_image
    folder = tmp_path_factory.mktemp("parameters")
    texts = {"plain": PLAIN, "tunable": TUNABLE, "inert": INERT, "corner": CORNER}
    paths = [folder / f"{name}.py" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    return dict(zip(texts, decided(paths, Options()), strict=True))


@pytest.mark.whole
def test_a_corner_that_breaks_rejects_and_is_named(judged: dict[str, CheckResult]) -> None:
    verdict = judged["corner"].verdict
    assert isinstance(verdict, Rejected)
    found = {f.rule: f for f in verdict.findings}
    assert "P302" in found
    assert found["P302"].message.startswith("with tau = -1.0 (the low end of its range): ")
    assert found["P302"].counterexample is not None
    assert found["P302"].counterexample["params"] == {"tau": -1.0}
    assert judged["corner"].properties["P302"] == "failed"


@pytest.mark.whole
def test_facts_are_of_the_middle_and_state_the_range(judged: dict[str, CheckResult]) -> None:
    plain_, tunable = judged["plain"].facts, judged["tunable"].facts
    assert isinstance(judged["tunable"].verdict, Accepted)
    assert tunable["parameters"] == {"tau": {"low": 0.5, "high": 2.0, "scale": "log", "middle": pytest.approx(1.0)}}
    assert tunable["curve"] == plain_["curve"]
    assert "parameters" not in plain_


@pytest.mark.whole
def test_who_is_the_same_function(judged: dict[str, CheckResult]) -> None:
    prints = {name: result.facts["fingerprint"] for name, result in judged.items() if name != "corner"}
    assert prints["inert"] == prints["plain"]
    assert prints["tunable"] != prints["plain"], "the same in the middle, and more can be made of it"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few trials, on a small bandit with few steps: the middle learns next to nothing in them."""
    small = bandit.Settings(contexts=4, arms=4, pairs=128, batch=32, steps=15, betas=(0.5,))
    monkeypatch.setattr(tuning, "TRIALS", 6)
    monkeypatch.setattr(tuning, "SEEDS", (tuning.FIRST_SEED,))
    proxy = tuning.proxy_of

    def cheap(ladder: Any) -> tuple[bandit.Settings, Any]:
        _, gate = proxy(ladder)
        return small, gate

    monkeypatch.setattr(tuning, "proxy_of", cheap)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that anything was trained on."""
    seeds: list[int] = []
    measure = bandit.measure

    def seen(subject: Any, seed: int, settings: Any = None) -> dict[str, float]:
        seeds.append(seed)
        return measure(subject, seed, settings)

    monkeypatch.setattr(bandit, "measure", seen)
    return seeds


@pytest.mark.whole
def test_a_run_is_tuned_once_whatever_stops_it(
    tmp_path: Path, short: None, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    del short
    written, as_detail = threading.Event(), Tuned.as_detail

    def noted(tuned: Tuned) -> Any:
        written.set()  # what is being written then is the event
        return as_detail(tuned)

    monkeypatch.setattr(Tuned, "as_detail", noted)
    with Ledger(tmp_path) as ledger:
        (sent,) = submit([text_candidate(HELD, "held.py")], ledger=ledger)

        def drain(stopping: Callable[[], bool] = lambda: False) -> State:
            orders = WorkerConfig(tmp_path, "bandit", drain=True, only=sent.run)
            work(WorkerSlot("here"), orders, stopping=stopping)
            return ledger.run(sent.run).state

        # Stopped behind the third trial, and then behind the tuning, at the gate's first seed.
        assert drain(lambda: len(measured) >= 3) is State.QUEUED
        assert measured == [tuning.FIRST_SEED] * 3
        assert drain(written.is_set) is State.QUEUED
        assert measured[3:6] == [tuning.FIRST_SEED] * 3, "the first three trials were not made again"
        assert [e.kind for e in ledger.events(sent.run)].count("tuned") == 1
        assert drain() is State.COMPLETED
        # A trial that was stopped in the middle is made again, and no other.
        assert measured.count(tuning.FIRST_SEED) in {6, 7}
        judging = [seed for seed in measured if 0 <= seed != tuning.FIRST_SEED]
        assert judging
        assert max(judging) < 100_000, "no seed that tuned judges"
        assert [e.kind for e in ledger.events(sent.run)].count("tuned") == 1
        (rung,) = [name for name in ledger.scores(sent.run) if name.startswith("tuning-")]
        assert len({score.seed for score in ledger.scores(sent.run)[rung]}) == 6
        promotions = {p["rung"]: p["evaluation"] for p in ledger.promotions(sent.run)}
    shown = json.loads(_show(tmp_path, sent.run, "--json"))
    assert 0.0 <= shown["tuned"]["values"]["pull"] < 0.5
    assert shown["tuned"]["score"] > shown["tuned"]["middle"] + 0.05
    assert "pull = " in _show(tmp_path, sent.run)
    assert set(promotions) == {"screen", "properties", "bandit"}


def _show(folder: Path, run: int, *more: str) -> str:
    words = [*harness_command("show", run, *more), "--folder", str(folder)]
    return subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout
