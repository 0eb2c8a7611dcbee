"""What `harness run` shows while a candidate climbs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from ledger_samples import claim, submit
from rich.console import Console

from harness.cli.run import _Seen
from harness.ladder.context import Progress, Training
from harness.ladder.ladder import load
from harness.ledger import Ledger
from harness.ledger.progress import Underway
from harness.ledger.records import Decision
from harness.protocol.job import Progress as At
from harness.protocol.job import Step

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> _Seen:
    """A display whose clock stands at 0 until `now` is set."""
    monkeypatch.setattr("time.monotonic", lambda: CLOCK["now"])
    CLOCK["now"] = 0.0
    return _Seen(load("reviews"))


CLOCK = {"now": 0.0}


def shown(seen: _Seen) -> str:
    out = io.StringIO()
    Console(file=out, width=160).print(seen.render())
    return out.getvalue()


def trains(done: int, *, whose: str = "candidate", seed: int = 0) -> Progress:
    at = At(done, 100, "trains [bold]\x1b[31m", {"loss": 0.25})
    return Progress("reviews", training=Training(whose, seed, Step.TRAIN, at))


def test_two_trainings_are_shown_at_once_with_their_time_left(seen: _Seen) -> None:
    seen.take(trains(0))
    seen.take(trains(0, whose="dpo", seed=1))
    CLOCK["now"] = 10.0
    seen.take(trains(25))
    told = shown(seen)
    assert "candidate, seed 0: train" in told
    assert "dpo, seed 1: train" in told
    assert "30 s left" in told
    assert "loss 0.250" in told
    assert "[bold]" in told, "as it was written"
    assert "\x1b" not in told


def test_a_seed_that_is_done_is_no_longer_trained(seen: _Seen) -> None:
    seen.take(trains(50))
    seen.take(trains(50, seed=1))
    seen.take(Progress("reviews", 0, {"reward": 0.7}, {"reward": 0.8}))
    told = shown(seen)
    assert "seed 0: train" not in told
    assert "seed 1: train" in told
    seen.take(Progress("reviews", decision=Decision("promote", "better")))
    assert "seed 1: train" not in shown(seen)


def test_the_time_left_counts_seeds_that_were_trained_side_by_side(seen: _Seen) -> None:
    seen.take(Progress("reviews"))
    CLOCK["now"] = 30.0
    for seed in range(3):  # the second was there when the first was told
        seen.take(Progress("reviews", seed, {"reward": 0.7}, {"reward": 0.8}))
    assert seen.left() == "at most 40 s more at this rung", "four more seeds at ten seconds each"
    seen.take(Progress("reviews", decision=Decision("promote", "better")))
    assert seen.left() == ""


def test_a_log_gets_all_of_it_in_a_line(seen: _Seen) -> None:
    seen.name = "2 of 3 run 7 dpo"
    assert seen.line() == "2 of 3 run 7 dpo: gets ready"
    seen.take(Progress("reviews"))
    seen.take(trains(0))
    CLOCK["now"] = 10.0
    seen.take(Progress("reviews", 0, {"reward": 0.7}, {"reward": 0.8}))
    seen.take(trains(25, seed=1))
    CLOCK["now"] = 20.0
    told = seen.line()
    assert told.startswith("2 of 3 run 7 dpo: reviews, seeds done: 1 of at most 7; candidate, seed 1: train (trains")
    assert "25%, 30 s left" in told
    assert told.endswith("at most 2 min more at this rung")
    assert "\x1b" not in told


def test_who_holds_the_run_and_until_when_is_told_with_what_is_done_there(seen: _Seen, tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        (number,) = submit(ledger)
        held = claim(ledger, "lab/17/x/y", "lab/cpu/0")
        ledger.tell(held, Underway("candidate", "reviews", 1, "train", "", 30, 120, 15.0))
        holder = ledger.holder(number)
        assert holder is not None
        assert seen.wait_for(holder, ledger, number)
        assert not seen.wait_for(holder, ledger, number), "that is no news"
        for told in (seen.line(), " ".join(shown(seen).split())):
            assert (
                "process 17 on lab (worker lab/cpu/0) is at it, whose lease ends in 30 s unless it is renewed" in told
            )
            assert "candidate, seed 1: train, 25%, 45 s left" in told
        seen.take(Progress("reviews"))  # it was taken over
        assert "lease" not in seen.line() + shown(seen)
