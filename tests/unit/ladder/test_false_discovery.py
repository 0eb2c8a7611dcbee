"""Of what is called a discovery among many, few are false; and the ladder's own runs can be asked."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.core.candidate import Candidate
from harness.ladder.false_discovery import among, e_bh, over_ladder
from harness.ladder.ladder import load
from harness.ledger import Ledger
from harness.ledger.records import Score

if TYPE_CHECKING:
    from pathlib import Path

    Seeds = dict[int, dict[str, float]]

LADDER = load("bandit")
PLAN = LADDER.rungs[2]


def test_the_largest_set_that_its_evidence_bears() -> None:
    assert e_bh({1: 40.0, 2: 39.0, 3: 0.1, 4: 0.0}, 0.05) == (frozenset(), 80.0)
    assert e_bh({1: 41.0, 2: 40.0, 3: 0.1, 4: 0.0}, 0.05) == (frozenset({1, 2}), 40.0)
    assert e_bh({1: 79.0}, 0.05) == (frozenset({1}), 20.0)
    assert e_bh({}, 0.05) == (frozenset(), 0.0)
    assert e_bh({1: math.inf, 2: 1.0}, 0.05)[0] == {1}


@pytest.mark.parametrize("bad", [-1.0, math.nan])
def test_evidence_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="evidence of 2"):
        e_bh({1: 1.0, 2: bad}, 0.05)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_a_rate_that_is_none_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="false-discovery rate"):
        e_bh({1: 1.0}, alpha)


def drawn(draw: np.random.Generator, effects: list[float], seeds: int) -> tuple[dict[int, Seeds], Seeds]:
    """Runs and their baseline: all share the baseline's noise, as runs of a ladder do."""
    shared = 0.02 * draw.normal(size=seeds)
    base = {s: {"score": 0.5 + shared[s]} for s in range(seeds)}
    runs = {
        run: {s: {"score": 0.5 + effect + 0.5 * shared[s] + 0.01 * draw.normal()} for s in range(seeds)}
        for run, effect in enumerate(effects)
    }
    return runs, base


def test_few_discoveries_are_false_though_all_share_a_baseline() -> None:
    draw = np.random.Generator(np.random.PCG64(1))
    effects = [0.0] * 24 + [0.06] * 6
    shares, power = [], []
    for _ in range(40):
        runs, base = drawn(draw, effects, 7)
        found = {s.run for s in among(runs, base, PLAN, 0.1) if s.found}
        shares.append(len(found & set(range(24))) / max(len(found), 1))
        power.append(len(found & set(range(24, 30))) / 6)
    assert np.mean(shares) <= 0.1
    assert np.mean(power) >= 0.5


def test_one_gate_for_each_would_find_things_that_are_not_there() -> None:
    draw = np.random.Generator(np.random.PCG64(2))
    naive = rate = 0
    for _ in range(10):
        runs, base = drawn(draw, [0.0] * 60, 5)
        standings = among(runs, base, PLAN, 0.05)
        naive += sum(s.low > 0.0 for s in standings)
        rate += sum(s.found for s in standings)
    assert naive >= 5
    assert rate == 0


def test_a_standing_says_what_it_rests_on() -> None:
    base = {s: {"score": 0.5} for s in range(5)}
    good = {s: {"score": 0.55 + 0.001 * s} for s in range(5)}
    bad = {s: {"score": 0.45 + 0.001 * s} for s in range(5)}
    broken = {0: {"score": math.nan}, 1: {"score": 0.9}}
    first, *rest = among({1: bad, 2: good, 3: broken}, base, PLAN, 0.05)
    assert (first.run, first.found, first.seeds) == (2, True, 5)
    assert first.sentence.startswith("better than dpo by 0.052 (score), 95 % interval 0.050 to 0.054, 5 paired seeds; ")
    assert first.sentence.endswith("needed among 3 candidates: a discovery")
    assert [s.run for s in rest] == [1, 3]
    assert not any(s.found for s in rest)
    assert "not comparable" in rest[1].sentence
    assert not any(s.found for s in among({1: bad, 2: good}, base, PLAN, 0.05, least=0.06))


def test_a_ladder_is_asked_for_all_its_runs(tmp_path: Path) -> None:
    draw = np.random.Generator(np.random.PCG64(3))
    with Ledger(tmp_path / "ledger") as ledger:
        for number, gain in enumerate((0.2, -0.2, 0.0)):
            text = f"# {number}".encode()
            one = Candidate(f"{number}.py", text, hashlib.sha256(text).hexdigest())
            ledger.submit([(one, "loss")], profile=LADDER.name, profile_digest=LADDER.digest, needs="cpu")
            held = ledger.claim("w", slot=f"s{number}", needs=("cpu",))
            assert held is not None
            for seed in range(6):
                score = Score(seed, "score", 0.5 + gain + 0.01 * draw.normal())
                ledger.save_scores(held, "bandit", [score, Score(seed, "kl", 1.0)])
        standings = over_ladder(ledger, LADDER, "bandit", lambda *_: {"score": 0.5}, 0.05)
        assert [s.found for s in standings] == [True, False, False]
        assert standings[0].run == min(s.run for s in standings)
        assert "among 3 candidates" in standings[0].sentence
        with pytest.raises(ValueError, match="no rung 'magic'"):
            over_ladder(ledger, LADDER, "magic", lambda *_: {}, 0.05)
        with pytest.raises(ValueError, match="nothing by seed"):
            over_ladder(ledger, LADDER, "screen", lambda *_: {}, 0.05)
