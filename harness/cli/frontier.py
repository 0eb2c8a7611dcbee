"""`harness frontier`: reward against divergence over betas, for several losses in one picture."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from harness.cli.progress import say, tell_json
from harness.cli.sweeping import Numbers, plain_metrics, sweep_options, swept
from harness.core.files import save_bytes
from harness.ladder.frontier import at_equal, curve_of
from harness.ladder.sweep import changed
from harness.ledger.records import plain
from harness.plots import plots
from harness.plots.frontier_curves import DIVERGENCES
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.cli.sweeping import Swept
    from harness.ladder.frontier import AtEqual
    from harness.ladder.plan import RungPlan
    from harness.plots.frontier_curves import Curve, Estimate

#: The paper's sweep without its ends, which the small model of `reviews` does not learn with.
_BETAS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_TOLD = ",".join(f"{beta:g}" for beta in _BETAS)


@click.command("frontier")
@click.option(
    "--betas",
    type=Numbers(),
    help=f"The betas to train at.  [default: the ladder's own where it has several, else {_TOLD}]",
)
@click.option(
    "--divergence",
    type=click.Choice(list(DIVERGENCES)),
    default="kl",
    show_default=True,
    help="Which one the tables show; the document and the pictures have all.",
)
@click.option("--at", type=Numbers(), default=(), help="Compare rewards at these.  [default: along the first loss's]")
@sweep_options(seeds=3, out="frontier")
def frontier_command(words: tuple[str, ...], *, json_wanted: bool, **given: Any) -> None:
    """Train losses at several betas and seeds, and hold reward against divergence from the reference.

    LOSS is a file, or the name of a loss of the catalogue; the others are compared with the first. What was trained is
    kept in the folder, and not trained again. Written are a document, frontier.json, and a picture for each divergence:
    KL both ways, of an answer and of a token. Intervals are Student's over seeds, 95 %, each by itself. A
    reward at equal divergence is the most that a loss reaches with no more than that, on straight lines between its
    betas at each seed; nothing is extrapolated.

    Exit code: 0, 1 a loss was refused or failed, 2 the command makes no sense, 3 a fault of ours.
    """
    found = swept(
        words,
        lambda plan: [changed(plan, betas=(beta,)) for beta in _betas(plan, given["betas"])],
        lambda training: f"beta {_beta(training.plan):g}",
        given,
    )
    measured: dict[str, dict[int, dict[str, float]]] = {}
    for training, metrics in found.found.items():
        measured.setdefault(training.loss, {}).setdefault(training.seed, {}).update(metrics)
    whole = {name: by_seed for name, by_seed in measured.items() if name not in found.failed}
    curves = {d: [curve_of(name, by_seed, d) for name, by_seed in whole.items()] for d in DIVERGENCES}
    at = {d: at_equal(whole, d, sorted(given["at"]) if d == given["divergence"] else ()) for d in DIVERGENCES}
    document = _document(found, _betas(found.rung, given["betas"]), given["seeds"], curves, at)
    folder = given["out"] or given["folder"] / "frontier"
    _write(document, curves, folder, found.rung.name)
    if json_wanted:
        tell_json(document)
    else:
        _print(curves[given["divergence"]], at[given["divergence"]], given["divergence"])
    sys.exit(found.exit_code)


def _betas(plan: RungPlan, given: tuple[float, ...] | None) -> list[float]:
    """The betas that were asked for, else the rung's own where these are several."""
    own = dict(plan.settings).get("betas")
    return sorted(given or (own if isinstance(own, tuple) and len(own) > 1 else _BETAS))


def _beta(plan: Any) -> float:
    return float(dict(plan.settings)["betas"][0])


def _document(
    found: Swept, betas: list[float], seeds: int, curves: Mapping[str, list[Curve]], at: Mapping[str, list[AtEqual]]
) -> Any:
    made = found.as_json()
    made["settings"].pop("betas", None)
    trainings = [
        {"loss": t.loss, "beta": _beta(t.plan), "seed": t.seed, "metrics": plain_metrics(metrics)}
        for t, metrics in found.found.items()
    ]
    return plain(
        {
            "schema": "harness.frontier/v1",
            **made,
            "betas": betas,
            "seeds": list(range(seeds)),
            "trainings": trainings,
            "curves": {d: [curve.as_json() for curve in each] for d, each in curves.items()},
            "at_equal": {d: [asdict(row) for row in rows] for d, rows in at.items()},
        }
    )


def _write(document: Any, curves: Mapping[str, list[Curve]], folder: Path, rung: str) -> None:
    from harness.plots import picture_frontier  # noqa: PLC0415 - an extra of the package

    plots.make_folder(folder, parents=True)
    save_bytes((json.dumps(document, indent=1, sort_keys=True) + "\n").encode(), folder / "frontier.json")
    drawn = 0
    for divergence, lines in curves.items():
        if any(curve.points for curve in lines):
            title = f"Reward against divergence, {rung}"
            picture_frontier.draw(lines, folder, stem=f"frontier-{divergence}", title=title, divergence=divergence)
            drawn += 1
    say(f"harness: wrote frontier.json and {drawn} pictures, each as SVG and PNG, in {folder}")


def _print(curves: list[Curve], rows: list[AtEqual], divergence: str) -> None:
    console = Terminal()
    points = Table("loss", "beta", divergence, "reward", title="means over seeds, with 95 % intervals")
    for curve in curves:
        for point in curve.points:
            points.add_row(Text(curve.name), f"{point.beta:g}", _told(point.kl), _told(point.reward))
        for beta in curve.lost:
            points.add_row(Text(curve.name), f"{beta:g}", "not finite", "")
    console.print(points)
    if not rows:
        console.print(Text("no divergence is common to all seeds of the first loss: no rewards are compared"))
        return
    first = next(iter(rows[0].rewards))
    equal = Table(divergence, "loss", "reward", f"less {first}", title="reward at equal divergence")
    for row in rows:
        for name, reward in row.rewards.items():
            less = "" if name == first else _told(row.differences[name], signed=True)
            equal.add_row(f"{row.kl:g}" if name == first else "", Text(name), _told(reward), less)
        equal.add_section()
    console.print(equal)


def _told(found: Estimate | None, *, signed: bool = False) -> str:
    """A mean and its interval; nothing where a loss did not come to this divergence at every seed."""
    if found is None:
        return ""
    sign = "+" if signed else ""
    spread = f" ({found.low:{sign}.3f} to {found.high:{sign}.3f})" if found.half else ""
    return f"{found.mean:{sign}.3f}{spread}"
