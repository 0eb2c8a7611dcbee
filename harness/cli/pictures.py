"""All pictures that a run in the ledger has: the loss, its stability, learning curves, reward against divergence."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from harness.core.result import CheckResult
from harness.core.verdict import Accepted
from harness.ladder.board import baselines_of
from harness.ladder.curves import by_seed, curves
from harness.ladder.frontier import curve_of
from harness.ladder.ladder import ladder_for
from harness.plots import plots

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.ledger import Ledger
    from harness.ledger.records import Run

_CURVE = re.compile(r"curve-(\d+)\.json")


def draw_run(ledger: Ledger, run: Run, folder: Path) -> list[Path]:
    """Draw what the run has come to, into a folder that is made. Raises UserError where it or matplotlib is missing."""
    plots.require_matplotlib()
    from harness.plots import (  # noqa: PLC0415 - an extra of the package
        frontier_curves,
        picture_frontier,
        picture_judgement,
        picture_learning,
    )

    plots.make_folder(folder, parents=True)
    out: list[Path] = []
    told: dict[str, dict[int, Any]] = defaultdict(dict)
    beside = baselines_of(ledger, run.id)
    for _, data in ledger.documents(run.id, "report.json"):
        shown = CheckResult(run.path, run.candidate, run.name, Accepted(()), json.loads(data)["results"][0]["facts"])
        out += plots.draw(shown, folder, stem="candidate")
    for one, data in ledger.documents(run.id, "curve-%.json"):
        if found := _CURVE.fullmatch(one.name):
            told[one.rung][int(found[1])] = json.loads(data)
    for one, data in ledger.documents(run.id, "judgement-%.json"):
        own = by_seed(ledger.scores(run.id).get(one.rung, ()))
        for seed, metrics in own.items():
            means = {run.name: metrics, _baseline(ledger, run, one.rung): beside.get(one.rung, {}).get(seed, {})}
            title = f"{run.name} at {one.rung}, training of seed {seed}"
            out += picture_judgement.draw(title, json.loads(data), means, folder, stem=f"{one.rung}-judgement")
    for rung, seeds in told.items():
        out += picture_learning.draw(f"{run.name} at {rung}", seeds, folder, stem=f"{rung}-learning")
    for rung, scores in ledger.scores(run.id).items():
        measured = by_seed(scores)
        worth = _worth({run.name: measured, _baseline(ledger, run, rung): beside.get(rung, {})})
        out += picture_learning.draw_worth(f"{run.name} at {rung}", worth, folder, stem=f"{rung}-curve")
        if all(any(name.startswith("kl_at_") for name in one) for one in measured.values()):  # at single betas
            lines = [*frontier_curves.references(), curve_of(run.name, measured)]
            out += picture_frontier.draw(lines, folder, stem=f"{rung}-frontier")
    return out


def _baseline(ledger: Ledger, run: Run, rung: str) -> str:
    """What a rung compares with, for a legend: without its name where the ladder is not known here."""
    ladder = ladder_for(ledger, run)
    name = next((plan.baseline for plan in ladder.rungs if plan.name == rung), "") if ladder is not None else ""
    if not name:
        return "baseline"
    return f"{name} (baseline)"


def _worth(measured: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, dict[str, list[Any]]]:
    """The learning curves among metrics: for each metric that the first name has, and each name, those of all seeds."""
    out: dict[str, dict[str, list[Any]]] = {}
    for name, seeds in measured.items():
        for _, metrics in sorted(seeds.items()):
            for metric, points in curves(metrics).items():
                out.setdefault(metric, {}).setdefault(name, []).append(points)
    first = next(iter(measured))
    return {metric: names for metric, names in out.items() if first in names}
