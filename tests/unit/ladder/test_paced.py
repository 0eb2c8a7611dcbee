"""Lines in logs: one every half a minute, on standard error, with what is done and what is left."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from ledger_samples import checkpoint, claim, submit

from harness.cli import paced
from harness.cli.image import _progress
from harness.cli.paced import Paced
from harness.cli.worker import Standing
from harness.ledger import Ledger
from harness.ledger.progress import Underway

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_is_due_after_half_a_minute_and_no_sooner() -> None:
    clock, told, what = Clock(), list[str](), ["one"]
    lines = Paced(lambda: what[0], clock=clock, tell=told.append)
    for second in range(1, 301):
        clock.now = float(second)
        what[0] = "" if 100 <= second < 125 else f"at {second}"  # for a while there is nothing to say
        lines.look()
    assert told == [f"after {paced.told_seconds(s)}: at {s}" for s in (30, 60, 90, 125, 155, 185, 215, 245, 275)]


def test_a_build_tells_the_step_that_it_is_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[Callable[[], str]] = []

    def noted(what: Callable[[], str]) -> object:
        said.append(what)
        return paced.paced(what)

    monkeypatch.setattr("harness.cli.image.paced", noted)
    with _progress("building the sandbox image") as say:
        assert said[0]() == "building the sandbox image: looks at what is there"
        say("Step 5/9 : RUN \x1b[31mpip")
        told = said[0]()
    assert told.startswith("building the sandbox image: Step 5/9 : RUN ")
    assert "\x1b" not in told
    assert capsys.readouterr() == ("", "")


def test_a_worker_tells_what_ended_what_is_left_and_what_is_trained(tmp_path: Path) -> None:
    clock = Clock()
    with Ledger(tmp_path) as ledger:
        submit(ledger, range(5))
        checkpoint(ledger, claim(ledger), 0, next_needs=None)
        standing = Standing(tmp_path, None, clock)
        assert standing.line() == "0 runs ended, 0 running, 4 queued"
        checkpoint(ledger, claim(ledger), 0, next_needs=None)
        held = claim(ledger)
        ledger.tell(held, Underway("candidate", "one", 2, "train", "", 30, 120, 15.0))
        clock.now = 50.0
        head, trained = standing.line().split("; ")
        assert head == "1 runs ended, 1 running, 2 queued, about 2 min left at this pace"
        assert trained == f"run {held.run.id} candidate, seed 2: train, 25%, 45 s left"
    assert Standing(tmp_path / "none", None).line() == "", "a ledger that is away costs a line and nothing else"
    assert not (tmp_path / "none").exists()


def test_they_come_by_themselves_and_standard_output_is_for_results() -> None:
    words = (
        "import time; from harness.cli import paced; paced._LOOK = 0.01\n"
        "paced.Paced.__init__.__kwdefaults__['between'] = 0.0\n"
        "with paced.paced(lambda: 'works'): time.sleep(0.2)\n"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "works" in done.stderr
