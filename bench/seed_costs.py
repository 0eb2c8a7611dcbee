"""`python -m bench.seed_costs [LADDER] [LOSS]`: processor seconds of one seed of a training rung in its containers.

DPO climbs first, so that data and baseline are there; then LOSS climbs, and every container that trains or scores is
asked again and again what it has used, until it is gone. The sandbox that answers meanwhile is not counted, nor is the
host: the seed costs a little more than is told. Writes `seed_costs.json`, which `bench.population` reads.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

import click

from bench.containers import HARNESS, ROOT
from harness.containers.engine import Engine
from harness.ladder.ladder import load
from harness.ledger import Ledger

TABLE = Path(__file__).with_name("seed_costs.json")
_LOOK_SECONDS = 0.2


def measured(ladder: str, loss: Path, folder: Path) -> tuple[float, int]:
    """Processor seconds of all trainers and scorers of a climb, and the seeds that they were for."""
    words = [str(HARNESS), "run", str(loss), "--profile", ladder, "--folder", str(folder)]
    used: dict[str, float] = {}
    engine = Engine()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as climb:
        while climb.poll() is None:
            for container in engine.client.containers(filters={"label": ["harness.place"]}):
                if "harness.trainer" in container["Command"]:
                    used[container["Id"]] = max(
                        used.get(container["Id"], 0.0), engine.processor(container["Id"]) or 0.0
                    )
            time.sleep(_LOOK_SECONDS)
    engine.close()
    with Ledger(folder) as ledger:
        run = max(ledger.runs(limit=1_000_000), key=lambda one: one.id)
        scores = ledger.scores(run.id)[load(ladder).rungs[-1].name]
    return sum(used.values()), len({score.seed for score in scores})


@click.command()
@click.argument("ladder", default="reviews")
@click.argument("loss", default="slic")
def main(ladder: str, loss: str) -> None:
    """Measure, and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        measured(ladder, ROOT / "harness" / "losses" / "dpo.py", Path(folder))
        seconds, seeds = measured(ladder, ROOT / "harness" / "losses" / f"{loss}.py", Path(folder))
    told = {"ladder": load(ladder).name, "loss": loss, "seeds": seeds, "seconds_a_seed": round(seconds / seeds, 2)}
    TABLE.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
