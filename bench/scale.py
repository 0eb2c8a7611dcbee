"""`python -m bench.scale`: how many candidates a day N GPUs take, with and without the ladder; on paper and in code.

The costs of the rungs on processors, and whom they stop, are those of `rung_costs.json` (`python -m bench.rung_costs`).
Not measured, and so named on the command line: how many of each kind a search proposes, how many GPU-hours the rung
behind the ladder takes, how many cores stand beside a GPU. With the ladder, a candidate pays for the rungs and seeds
that it came to, and the GPU sees those that passed all of them. Without, each pays for every seed of every rung, and
each gets its GPU-hours.

On paper: a day of each resource over the mean cost of a candidate, and the scarcer of the two decides. In code: so
many candidates drawn from the table stand in the queue, cores and GPUs take what is next, and the clock is read when
the last one ends. The ledger is a third resource, one job at a time.
"""

from __future__ import annotations

import heapq
import json
import random
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from bench.measure import Figure
from bench.rung_costs import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = 86_400.0
#: Candidates that are drawn for one simulation.
QUEUED = 20_000
RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Cost:
    """One candidate: processor seconds and GPU seconds, with the ladder and without."""

    kind: str
    cpu: float
    gpu: float
    cpu_without: float
    gpu_without: float


@dataclass(frozen=True)
class Site:
    """What there is, what is proposed to it, what a candidate costs it."""

    gpus: int
    cores: int
    mix: dict[str, float]
    costs: tuple[Cost, ...]
    ledger: float

    def draw(self, count: int, seed: int) -> list[Cost]:
        """Candidates in the proportions of the mix, each as one that was measured."""
        chance = random.Random(seed)  # noqa: S311 - the same candidates each time
        kinds = chance.choices(list(self.mix), weights=list(self.mix.values()), k=count)
        of = {kind: [cost for cost in self.costs if cost.kind == kind] for kind in self.mix}
        return [chance.choice(of[kind]) for kind in kinds]


def costs_of(table: dict[str, Any], gpu_hours: float) -> tuple[Cost, ...]:
    """The candidates of the table, each with what it costs; a seed that nobody came to costs what it cost others."""
    seen: dict[str, list[float]] = {}
    seeds: dict[str, int] = {}
    for row in table["candidates"]:
        for rung in row["rungs"]:
            seen.setdefault(rung["rung"], []).append(rung.get("a_seed", rung["seconds"]))
            seeds[rung["rung"]] = rung.get("all_seeds", 1)
    usual = {rung: statistics.median(seconds) for rung, seconds in seen.items()}
    made = []
    for row in table["candidates"]:
        own = {rung["rung"]: rung.get("a_seed", rung["seconds"]) for rung in row["rungs"]}
        through = len(own) == len(usual) and row["rungs"][-1]["passed"]
        made.append(
            Cost(
                kind=row["kind"],
                cpu=sum(rung["seconds"] for rung in row["rungs"]),
                gpu=3600.0 * gpu_hours * through,
                cpu_without=sum(own.get(rung, usual[rung]) * seeds[rung] for rung in usual),
                gpu_without=3600.0 * gpu_hours,
            )
        )
    return tuple(made)


def on_paper(site: Site, *, ladder: bool) -> float:
    """Candidates a day: the scarcest resource's day over the mean that a candidate takes of it."""
    total = sum(site.mix.values())
    cpu = gpu = 0.0
    for kind, share in site.mix.items():
        of = [cost for cost in site.costs if cost.kind == kind]
        cpu += share / total * statistics.mean(c.cpu if ladder else c.cpu_without for c in of)
        gpu += share / total * statistics.mean(c.gpu if ladder else c.gpu_without for c in of)
    rates = [site.cores / cpu, 1.0 / site.ledger]
    return DAY * min([*rates, site.gpus / gpu] if gpu else rates)


def in_code(site: Site, *, ladder: bool, seed: int = 0, queued: int = QUEUED) -> float:
    """Candidates a day: so many of them, by the time at which the last one ends."""
    cores, gpus = [0.0] * site.cores, [0.0] * site.gpus
    ledger = last = 0.0
    waiting: list[tuple[float, int, float]] = []
    for number, cost in enumerate(site.draw(queued, seed)):
        ledger += site.ledger
        begun = max(heapq.heappop(cores), ledger)
        done = begun + (cost.cpu if ladder else cost.cpu_without)
        heapq.heappush(cores, done)
        last = max(last, done)
        if seconds := cost.gpu if ladder else cost.gpu_without:
            heapq.heappush(waiting, (done, number, seconds))
    while waiting:  # in the order in which they left the processors
        ready, _, seconds = heapq.heappop(waiting)
        done = max(heapq.heappop(gpus), ready) + seconds
        heapq.heappush(gpus, done)
        last = max(last, done)
    return queued / last * DAY


def site_of(gpus: int, cores: int, mix: Sequence[float], gpu_hours: float) -> Site:
    """A site with `cores` beside each GPU, at the measured costs."""
    table = json.loads(TABLE.read_text("utf-8"))
    shares = dict(zip(("bad", "mediocre", "good"), mix, strict=True))
    return Site(gpus, gpus * cores, shares, costs_of(table, gpu_hours), _ledger_seconds())


def _ledger_seconds() -> float:
    """What a job costs the ledger, as measured on PostgreSQL; the target where nobody has."""
    figures = json.loads(RESULTS.read_text("utf-8"))["figures"] if RESULTS.exists() else []
    found = [figure["median"] for figure in figures if figure["name"] == "ledger-postgresql"]
    return (found[0] if found else 25.0) / 1000.0


def figure(times: int) -> Figure:
    """Candidates a day with the ladder over those without, at 8 GPUs; each value other candidates, drawn anew."""
    site = site_of(8, 8, MIX, GPU_HOURS)
    values = tuple(
        in_code(site, ladder=True, seed=seed) / in_code(site, ladder=False, seed=seed) for seed in range(times)
    )
    what = f"candidates a day with the ladder / without, 8 GPUs, {GPU_HOURS:g} GPU-hours each (simulated)"
    return Figure("scale", what, values, None)


#: Assumed, and not measured: of ten proposals seven are bad and one is good; a fine-tune takes two GPU-hours.
MIX, GPU_HOURS = (0.7, 0.2, 0.1), 2.0


@click.command()
@click.option("--gpus", multiple=True, default=(1, 8, 64), show_default=True, type=click.IntRange(1))
@click.option("--cores", default=8, show_default=True, type=click.IntRange(1), help="Cores beside each GPU.")
@click.option("--gpu-hours", default=GPU_HOURS, show_default=True, type=click.FloatRange(0.0, min_open=True))
@click.option("--mix", nargs=3, default=MIX, show_default=True, type=click.FloatRange(0.0), help="Bad, mediocre, good.")
def main(gpus: tuple[int, ...], cores: int, gpu_hours: float, mix: tuple[float, float, float]) -> None:
    """Print how many candidates a day so many GPUs take."""
    table = Table("GPUs", "on paper, with", "without", "in code, with", "without", "ratio")
    for count in gpus:
        site = site_of(count, cores, mix, gpu_hours)
        paper = [on_paper(site, ladder=ladder) for ladder in (True, False)]
        code = [in_code(site, ladder=ladder) for ladder in (True, False)]
        shown = (f"{number:,.0f}" for number in (*paper, *code))
        table.add_row(str(count), *shown, f"{code[0] / code[1]:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
