"""Who is ahead on a ladder: every measured run, by the highest rung it was measured at, with intervals.

Beside them stand the baselines, and each run's difference from its own on the same seeds, at the level of the gate that
decided. Ladders are told apart by their digests: runs of two of one name are never ranked against one another.
"""

from __future__ import annotations

import json
import math
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.ladder.evaluations import MEASURED, of_events
from harness.ladder.gate import Difference, interval
from harness.ladder.judge_settings import BESIDE
from harness.ladder.rungs import JUDGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.ladder.gate import Gate
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Decision, Run
    from harness.ledger.whole_ladder import Named

    #: For each seed, each metric.
    Seeds = dict[int, dict[str, float]]

_ALPHA = 0.05
_BASELINE = re.compile(r"baseline-(\d{1,9})\.json")
#: The same, as a query spells it; it lets more through.
_BASELINES = "baseline-%.json"


@dataclass(frozen=True)
class Standing:
    """One run's place: the mean of a rung's gate metric over its seeds, with its 95 % interval.

    `difference` is the run's less the baseline's, `against`, on the same seeds; None where those were not kept.
    `evaluation` tells by which code and image it was measured, and when; `outdated`, that it is not by those of the
    run that was measured last at this rung.
    """

    run: Run
    rung: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    against: str
    difference: Difference | None
    evaluation: tuple[float, str] | None = None
    outdated: bool = False
    #: What a judge's gate told beside the preference: win rate at equal length, ratio of lengths, price.
    beside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """What a rung's baseline reached, on the seeds that any run was measured at.

    `settled` is false where runs met other values at the same seed, as after a change of the harness: then the newest
    run's count here, and each run is compared with those that it met.
    """

    name: str
    rung: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    settled: bool


@dataclass(frozen=True)
class Board:
    """The best of all runs of a ladder that were measured, and the baselines of the rungs that any of all stands at."""

    rows: tuple[Standing, ...]
    baselines: tuple[Reference, ...]


@dataclass(frozen=True)
class _Place:
    """What a run is ranked by."""

    run: int
    came: int
    rung: str
    measured: Seeds
    mean: float


def board(ledger: Ledger, ladder: Ladder, limit: int | None = None) -> Board:
    """The best `limit` runs, or all; in the same few queries, however many runs there are.

    All are ranked, and of those alone that are shown more is computed.
    """
    order = {plan.name: place for place, plan in enumerate(ladder.rungs)}
    gates = {plan.name: plan.gate for plan in ladder.rungs if plan.gate is not None}
    came = ledger.ladder_places(ladder.digest)
    if came:  # what the first interval imports is loaded while the database is waited for
        threading.Thread(target=interval, args=((0.0, 1.0), _ALPHA), name="interval").start()
    measured = ledger.ladder_scores(ladder.digest, {rung: gate.metric for rung, gate in gates.items()})
    kept = KeptBaselines(ledger, ladder)
    highest = {run: max(rungs, key=order.__getitem__) for run, rungs in measured.items()}
    means = _means({run: _values(measured[run][rung], gates[rung].metric) for run, rung in highest.items()})
    places = [_Place(run, came.get(run, 0), rung, measured[run][rung], means[run]) for run, rung in highest.items()]
    by = {run: of_events(events) for run, events in ledger.ladder_events(ladder.digest, MEASURED).items()}
    newest: dict[str, tuple[float, str]] = {}
    for one in places:
        if (at := by.get(one.run, {}).get(one.rung)) is not None:
            newest[one.rung] = max(newest.get(one.rung, at), at)
    # A run that ended by a guard rail stands below all that did not, whatever its score.
    places.sort(key=lambda p: (-p.came, -order[p.rung], math.inf if math.isnan(p.mean) else -p.mean, p.run))
    shown = places[:limit]
    base = {one.run: kept.of(one.run, one.rung) for one in shown}
    # Of runs that kept no baseline, what their gates wrote down: few ledgers are as old.
    judged = {plan.name for plan in ladder.rungs if plan.kind in JUDGED}
    old = any(not set(one.measured) <= set(base[one.run]) or one.rung in judged for one in shown)
    told = ledger.ladder_decisions(ladder.digest) if old else {}
    known = ledger.numbered([one.run for one in shown])
    rows = []
    for one in shown:
        gate = gates[one.rung]
        values = _values(one.measured, gate.metric)
        spread = (*interval(values, _ALPHA), len(values))
        decided = told.get(one.run, {}).get(one.rung)
        # A judge's gate decides by prompts of one training: its interval is not that of seeds.
        difference = _difference(gate, one.measured, {} if one.rung in judged else base[one.run], decided)
        detail = decided.detail if decided is not None and one.rung in judged else {}
        beside = {name: float(str(detail[name])) for name in BESIDE if name in detail}
        at = by.get(one.run, {}).get(one.rung)
        outdated = at is not None and at[1] != newest[one.rung][1]
        what = (
            known[one.run],
            one.rung,
            gate.metric,
            one.mean,
            *spread,
            gate.against,
            difference,
            at,
            outdated,
            beside,
        )
        rows.append(Standing(*what))
    return Board(tuple(rows), tuple(_references(ladder, kept, places)))


