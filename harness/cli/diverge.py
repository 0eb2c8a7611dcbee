"""`harness diverge`: whether trainings stay finite at large betas, clipped or not, and what was foretold."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from harness.cli.progress import say, tell_json
from harness.cli.sweeping import Numbers, sweep_options, swept
from harness.core.files import save_bytes
from harness.ladder.divergence import Diverged, limits_of
from harness.ladder.sweep import changed
from harness.ledger.records import plain
from harness.plots import plots
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@click.command("diverge")
@click.option("--betas", default="0.05,0.5,1,2.5,5", show_default=True, type=Numbers(), help="The betas to train at.")
@click.option(
    "--clips",
    default="none,1",
    show_default=True,
    type=Numbers({"none": 0.0}),
    help="The norms to clip gradients at; none is for not.",
)
@click.option(
    "--rate", default=5e-3, show_default=True, type=click.FloatRange(0, 1, min_open=True), help="Adam's rate."
)
@click.option("--epochs", default=4, show_default=True, type=click.IntRange(1, 1000), help="Epochs of a training.")
@sweep_options(seeds=1, out="diverge")
def diverge_command(words: tuple[str, ...], *, json_wanted: bool, **given: Any) -> None:
    """Train losses at betas up to large ones, with clipped gradients and without, and tell which stay finite.

    LOSS is a file, or the name of a loss of the catalogue. Beside the lowest x = beta rho that a training met stands
    the limit that the stability map of the same loss foretells, in answers of its sandbox and not from a training.
    The rate is far above the ladder's, so that such margins are met. What was trained is kept in the folder. Written
    are a document, diverge.json, and a picture with the limits drawn in.

    Exit code: 0, finite or not, 1 a loss was refused or failed, 2 the command makes no sense, 3 a fault of ours.
    """
    betas = sorted(given["betas"])
    settings = {"rate": given["rate"], "epochs": given["epochs"]}
    found = swept(
        words,
        lambda plan: [changed(plan, betas=(beta,), clip=clip, **settings) for beta in betas for clip in given["clips"]],
        lambda training: f"beta {_of(training.plan)[0]:g}, {_clipped(_of(training.plan)[1])}",
        given,
        asks=lambda subject: limits_of(subject, betas),
    )
    trained = [
        Diverged.of(t.loss, *_of(t.plan), t.seed, metrics, found.asked[t.loss][_of(t.plan)[0]])
        for t, metrics in found.found.items()
        if t.loss not in found.failed
    ]
    made = found.as_json()
    made["settings"] |= settings
    for name in ("betas", "clip"):
        made["settings"].pop(name, None)
    document: Any = plain(
        {
            "schema": "harness.diverge/v1",
            **made,
            "limits": {name: {f"{b:g}": rho for b, rho in limits.items()} for name, limits in found.asked.items()},
            "trainings": [{**asdict(one), "foretold": one.foretold} for one in trained],
        }
    )
    folder = given["out"] or given["folder"] / "diverge"
    _write(document, trained, found.asked, folder)
    if json_wanted:
        tell_json(document)
    else:
        _print(trained)
    sys.exit(found.exit_code)


def _of(plan: Any) -> tuple[float, float]:
    """The beta and the clipping of a training."""
    settings = dict(plan.settings)
    return float(settings["betas"][0]), float(settings["clip"])


def _clipped(clip: float) -> str:
    return f"clipped at {clip:g}" if clip else "not clipped"


def _write(
    document: Any, trained: Sequence[Diverged], limits: Mapping[str, Mapping[float, float]], folder: Path
) -> None:
    from harness.plots import picture_divergence as picture  # noqa: PLC0415 - an extra of the package

    plots.make_folder(folder, parents=True)
    save_bytes((json.dumps(document, indent=1, sort_keys=True) + "\n").encode(), folder / "diverge.json")
    by_loss: dict[str, list[picture.Trained]] = {}
    for one in trained:
        shown = picture.Trained(one.beta, _clipped(one.clip), one.beta * one.lowest, one.finite, one.done)
        by_loss.setdefault(one.loss, []).append(shown)
    if by_loss:
        picture.draw(by_loss, limits, folder, stem="diverge")
    say(f"harness: wrote diverge.json and {'a picture' if by_loss else 'no picture'} in {folder}")


def _print(trained: Sequence[Diverged]) -> None:
    console = Terminal()
    console.print(
        "steps that were finite, the lowest rho and x = beta rho that were met, the stability map's limit of rho"
    )
    for name in dict.fromkeys(one.loss for one in trained):
        table = Table("beta", "clip", "seed", "steps", "rho", "x", "limit", "as foretold", title=Text(name))
        for one in (each for each in trained if each.loss == name):
            limit = f"{one.limit:.2f}" if math.isfinite(one.limit) else "none"
            steps = f"all {one.steps}" if one.finite else f"{one.done} of {one.steps}"
            settings = (f"{one.beta:g}", f"{one.clip:g}" if one.clip else "none", f"{one.seed}")
            figures = (f"{one.lowest:.2f}", f"{one.beta * one.lowest:.2f}", limit)
            table.add_row(*settings, steps, *figures, "yes" if one.as_foretold else "no")
        console.print(table)
    console.print(f"{sum(one.as_foretold for one in trained)} of {len(trained)} trainings came as the map foretells")
