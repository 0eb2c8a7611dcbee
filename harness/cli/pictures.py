"""All pictures that a run in the ledger has: the loss, its stability, learning curves, reward against divergence."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from harness.report import picture_frontier, picture_learning, plots
from harness.result import CheckResult
from harness.verdict import Accepted

if TYPE_CHECKING:
    from pathlib import Path

    from harness.ledger import Ledger
    from harness.ledger.records import Run

_CURVE = re.compile(r"curve-(\d+)\.json")


def draw_run(ledger: Ledger, run: Run, folder: Path) -> list[Path]:
    """Draw what the run has come to, into a folder that is made. Raises UserError where matplotlib is missing."""
    plots.require_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    out: list[Path] = []
    curves: dict[str, dict[int, Any]] = defaultdict(dict)
    for one in ledger.attachments(run.id):
        if one.name == "report.json":
            result = json.loads(ledger.document(one.sha256))["results"][0]
            shown = CheckResult(run.path, run.candidate, run.name, Accepted(()), result["facts"])
            out += plots.draw(shown, folder, stem="candidate")
        elif found := _CURVE.fullmatch(one.name):
            curves[one.rung][int(found[1])] = json.loads(ledger.document(one.sha256))
    for rung, by_seed in curves.items():
        out += picture_learning.draw(f"{run.name} at {rung}", by_seed, folder, stem=f"{rung}-learning")
    for rung, scores in ledger.scores(run.id).items():
        measured: dict[int, dict[str, float]] = defaultdict(dict)
        for score in scores:
            measured[score.seed][score.metric] = score.value
        if all("reward" in one and "kl" in one for one in measured.values()):
            curve = picture_frontier.curve_of(run.name, measured)
            lines = [*picture_frontier.references(), curve]
            out += picture_frontier.draw(lines, folder, stem=f"{rung}-frontier")
    return out
