"""Rung 3's table: `python -m bench.reviews measure`, in pieces if need be, then `show`.

Every training that is measured is kept in reviews.json at once, under the settings that it was made with, so that a
second call goes on where the first one ended. Needs what trainers need (torch, transformers): see docs/install.md.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from harness.core.digests import json_digest
from harness.core.files import write_whole
from harness.ladder.gate import interval
from harness.ladder.ladder import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.trusted import TrustedLoss

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("reviews.json")


@click.group()
def main() -> None:
    """Measure rung 3."""
    os.environ["OMP_NUM_THREADS"] = "1"


@main.command()
@click.argument("losses", nargs=-1)
@click.option("--seeds", default=3, show_default=True, help="Seeds 0 to this number - 1.")
@click.option("--data", type=click.Path(path_type=Path), default=ROOT / "build" / "reviews", show_default=True)
@click.option("--minutes", default=1e9, help="Begin nothing after this time.")
def measure(losses: tuple[str, ...], seeds: int, data: Path, minutes: float) -> None:
    """Train with LOSSES (all: the catalogue and the broken ones), for each seed, with the ladder's own settings."""
    from bench.reviews_losses import BROKEN, GOOD  # noqa: PLC0415 - loads torch

    names = losses or (*GOOD, *BROKEN)
    _all([(n, s) for n in names for s in range(seeds)], data, minutes)


@main.command()
def show() -> None:
    """Print the separation table and what the ladder's gate makes of each loss."""
    from bench.reviews_losses import BROKEN, GOOD  # noqa: PLC0415 - loads torch

    gate = load("reviews").rungs[-1].gate
    assert gate is not None
    table = Table("loss", "reward", "gain over SFT", "minus DPO", "KL", "grammar", "length", "accuracy", "time", "gate")
    measured = scores((*GOOD, *BROKEN))
    for name, found in measured.items():
        base = {seed: metrics for seed, metrics in measured["dpo"].items() if seed in found}
        if found and len(base) == len(found):
            decision = gate.decide(found, base)
            said = "open" if decision is None else f"{decision.decision}: {decision.reason}"
            cells = [_span([m["reward"] for m in found.values()]), _span([m["reward_gain"] for m in found.values()])]
            cells += [_span([found[s]["reward"] - base[s]["reward"] for s in found])]
            cells += [_mean(found, n) for n in ("kl", "grammar", "length_ratio", "accuracy")]
            cost = median(m["seconds"] for m in found.values()) / median(m["seconds"] for m in base.values())
            table.add_row(name, *cells, f"{cost:.2f}", said)
    Console(width=200).print(table)


def scores(names: Sequence[str]) -> dict[str, dict[int, dict[str, float]]]:
    """What each loss was measured to reach with the ladder's own settings, by seed."""
    kept = _kept()
    keys = {name: {seed: _key(name, seed) for seed in range(64)} for name in names}
    return {name: {seed: kept[key] for seed, key in by.items() if key in kept} for name, by in keys.items()}


def _span(values: list[float]) -> str:
    low, high = interval(values, 0.05)
    return f"{sum(values) / len(values):+.3f} ({low:+.3f} to {high:+.3f})"


def _mean(found: dict[int, dict[str, float]], name: str) -> str:
    return f"{sum(m[name] for m in found.values()) / len(found):.3g}"


def _settings() -> dict[str, Any]:
    return dict(load("reviews").rungs[-1].settings)


def _key(name: str, seed: int) -> str:
    return f"{name}/{seed}/{json_digest(_settings())[:16]}"


def _kept() -> dict[str, dict[str, float]]:
    found = json.loads(RESULTS.read_text("utf-8"))["runs"] if RESULTS.exists() else {}
    return {key: {name: float(value) for name, value in one.items()} for key, one in found.items()}


def _all(wanted: list[tuple[str, int]], data: Path, minutes: float) -> None:
    """Measure what is not kept yet, seed by seed."""
    began = time.monotonic()
    for name, seed in sorted(wanted, key=lambda w: w[1]):
        key = _key(name, seed)
        if key in _kept() or time.monotonic() - began > 60 * minutes:
            continue
        found = measured(loss_of(name), seed, _settings(), data)
        kept = {k: {n: _plain(v) for n, v in m.items()} for k, m in {**_kept(), key: found}.items()}
        content = json.dumps({"made_with": _versions(), "runs": kept}, indent=1, sort_keys=True) + "\n"
        write_whole(RESULTS, content.encode())
        click.echo(f"{key}: reward {found['reward']:.3f}, KL {found['kl']:.2f}, {found['seconds']:.1f} CPU seconds")


def _versions() -> dict[str, str]:
    """What decides about the last bits, besides the settings."""
    import torch  # noqa: PLC0415 - slow to load, and `show` does without
    import transformers  # noqa: PLC0415 - as above

    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return {**versions, "cpu": torch.backends.cpu.get_cpu_capability(), "threads": str(torch.get_num_threads())}


def _plain(value: float) -> float | str:
    """JSON has no word for what is not finite."""
    return round(value, 6) if math.isfinite(value) else str(value)


def loss_of(name: str) -> TrustedLoss:
    """A loss of the catalogue or a broken one, by name."""
    from bench.reviews_losses import loss  # noqa: PLC0415 - loads torch

    return loss(name)


def measured(loss: TrustedLoss, seed: int, settings: dict[str, Any], data: Path) -> dict[str, float]:
    """Train and score in this process: the rung's metrics, and `seconds` of the processor."""
    from harness.protocol.job import Job, Step, silent  # noqa: PLC0415 - as above
    from harness.trainer.reviews import steps as reviews  # noqa: PLC0415 - as above

    folder = prepared(seed, settings, data)
    with TemporaryDirectory() as out:
        began = time.process_time()
        job = Job("reviews", Step.TRAIN, seed, settings, out=out, data=str(folder))
        trained = reviews.train(job, loss, silent)
        job = Job("reviews", Step.SCORE, seed, settings, weights=out, data=str(folder))
        scored = reviews.score(job, silent)
        return {**trained, **scored, "seconds": time.process_time() - began}


def prepared(seed: int, settings: dict[str, Any], data: Path) -> Path:
    """The folder of a seed's data; made where it is not there yet. One torch thread from here on."""
    import torch  # noqa: PLC0415 - slow to load, and `show` does without

    from harness.protocol.job import Job, Step, silent  # noqa: PLC0415 - as above
    from harness.trainer.reviews import steps as reviews  # noqa: PLC0415 - as above
    from harness.trainer.reviews.prepared import purpose  # noqa: PLC0415 - as above
    from harness.trainer.reviews.settings import Settings  # noqa: PLC0415 - as above

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    folder = data / purpose(Job("reviews", Step.PREPARE, seed, settings), Settings.of(settings))[:16]
    if not (folder / "about.json").exists():
        click.echo(f"prepares the data of seed {seed}")
        reviews.prepare(Job("reviews", Step.PREPARE, seed, settings, out=str(folder)), silent)
    return folder


if __name__ == "__main__":
    main()