def _references(ladder: Ladder, kept: KeptBaselines, places: Sequence[_Place]) -> Iterator[Reference]:
    """The baselines of the rungs that these runs stand at."""
    for plan in ladder.rungs:
        if plan.gate is None:
            continue
        # Most runs met the same documents as others: of each set the newest counts.
        sets = {kept.named(one.run, one.rung): one.run for one in sorted(places, key=_by_run) if one.rung == plan.name}
        known: Seeds = {}
        settled = True
        for run in sorted(sets.values()):
            for seed, metrics in kept.of(run, plan.name).items():
                settled = settled and known.get(seed, metrics).get(plan.gate.metric) == metrics.get(plan.gate.metric)
                known[seed] = metrics
        if known:
            values = _values(known, plan.gate.metric)
            spread = (*interval(values, _ALPHA), len(values))
            yield Reference(plan.baseline, plan.name, plan.gate.metric, _means({0: values})[0], *spread, settled)


def _by_run(one: _Place) -> int:
    return one.run


class KeptBaselines:
    """What the baselines reached, as it was kept with the runs of a ladder."""

    def __init__(self, ledger: Ledger, ladder: Ladder) -> None:
        self._named, contents = ledger.ladder_documents(ladder.digest, _BASELINES)
        self._metrics = {digest: _metrics(data) for digest, data in contents.items()}

    def named(self, run: int, rung: str) -> Named:
        """The documents of a run's rung by name and digest."""
        return self._named.get(run, {}).get(rung, ())

    def of(self, run: int, rung: str) -> Seeds:
        """What they say, by seed."""
        found = ((_BASELINE.fullmatch(name), digest) for name, digest in self.named(run, rung))
        return {int(name[1]): self._metrics[digest] for name, digest in found if name is not None}


def baselines_of(ledger: Ledger, run: int) -> dict[str, Seeds]:
    """What the baselines reached at a run's rungs, as they were kept with it; by rung and seed."""
    out: dict[str, Seeds] = {}
    for one, data in ledger.documents(run, _BASELINES):
        if found := _BASELINE.fullmatch(one.name):
            out.setdefault(one.rung, {})[int(found[1])] = _metrics(data)
    return out


def _metrics(data: bytes) -> dict[str, float]:
    return {name: float(value) for name, value in json.loads(data).items()}


def _difference(gate: Gate, measured: Seeds, baseline: Seeds, decided: Decision | None) -> Difference | None:
    """From what was kept with the run; from what its gate wrote down where runs are older than that."""
    if baseline and set(measured) <= set(baseline):
        return gate.difference(measured, baseline)
    told = decided.detail if decided is not None else {}
    numbers = [told.get(name) for name in ("difference", "low", "high", "prompts" if "prompts" in told else "seeds")]
    if None in numbers:
        return None
    mean, low, high, seeds = (float(str(number)) for number in numbers)
    return Difference(mean, low, high, int(seeds))


def _values(measured: Mapping[int, Mapping[str, float]], metric: str) -> list[float]:
    return [metrics[metric] for _, metrics in sorted(measured.items()) if metric in metrics]


def _means(values: Mapping[int, list[float]]) -> dict[int, float]:
    """The mean of each; all of one length at once, which is bit for bit the same and takes a tenth of the time."""
    lengths: dict[int, list[int]] = {}
    for key, each in values.items():
        lengths.setdefault(len(each), []).append(key)
    out = dict.fromkeys(lengths.pop(0, ()), math.nan)
    for keys in lengths.values():
        out |= zip(keys, np.mean([values[key] for key in keys], axis=1).tolist(), strict=True)
    return out
