"""How often gates err where there is nothing to find: a ladder's baseline against itself, an A/A test of its rungs.

With the same text and the same seeds every difference is 0 by construction, and says nothing of a gate. Two things are
varied instead:

- **other seeds**: the baseline against the baseline, each run on seeds of its own, and both sides on different ones.
  The differences have the noise of two trainings that share nothing: more than a gate meets, whose pairs share data and
  order. That it is as wide makes the interval no less right: what is asked is whether it errs as seldom as is promised.
- **other words**: a text that is the same function in exact arithmetic, on the same seeds as the baseline, as a
  candidate is. The differences are what rounding comes to by the end of a training.

Nothing of it is a candidate's, and nothing is written into a ledger. Seeds begin far from those of gates, held-out
rungs, duels and tunings; each is measured once, and kept as baselines are.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import InfrastructureError
from harness.ladder.evidence import PromptGate, by_t
from harness.ladder.false_discovery import e_bh
from harness.ladder.gate import paired

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.ladder.gate import Gate, Measured
    from harness.ladder.plan import RungPlan

    #: The metrics of one text at a seed.
    Measure = Callable[[int], dict[str, float]]

#: The first seed.
FIRST_SEED = 10_000_000
#: What is varied.
SEEDS, WORDS = "other seeds", "other words"
#: Baselines of the catalogue in other words: the same functions in exact arithmetic.
OTHER_WORDS = {
    "dpo": """import torch.nn.functional as F


def dpo_in_other_words(
    policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta
):
    chosen = beta * (policy_chosen_logps - reference_chosen_logps)
    rejected = beta * (policy_rejected_logps - reference_rejected_logps)
    return -F.logsigmoid(chosen - rejected)
""",
    "cross_entropy": """import torch


def cross_entropy_in_other_words(logits, targets):
    right = logits.gather(1, targets[:, None])[:, 0]
    return torch.logsumexp(logits, dim=1) - right
""",
}


@dataclass(frozen=True)
class Share:
    """How many of how many, with the exact 95 % interval (Clopper and Pearson) of the share."""

    times: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high end; (0, 1) of none."""
        from scipy.special import betaincinv  # noqa: PLC0415 - the help of the command needs none of it

        k, n = self.times, self.of
        low = float(betaincinv(k, n - k + 1, 0.025)) if k else 0.0
        high = float(betaincinv(k + 1, n - k, 0.975)) if k < n else 1.0
        return low, high


@dataclass(frozen=True)
class Pair:
    """One run of an A/A test: what both sides reached, by place; place i of one side is held against i of the other."""

    candidate: Measured
    baseline: Measured


@dataclass(frozen=True)
class Tally:
    """What gates made of the runs of one rung. Each counter has all runs.

    `interval`: "better", "worse" or "left open" by the gate's own interval at margin 0, at the look that decides.
    `gate`: "promoted", "rejected", "left open" or "stopped by a rail", by the gate as it stands. `evidence` are the
    runs whose evidence for a lead ever reached 1 / alpha, looked at after every seed; `discoveries` what e-BH named
    among all of them. `differences` are those of all places of all runs.
    """

    rung: str
    varied: str
    alpha: float
    margin: float
    runs: int
    interval: Counter[str]
    gate: Counter[str]
    evidence: int
    discoveries: int
    differences: tuple[float, ...]


def seeds_of(plan: RungPlan, run: int) -> tuple[range, range]:
    """The seeds of both sides of a run, counted from 0: no two of all runs' are the same."""
    most = _gate(plan).looks[-1]
    start = FIRST_SEED + 2 * most * run
    return range(start, start + most), range(start + most, start + 2 * most)


def measured(plan: RungPlan, run: int, baseline: Measure, other: Measure | None) -> dict[str, Pair]:
    """One run of a rung; that in other words is on the seeds of the candidate's side. None: there are no words."""
    own, others = seeds_of(plan, run)
    here = {place: baseline(seed) for place, seed in enumerate(own)}
    out = {SEEDS: Pair(here, {place: baseline(seed) for place, seed in enumerate(others)})}
    if other is not None:
        out[WORDS] = Pair({place: other(seed) for place, seed in enumerate(own)}, here)
    return out


def tally(plan: RungPlan, varied: str, pairs: Sequence[Pair]) -> Tally:
    """What the gate of a rung makes of these runs."""
    gate = _gate(plan)
    intervals = Counter(_words(replace(gate, margin=0.0), one, ("better", "worse")) for one in pairs)
    gates = Counter(_words(gate, one, ("promoted", "rejected")) for one in pairs)
    differences = [paired(one.candidate, one.baseline, gate.metric) for one in pairs]
    ever = [max((by_t(each[:n]) for n in range(2, len(each) + 1)), default=1.0) for each in differences]
    named, _ = e_bh({run: by_t(each) for run, each in enumerate(differences)}, gate.alpha)
    return Tally(
        plan.name,
        varied,
        gate.alpha,
        gate.margin,
        len(pairs),
        intervals,
        gates,
        sum(evidence >= 1.0 / gate.alpha for evidence in ever),
        len(named),
        tuple(value for each in differences for value in each),
    )


def _gate(plan: RungPlan) -> Gate:
    if plan.gate is None:
        raise ValueError(f"the rung {plan.name} has no gate")
    return plan.gate


def _words(gate: Gate, pair: Pair, above_below: tuple[str, str]) -> str:
    """What a gate comes to that is asked look by look, in a word."""
    above, below = above_below
    try:
        for count in range(1, gate.looks[-1] + 1):
            decision = gate.decide({place: pair.candidate[place] for place in range(count)}, pair.baseline)
            if decision is None:
                continue
            if "rail" in decision.detail:
                break
            low, high = (float(str(decision.detail[end])) for end in ("low", "high"))
            return above if low > -gate.margin else below if high < -gate.margin else "left open"
    except InfrastructureError:  # both sides broke the same rail
        pass
    return "stopped by a rail"


def prompts(effects: Sequence[float], alpha: float, *, turns: int, most: int = 500, seed: int = 0) -> Counter[str]:
    """What the gate for prompts makes of effects that have no mean, in words as `Tally.interval`.

    `most` effects in each turn are drawn from the given ones, made as large as the gate takes them, with a sign by
    chance, so that their mean is 0 whatever they are. Nothing comes of effects that are all 0.
    """
    values = np.asarray([one for one in effects if math.isfinite(one)], dtype=np.float64)
    if not values.any():
        return Counter()
    values = values / float(np.abs(values).max())
    gate, draw = PromptGate(0.0, alpha, most, undecided="reject"), np.random.Generator(np.random.PCG64([seed, 61]))
    out: Counter[str] = Counter()
    for _ in range(turns):
        drawn = draw.choice(values, size=most) * draw.choice((-1.0, 1.0), size=most)
        decision = gate.decide(drawn)
        if decision is None:  # pragma: no cover - it decides at the last prompt
            continue
        enough = float(str(decision.detail["evidence_against"])) >= 2.0 / alpha
        out["better" if decision.decision == "promote" else "worse" if enough else "left open"] += 1
    return out
