"""What is being trained right now, as the ledger tells it while it runs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from ledger_samples import claim, submit

from harness.ledger.progress import Underway
from harness.ledger.queue import LeaseLostError

ONE = Underway("candidate", "two", 1, "train", "trains", 30, 120, 15.0, {"loss": ((10, 0.5), (30, math.nan))})


def test_how_far_a_training_is_can_be_read_while_it_runs(ledger):
    run, other = submit(ledger, range(2))
    held = claim(ledger)
    ledger.tell(held, replace(ONE, done=10))
    ledger.tell(held, replace(ONE, whose="dpo", seed=2))
    ledger.tell(held, ONE)
    candidate, dpo = ledger.underway(run)[run]
    assert (candidate.done, candidate.step, dpo.whose, dpo.seed) == (30, "train", "dpo", 2)
    assert candidate.left == pytest.approx(45.0)
    assert candidate.curve["loss"][0] == (10, 0.5)
    assert math.isnan(candidate.curve["loss"][1][1])
    assert ledger.underway(other) == {}
    assert list(ledger.underway()) == [run]


@pytest.mark.parametrize(("done", "total"), [(0, 10), (0, 0), (11, 10)])
def test_nothing_is_said_of_the_time_left_where_nothing_is_known(done, total):
    assert replace(ONE, done=done, total=total).left is None
    assert replace(ONE, elapsed=0.1).left is None


def test_a_seed_that_is_done_is_no_longer_under_way(ledger):
    (run,) = submit(ledger)
    held = claim(ledger)
    ledger.tell(held, ONE)
    ledger.tell(held, replace(ONE, whose="dpo", seed=2))
    ledger.over(held, 1)
    assert [one.whose for one in ledger.underway(run)[run]] == ["dpo"]
    ledger.over(held)
    assert ledger.underway(run) == {}


def test_nothing_is_under_way_for_a_run_that_has_ended(ledger):
    (run,) = submit(ledger)
    held = claim(ledger)
    ledger.tell(held, ONE)
    ledger.reject(held, "no")
    assert ledger.underway(run) == {}


def test_one_that_has_lost_its_lease_tells_nothing(ledger):
    (run,) = submit(ledger)
    zombie = claim(ledger)
    ledger.tell(zombie, ONE)
    assert ledger.renew(zombie, -1.0)
    held = ledger.claim("next", slot="next", needs=("cpu",), back_off=0.0) or claim(ledger, "next")
    assert held.attempt == 2
    assert ledger.underway(run) == {}, "of an attempt that is over"
    ledger.tell(held, replace(ONE, done=1))
    ledger.tell(zombie, replace(ONE, done=99))
    ledger.over(zombie)
    assert [one.done for one in ledger.underway(run)[run]] == [1]
    with pytest.raises(LeaseLostError):
        ledger.save_scores(zombie, "two", [])
