"""`python -m bench.control [LOSS...] [--seeds N] [--table]`: what the control rung makes of known losses.

One loss and seed after the other; what was measured lies in a folder and is not measured again, so that it can be
run in pieces and by several processes that are given different losses. Losses run in this process (they are files of
this repository), by the same code that trains over the oracle. `--table` prints what is there and writes it.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.measure import Figure
from harness.core.digests import json_digest
from harness.core.files import write_whole
from harness.ladder.gate import interval
from harness.ladder.ladder import load
from harness.losses import CATALOGUE, source_text
from harness.protocol.job import Job, Progress, Step, silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.trusted import TrustedLoss
    from harness.ladder.gate import Gate
    from harness.ladder.plan import RungPlan

_ROOT = Path(__file__).parent.parent
_WORK = _ROOT / "build" / "bench-control"
RESULTS = Path(__file__).parent / "control.json"
_QUALITY = _ROOT / "tests" / "quality" / "losses"
#: Broken in ways that answers alone show: most are stopped by the properties long before. `linear` is made here.
BROKEN = (
    "negated",
    "even",
    "linear",
    "constant",
    "reference_only",
    "subtracted_twice",
    "rejected_only",
    "chosen_only",
    "chosen_likelihood",
    "rewards_mixed_up",
    "clamped_flat",
    "flipped_values",
    "start_cubed",
    "normalised_away",
)


def loss_of(name: str) -> TrustedLoss:
    """A loss of the catalogue, or one that is broken on purpose."""
    from bench.trusted import TrustedLoss, from_text  # noqa: PLC0415 - loads torch

    if name == "linear":
        return TrustedLoss(lambda pc, pr, rc, rr, beta: -beta * (pc - pr - rc + rr))
    entry = next((e for e in CATALOGUE if e.name == name), None)
    if entry is not None:
        return from_text(source_text(name), entry.smallest_batch)
    return from_text(text_of(name))


def text_of(name: str) -> str:
    """A broken loss as a candidate."""
    if name == "linear":
        return "def loss(pc, pr, rc, rr, beta):\n    return -beta * (pc - pr - rc + rr)\n"
    return (_QUALITY / f"{name}.py").read_text("utf-8")


def rung() -> RungPlan:
    """The rung of the newest `control` ladder."""
    return next(plan for plan in load("control").rungs if plan.kind == "control")


def data_of(seed: int, settings: dict[str, Any]) -> Path:
    """The prepared data of a seed: made now, or before. One torch thread from here on, and no denormals."""
    import torch  # noqa: PLC0415 - slow to load, and `--table` does without

    from harness.trainer.control import steps as control  # noqa: PLC0415 - as above
    from harness.trainer.control.settings import TRAINING_ONLY  # noqa: PLC0415 - as above

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    made = {k: v for k, v in settings.items() if k not in TRAINING_ONLY}
    folder = _WORK / f"data-{_digest(made)}-{seed}"
    if not folder.exists():
        _WORK.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=_WORK, prefix=".part-"))
        control.prepare(Job("control", Step.PREPARE, seed, settings, out=str(part)), silent)
        try:
            part.rename(folder)
        except OSError:  # another process was faster, and made the same
            shutil.rmtree(part)
    return folder


def measured(
    name: str, seed: int, settings: dict[str, Any], say: Callable[[Progress], None] = silent
) -> dict[str, Any]:
    """The metrics of one loss and seed: measured now, or before."""
    from harness.trainer.control import steps as control  # noqa: PLC0415 - see above

    path = _result(name, seed, settings)
    if path.exists():
        return dict(json.loads(path.read_text("utf-8")))
    data, out = str(data_of(seed, settings)), _WORK / f"weights-{_digest(settings)}-{name}-{seed}"
    out.mkdir(exist_ok=True)
    trained = control.train(Job("control", Step.TRAIN, seed, settings, out=str(out), data=data), loss_of(name), say)
    scored = control.score(Job("control", Step.SCORE, seed, settings, data=data, weights=str(out)), silent)
    write_whole(path, json.dumps({**trained, **scored}).encode())
    shutil.rmtree(out)
    return {**trained, **scored}


def _result(name: str, seed: int, settings: dict[str, Any]) -> Path:
    return _WORK / f"result-{_digest(settings)}-{name}-{seed}.json"


def _digest(settings: dict[str, Any]) -> str:
    return json_digest(settings)[:12]


def rows(seeds: int) -> list[dict[str, Any]]:
    """One row for each loss that was measured for all seeds, with the gate's decision; the best first."""
    plan = rung()
    settings, gate = dict(plan.settings), plan.gate
    assert gate is not None
    before = _before()
    found = {
        name: {seed: measured(name, seed, settings) for seed in range(seeds)}
        for name in [*(e.name for e in CATALOGUE), *BROKEN]
        if all(_result(name, seed, settings).exists() for seed in range(seeds))
    }
    base = found.get(plan.baseline, {})
    # What other machines measured stays, so that a few losses can be measured again.
    out = [row for row in before if row["loss"] not in found]
    for name, metrics in found.items():
        row: dict[str, Any] = {"loss": name, "broken": name in BROKEN, "seeds": seeds}
        for key in ("score_on_policy", "score_mixed", "score_noisy", "score", "worst", "kl", "drift", "quick"):
            values = [m.get(key, math.nan) for m in metrics.values()]
            row[key] = None if np.isnan(values).any() else [round(float(np.mean(values)), 4), _sd(values)]
        row["finite"] = min(m["finite"] for m in metrics.values())
        if base and name != plan.baseline:
            apart = [metrics[s]["score"] - base[s]["score"] for s in metrics]
            row["against_dpo"] = [round(float(v), 4) for v in (np.mean(apart), *interval(apart, 0.05))]
        row["decision"] = decided(gate, metrics, base) if base else ""
        out.append(row)
    return sorted(out, key=lambda r: -r["score"][0])


