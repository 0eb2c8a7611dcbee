"""Sandboxes that are started ahead, on an engine: each used by one candidate, none left whatever ends their worker."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import ROOT, harness_command

from harness import Ledger, submit, text_candidate
from harness.checks.checker import Checker
from harness.containers.engine import remove_labelled, sweep
from harness.containers.request import AHEAD_LABEL, LABEL, OWNER_LABEL, name_of, owner
from harness.ladder.health import PLACE_LABEL
from harness.ledger.records import State
from harness.oracle.supply import Supply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.containers.engine import Engine

pytestmark = [pytest.mark.container, pytest.mark.rest]

DPO = (ROOT / "examples" / "dpo.py").read_text("utf-8")
RUN = ("harness.run", "ledger/1")


def ahead(engine: Engine, label: str = AHEAD_LABEL) -> list[dict[str, Any]]:
    """The containers that were started ahead, taken or not, as the engine lists them."""
    return engine.listed(LABEL, label)


def of(folder: Path, engine: Engine) -> set[str]:
    """Those of the places of a ledger, whichever process has them."""
    with Ledger(folder) as ledger:
        place = f"{ledger.name}/"
    return {one["Id"] for one in ahead(engine) if one["Labels"].get(PLACE_LABEL, "").startswith(place)}


def until(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def checker() -> Iterator[Checker]:
    with Checker.open() as opened:
        supply = Supply(opened.engine, opened.recipe)
        try:
            yield replace(opened, supply=supply)
        finally:
            supply.close()
            mine = f"{OWNER_LABEL}={owner()}"
            assert not ahead(opened.engine, mine), "none is left behind"


def test_each_is_taken_once_by_name_and_what_waits_is_removed(checker: Checker, tmp_path: Path) -> None:
    (tmp_path / "loss.py").write_text(DPO)
    mine = f"{OWNER_LABEL}={owner()}"
    assert checker.supply is not None
    checker.supply.expect(2)
    until(lambda: len(ahead(checker.engine, mine)) == 2)
    with checker.labelled(dict([RUN])).oracle(tmp_path / "loss.py") as subject:
        (batch,) = subject.questions(np.random.Generator(np.random.PCG64(0)), 1)
        assert subject.answer(batch).finite_values
        names = [name for one in ahead(checker.engine, mine) for name in one["Names"]]
        assert sum(name.startswith(f"/{name_of(RUN)}") for name in names) == 1
        # Whoever takes this run over finds what was taken for it, and no other one.
        with contextlib.closing(checker.engine.another()) as other:
            assert remove_labelled(other, RUN) == 1
    assert checker.judge(checker.screen(tmp_path / "loss.py")).verdict.word == "accepted"


@contextlib.contextmanager
def at_work(folder: Path, engine: Engine) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in the middle of its runs, with sandboxes that wait."""
    candidates = [text_candidate(f"{DPO}\n# {number}\n", f"{number}.py") for number in range(3)]
    with Ledger(folder) as ledger:
        submit(candidates, ledger=ledger)
        environment = {k: v for k, v in os.environ.items() if k != "HARNESS_DATABASE_URL"}
        words = [*harness_command("worker", "--slots", 1, "--drain"), "--folder", str(folder)]
        process = subprocess.Popen(words, cwd=ROOT, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
        try:
            until(lambda: bool(ledger.runs(states=(State.RUNNING,))))
            until(lambda: len(of(folder, engine)) >= 2)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)


def test_a_worker_that_is_told_to_stop_leaves_none(tmp_path: Path, engine: Engine) -> None:
    with at_work(tmp_path, engine) as process:
        process.terminate()
        process.wait(120)
        assert not of(tmp_path, engine)
    with Ledger(tmp_path) as ledger:
        assert not ledger.runs(states=(State.RUNNING,))


def test_what_a_killed_worker_leaves_ends_and_is_swept(tmp_path: Path, engine: Engine) -> None:
    with at_work(tmp_path, engine) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        left = of(tmp_path, engine)
        assert left
        until(lambda: not any(engine.state(one).get("Running") for one in left), 60.0)  # their streams were closed
        sweep(engine)
        assert not of(tmp_path, engine)


def test_a_drained_queue_leaves_none_and_comes_to_the_same(tmp_path: Path, engine: Engine) -> None:
    with at_work(tmp_path, engine) as process:
        assert process.wait(900) == 0
        assert not of(tmp_path, engine)
    with Ledger(tmp_path) as ledger:
        states = [run.state for run in ledger.runs()]
        assert sorted(states) == sorted([State.COMPLETED, State.DUPLICATE, State.DUPLICATE])
