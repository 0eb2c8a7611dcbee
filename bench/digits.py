"""`python -m bench.digits [LADDER] [--seeds N] [--data-dir DIR]`: losses for classification, ranked over paired seeds.

Each loss is trained as the ladder's last rung trains it, its settings, data and code, but with the candidate's text
called in this process: what crosses between processes changes no number of a loss that is honest, and these are ours.
The same seed gives every loss the same images, first weights and order. Writes `digits.json` beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.trainer.__main__ import ENVIRONMENT

os.environ |= ENVIRONMENT  # before numpy and torch

import numpy as np
import torch

from harness.ladder.gate import interval
from harness.ladder.ladder import load
from harness.protocol.job import Job, Step, silent
from harness.trainer.__main__ import settle
from harness.trainer.images import steps as images

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
CATALOGUE, EXAMPLES = ROOT / "harness" / "losses" / "classification", ROOT / "examples" / "classification"
NAMES = ("cross_entropy", "label_smoothing", "squared_error", "focal", "poly_one")
TABLE = Path(__file__).with_name("digits.json")
_HOST = {"memory_mib", "disk_mib", "minutes", "processes"}


class OfFile:
    """A loss of ours as a trainer calls it, in this process."""

    smallest = 1

    def __init__(self, path: Path) -> None:
        scope: dict[str, Any] = {}
        exec(compile(path.read_text("utf-8"), str(path), "exec"), scope)  # noqa: S102 - a file of this repository
        functions = [v for v in scope.values() if getattr(v, "__code__", None) is not None]
        self._function: Callable[..., torch.Tensor] = functions[-1]

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean, in float32."""
        return self._function(logits.float(), targets).mean()


def measure(path: Path, settings: dict[str, Any], seed: int, folder: Path, inputs: dict[str, str]) -> dict[str, float]:
    """The metrics of one loss for one seed, and the seconds of its training."""
    data, out = folder / f"data-{seed}", folder / f"{path.stem}-{seed}"
    out.mkdir()
    common: dict[str, Any] = {"seed": seed, "settings": settings, "inputs": inputs}
    common["device"] = "cuda" if torch.cuda.is_available() else "cpu"
    job = Job("images", Step.TRAIN, out=str(out), data=str(data), **common)
    settle(job)
    if not data.exists():
        data.mkdir()
        images.prepare(Job("images", Step.PREPARE, out=str(data), **common), silent)
    started = time.perf_counter()
    told = images.train(job, OfFile(path), silent)
    seconds = time.perf_counter() - started
    scored = images.score(Job("images", Step.SCORE, data=str(data), weights=str(out), **common), silent)
    return {**told, **scored, "seconds": seconds}


def main() -> None:
    """Measure, print the table, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ladder", nargs="?", default="digits")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--data-dir", default="")
    given = parser.parse_args()
    ladder = load(given.ladder)
    plan = ladder.searched.rungs[-1]
    settings = {k: v for k, v in plan.settings if k not in _HOST}
    inputs = {"data": given.data_dir} if given.data_dir else {}
    paths = [*(CATALOGUE / f"{name}.py" for name in NAMES), EXAMPLES / "margin.py", EXAMPLES / "negated.py"]
    with tempfile.TemporaryDirectory() as folder:
        found = {
            path.stem: [measure(path, settings, seed, Path(folder), inputs) for seed in range(given.seeds)]
            for path in paths
        }
    metric = plan.gate.metric if plan.gate is not None else "accuracy"
    base = np.array([one[metric] for one in found[plan.baseline]])
    rows: list[dict[str, Any]] = []
    for name, measured in found.items():
        own = np.array([one[metric] for one in measured])
        low, high = interval(list(own - base), 0.05)
        rows.append(
            {
                "loss": name,
                metric: round(float(own.mean()), 4),
                "less_baseline": round(float((own - base).mean()), 4),
                "interval": [round(low, 4), round(high, 4)] if name != plan.baseline else [0.0, 0.0],
                "by_seed": [round(float(v), 4) for v in own],
                "seconds": round(float(np.median([one["seconds"] for one in measured])), 2),
            }
        )
    rows.sort(key=lambda row: -row[metric])
    TABLE.write_text(json.dumps({"ladder": ladder.name, "metric": metric, "losses": rows}, indent=1) + "\n", "utf-8")
    print(f"| loss | {metric} | less {plan.baseline} | 95 % interval | seconds a seed |\n|---|---|---|---|---|")
    for row in rows:
        low, high = row["interval"]
        told = f"{row['less_baseline']:+.4f} | {low:+.4f} to {high:+.4f}" if row["loss"] != plan.baseline else " | "
        print(f"| `{row['loss']}` | {row[metric]:.4f} | {told} | {row['seconds']} |")


if __name__ == "__main__":
    main()