def _before() -> list[dict[str, Any]]:
    """The rows that are kept of the same rung's settings, of losses that there still are."""
    if not RESULTS.exists():
        return []
    kept = json.loads(RESULTS.read_text("utf-8"))
    known = {*(e.name for e in CATALOGUE), *BROKEN}
    same = dict(load(kept["ladder"]).rungs[-1].settings) == dict(rung().settings)
    return [row for row in kept["rows"] if row["loss"] in known] if same else []


def _sd(values: list[float]) -> float | None:
    return round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else None


def decided(gate: Gate, metrics: dict[int, dict[str, Any]], base: dict[int, dict[str, Any]]) -> str:
    """What a gate says as seeds come in, as on the ladder."""
    for seeds in range(1, len(metrics) + 1):
        decision = gate.decide({s: metrics[s] for s in range(seeds)}, base)
        if decision is not None:
            return f"{decision.decision}: {decision.reason}"
    return "open: more seeds"


def figure(times: int) -> Figure:
    """The quick training alone: what DPO's negation scores less what DPO scores, on the same data."""
    settings = dict(rung().settings) | {"sets": ("on_policy",), "betas": (0.3,), "steps": 200, "quick_steps": 0}
    pairs = [(measured("negated", s, settings)["score"], measured("dpo", s, settings)["score"]) for s in range(times)]
    what = "control rung: score of negated DPO less DPO's after 200 steps on the same data (0 reference, 1 expert)"
    return Figure("control", what, tuple(bad - good for bad, good in pairs), -0.3, unit="of the scale")


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table()
    for heading in ("loss", "on-policy", "mixed", "noisy", "score", "against DPO", "worst", "KL", "decision"):
        table.add_column(heading)
    for row in found:
        cells = [f"{row[k][0]:.2f} ± {row[k][1] or 0:.2f}" if row[k] else "-" for k in _SHOWN]
        apart = row.get("against_dpo")
        told = f"{apart[0]:+.2f} ({apart[1]:+.2f} to {apart[2]:+.2f})" if apart else ""
        table.add_row(row["loss"], *cells[:4], told, *cells[4:], row["decision"])
    return table


_SHOWN = ("score_on_policy", "score_mixed", "score_noisy", "score", "worst", "kl")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--table", "only_table", is_flag=True, help="Measure nothing; print and write what is there.")
def main(names: tuple[str, ...], seeds: int, only_table: bool) -> None:  # noqa: FBT001 - a flag of click's
    """Measure the named losses, or the catalogue and the broken ones."""
    console, settings = Console(), dict(rung().settings)
    for name in () if only_table else names or (*(e.name for e in CATALOGUE), *BROKEN):
        for seed in range(seeds):
            score = measured(name, seed, settings)["score"]
            console.print(f"{name}, seed {seed}: {score:.3f}")
    found = rows(seeds)
    Console(width=200).print(_table(found))
    RESULTS.write_text(json.dumps({"ladder": load("control").name, "rows": found}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
