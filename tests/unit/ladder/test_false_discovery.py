"""Of what is called a discovery among many, few are false; and the ladder's own runs can be asked."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli.leaderboard import leaderboard_command
from harness.core.candidate import Candidate
from harness.core.errors import UserError
from harness.ladder.false_discovery import among, e_bh, families
from harness.ladder.ladder import load
from harness.ledger import Ledger
from harness.ledger.records import Decision, Score

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
        found = {s.run for s in among(runs, dict.fromkeys(runs, base), PLAN, 0.1) if s.found}
        shares.append(len(found & set(range(24))) / max(len(found), 1))
        power.append(len(found & set(range(24, 30))) / 6)
    assert np.mean(shares) <= 0.1
    assert np.mean(power) >= 0.5


def test_one_gate_for_each_would_find_things_that_are_not_there() -> None:
    draw = np.random.Generator(np.random.PCG64(2))
    naive = rate = 0
    for _ in range(10):
        runs, base = drawn(draw, [0.0] * 60, 5)
        standings = among(runs, dict.fromkeys(runs, base), PLAN, 0.05)
        naive += sum(s.low > 0.0 for s in standings)
        rate += sum(s.found for s in standings)
    assert naive >= 5
    assert rate == 0


def test_a_standing_says_what_it_rests_on() -> None:
    base = {s: {"score": 0.5} for s in range(5)}
    good = {s: {"score": 0.55 + 0.001 * s} for s in range(5)}
    bad = {s: {"score": 0.45 + 0.001 * s} for s in range(5)}
    broken = {0: {"score": math.nan}, 1: {"score": 0.9}}
    bases = dict.fromkeys((1, 2, 3), base)
    first, *rest = among({1: bad, 2: good, 3: broken}, bases, PLAN, 0.05)
    assert (first.run, first.found, first.seeds) == (2, True, 5)
    assert first.sentence.startswith("better than dpo by 0.052 (score), 95 % interval 0.050 to 0.054, 5 paired seeds; ")
    assert first.sentence.endswith("needed among 3 candidates: a discovery")
    assert [s.run for s in rest] == [1, 3]
    assert not any(s.found for s in rest)
    assert "not comparable" in rest[1].sentence
    assert not any(s.found for s in among({1: bad, 2: good}, bases, PLAN, 0.05, least=0.06))


def test_what_broke_a_rail_or_was_not_measured_is_counted_and_never_found() -> None:
    """Whoever left them out would need less evidence for the others: that is how losers make discoveries of winners."""
    base = {s: {"score": 0.5} for s in range(5)}
    good = {s: {"score": 0.55 + 0.001 * s} for s in range(5)}
    runs: dict[int, Seeds] = {1: good, 2: good, 3: {}, 4: good}
    found = {s.run: s for s in among(runs, {1: base, 2: base, 4: {}}, PLAN, 0.05, fallen={2})}
    assert [found[run].evidence for run in (2, 3, 4)] == [0.0, 1.0, 1.0]
    assert [found[run].found for run in (1, 2, 3, 4)] == [True, False, False, False]
    assert found[1].needed == 4 / 0.05
    assert "among 4 candidates" in found[1].sentence


FATES = ("better", "better again", "worse", "same", "rail", "fell", "waits", "below")


def filled(ledger: Ledger) -> dict[str, int]:
    """A ledger with runs of each fate; the second is the function of the first in other words, run all the same."""
    draw = np.random.Generator(np.random.PCG64(3))
    gains = {"better": 0.2, "better again": 0.2, "worse": -0.2, "same": 0.0, "rail": 0.3}
    out = {}
    for number, fate in enumerate(FATES):
        text = f"# {number}".encode()
        one = Candidate(f"{number}.py", text, hashlib.sha256(text).hexdigest())
        words: dict[str, Any] = {"profile": LADDER.name, "profile_digest": LADDER.digest, "needs": "cpu"}
        (made,) = ledger.submit([(one, fate)], again=fate == "better again", **words)
        held = ledger.claim("w", slot=f"s{number}", needs=("cpu",), only=made.run)
        assert held is not None
        out[fate] = made.run
        for plan in LADDER.rungs[:2]:
            word = "reject" if (fate, plan.name) == ("below", "properties") else "promote"
            if plan.name == "properties" and word == "promote":
                ledger.same_function(held, "a" * 64 if fate.startswith("better") else text.hex(), lambda _: None)
            told: dict[str, Any] = {"rung": plan.name, "decision": Decision(word, ""), "evaluation": plan.name}
            ledger.checkpoint(held, scores=(), next_needs="cpu", **told)
        if fate == "fell":
            told = {"rung": "bandit", "decision": Decision("reject", "P302"), "evaluation": "b"}
            ledger.checkpoint(held, scores=(), next_needs=None, **told)
        for seed in range(6) if fate in gains else ():
            score = Score(seed, "score", 0.5 + gains[fate] + 0.01 * draw.normal())
            ledger.save_scores(held, "bandit", [score, Score(seed, "kl", 1.0)])
            ledger.attach(held, "bandit", f"baseline-{seed}.json", b'{"score": 0.5}')
        if fate == "rail":
            decision = Decision("reject", "kl is 9 for seed 5", {"rail": "kl"})
            ledger.checkpoint(held, scores=(), rung="bandit", decision=decision, evaluation="b", next_needs=None)
    return out


def test_all_that_came_to_a_rung_are_tested_and_each_function_once(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        runs = filled(ledger)
        (family,) = families(ledger, LADDER, 0.05)
        assert family.discoveries == (runs["better"],)
        assert {s.run for s in family.standings} == {runs[f] for f in FATES if f not in {"better again", "below"}}
        assert (family.unmeasured, family.repeated, family.below) == (2, 1, 1)
        assert family.standings[0].needed == pytest.approx(6 / 0.05)
        by_run = {s.run: s.evidence for s in family.standings}
        assert [by_run[runs[fate]] for fate in ("rail", "fell", "waits")] == [0.0, 0.0, 1.0]
        with pytest.raises(ValueError, match="false-discovery rate"):
            families(ledger, LADDER, 1.0)


def told(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(
        leaderboard_command, [*words, "--folder", str(folder)], env={"COLUMNS": "240"}, catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_leaderboard_names_the_discoveries_and_says_among_how_many(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        runs = filled(ledger)
    text = told(tmp_path, "--fdr", ".05")
    rows = {
        int(line.split("│")[-2]): line for line in text.splitlines() if line.startswith("│") and "baseline" not in line
    }
    assert "yes" in rows[runs["better"]]
    assert "counted once" in rows[runs["better again"]]
    assert all("no" in rows[runs[fate]] for fate in ("worse", "same", "rail"))
    (line,) = [line for line in text.splitlines() if line.startswith("bandit: discoveries")]
    assert "among all 6 functions that came there (2 of them not measured; 1 more" in line
    assert f": run {runs['better']}; evidence of 120 was needed" in line
    assert "evidence" not in told(tmp_path), "nobody asked for it"
    document = json.loads(told(tmp_path, "--fdr", ".05", "--json", "--limit", "1"))
    (family,) = document["fdr"]["families"]
    assert len(document["rows"]) == 1
    assert (family["tested"], family["discoveries"], family["held_out"]) == (6, [runs["better"]], False)
    assert len(family["standings"]) == 6, "losers count, whether they are shown or not"


@pytest.mark.parametrize("rate", ["0", "1", "nan", "-1", "few"])
def test_a_rate_that_is_none_is_the_users_mistake(tmp_path: Path, rate: str) -> None:
    with Ledger(tmp_path):
        pass
    done = CliRunner().invoke(leaderboard_command, ["--fdr", rate, "--folder", str(tmp_path)])
    assert done.exit_code == 2 or isinstance(done.exception, UserError)
