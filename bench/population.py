"""`python -m bench.population [LADDER]`: what a ladder saves over sixty candidates, and whether it costs a winner.

Every candidate that can be loaded is measured at every rung with every seed, whatever the gates say: that is the dear
way. From the same measurements, the gates are asked as a climb asks them, one look after the other: what a candidate
would have cost the ladder is what it was measured for until it was stopped. Winners are those that pass all rungs; the
dear way's are decided at the last look. Processor seconds of host and sandbox, so that other work does not count; a
baseline is measured once for a whole search, and left out. Resumable: what lies in `population-LADDER.json` for the
same text is not measured again.

The rung `reviews` is trained in this process (every text is of this repository), without the containers that a real run
starts for each seed: what those add is measured by `bench.seed_costs`, and told apart as `in_containers`. Whom an
earlier rung has stopped cannot win either way; one seed of those is trained and stands for the others' seconds.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.population_losses import population
from bench.rung_costs import Costs, _now
from bench.seed_costs import TABLE as SEEDS
from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.checks.static import screened_text
from harness.core.errors import CandidateFault
from harness.ladder.ladder import load
from harness.ladder.rungs import SEEDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.checks.static import Screened
    from harness.core.candidate import Candidate
    from harness.ladder.plan import Ladder, RungPlan

    Measure = Callable[[RungPlan, Screened, int], Iterator[tuple[float, dict[str, float], dict[str, float]]]]

Row = dict[str, Any]
#: Metrics of the rung's baseline, by seed.
_BASELINE: dict[int, dict[str, float]] = {}


class Dear(Costs):
    """Measures a candidate at every rung with every seed."""

    def all_of(self, candidate: Candidate) -> list[Row]:
        """Each rung: seconds, by seed where it has seeds, and metrics."""
        started = _now()
        one = screened_text(candidate)
        rungs: list[Row] = [{"rung": "screen", "seconds": _now() - started, "passed": one.fault is None}]
        if one.fault is not None:
            return rungs
        for plan in self._ladder.rungs[1:]:
            if plan.kind == "properties":
                rungs.append(self._properties(plan, one))
            elif plan.kind in SEEDED:
                rungs.append(self._every_seed(plan, one, self.seeds))
            elif plan.kind == "reviews":
                hopeless = not all(rung.get("passed_with_all", rung["passed"]) for rung in rungs)
                rungs.append(_estimated(plan, one) if hopeless else self._every_seed(plan, one, _trained))
        return rungs

    def _every_seed(self, plan: RungPlan, one: Screened, measure: Measure) -> Row:
        assert plan.gate is not None
        known: dict[int, dict[str, float]] = {}
        baseline: dict[int, dict[str, float]] = {}
        seconds: list[float] = []
        fault = ""
        try:
            for seed, (spent, metrics, base) in enumerate(measure(plan, one, plan.gate.looks[-1])):
                known[seed], baseline[seed] = metrics, base
                seconds.append(spent)
        except CandidateFault as raised:
            fault = str(raised)
        return {"rung": plan.name, "seeds": seconds, "fault": fault} | _decided(plan, known, baseline)


def _trained(plan: RungPlan, one: Screened, count: int) -> Iterator[tuple[float, dict[str, float], dict[str, float]]]:
    """Seed after seed of the rung `reviews`: its seconds, the candidate's metrics, the baseline's."""
    from bench import reviews  # noqa: PLC0415 - loads torch
    from bench.trusted import from_program  # noqa: PLC0415 - as above

    assert one.program is not None
    settings, data = dict(plan.settings), reviews.ROOT / "build" / "reviews"
    for seed in range(count):
        if seed not in _BASELINE:
            _BASELINE[seed] = reviews.measured(reviews.loss_of(plan.baseline), seed, settings, data)
        found = reviews.measured(from_program(one.program), seed, settings, data)
        yield found["seconds"], found, _BASELINE[seed]


def _estimated(plan: RungPlan, one: Screened) -> Row:
    """One seed's seconds in place of all: it is stopped already. One that cannot be trained at all costs nothing."""
    assert plan.gate is not None
    seconds: list[float] = []
    with contextlib.suppress(Exception):
        seconds = [next(_trained(plan, one, 1))[0]] * plan.gate.looks[-1]
    return {"rung": plan.name, "seeds": seconds, "estimated": True, "asked": 0, "passed": False}


def _decided(plan: RungPlan, known: dict[int, dict[str, float]], baseline: dict[int, dict[str, float]]) -> Row:
    """After how many seeds the gate stops asking and what it says then; and what it says with every seed at hand."""
    assert plan.gate is not None
    early: tuple[int, str] = (len(known), "reject")
    for count in range(1, len(known) + 1):
        decision = plan.gate.decide({s: known[s] for s in range(count)}, baseline)
        if decision is not None:
            early = (count, decision.decision)
            break
    last = plan.gate.decide(known, baseline) if len(known) == plan.gate.looks[-1] else None
    whole = last.decision if last is not None else "reject"
    return {"asked": early[0], "passed": early[1] == "promote", "passed_with_all": whole == "promote"}


def _containers_add(name: str, rows: list[Row]) -> float:
    """What a seed costs more in its containers than in this process, by `bench.seed_costs`; 0 if unknown."""
    told = json.loads(SEEDS.read_text("utf-8")) if SEEDS.exists() else {}
    same = [row for row in rows if row["name"] == told.get("loss")]
    if told.get("ladder") != name or not same:
        return 0.0
    return max(0.0, told["seconds_a_seed"] - statistics.median(same[0]["rungs"][-1]["seeds"]))


def summary(rows: list[Row], added: float = 0.0) -> Row:
    """Seconds and winners of both ways, and where the ladder stopped whom; `added` to each seed that trains."""
    with_ladder, without = 0.0, 0.0
    winners: dict[str, list[str]] = {"ladder": [], "dear": []}
    stopped: Counter[str] = Counter()
    for row in rows:
        alive, alive_dear = True, True
        for rung in row["rungs"]:
            seconds = rung["seeds"] if "seeds" in rung else [rung["seconds"]]
            if rung["rung"] == "reviews":
                seconds = [one + added for one in seconds]
            without += sum(seconds)
            if alive:
                with_ladder += sum(seconds[: rung.get("asked", 1)])
                if not rung["passed"]:
                    stopped[f"{row['kind']} at {rung['rung']}"] += 1
            alive = alive and rung["passed"]
            alive_dear = alive_dear and rung.get("passed_with_all", rung["passed"])
        if alive:
            winners["ladder"].append(row["name"])
        if alive_dear:
            winners["dear"].append(row["name"])
    return {
        "candidates": len(rows),
        "seconds_with_the_ladder": round(with_ladder, 2),
        "seconds_without": round(without, 2),
        "share": round(with_ladder / without, 4),
        "same_winners": winners["ladder"] == winners["dear"],
        "winners": winners,
        "stopped": dict(sorted(stopped.items())),
    }


@click.command()
@click.argument("name", metavar="[LADDER]", default="bandit")
@click.option("--minutes", default=1e9, help="Begin no candidate after this time.")
def main(name: str, minutes: float) -> None:
    """Measure whom the file lacks, and say what it comes to."""
    ladder = load(name)
    target = Path(__file__).with_name(f"population-{ladder.name}.json")
    rows: list[Row] = json.loads(target.read_text("utf-8"))["candidates"] if target.exists() else []
    wanted = {candidate.sha256 for _, candidate in population()}
    rows = [row for row in rows if row["sha256"] in wanted]
    done = {row["sha256"] for row in rows}
    ends = time.monotonic() + 60.0 * minutes
    with (
        Checker.open(Options(profile=ladder.properties, gpu="none")) as checker,
        tempfile.TemporaryDirectory() as folder,
    ):
        dear = Dear(ladder, checker, Path(folder))
        for kind, candidate in population():
            if candidate.sha256 not in done and time.monotonic() < ends:
                row = {"name": Path(candidate.path).stem, "kind": kind, "sha256": candidate.sha256}
                rows.append(row | {"rungs": dear.all_of(candidate)})
                _write(target, ladder, rows)
                print(kind, row["name"], [r["passed"] for r in rows[-1]["rungs"]], flush=True)
    _write(target, ladder, rows)
    print(json.dumps(summary(rows, _containers_add(ladder.name, rows)), indent=1))


def _write(target: Path, ladder: Ladder, rows: list[Row]) -> None:
    added = _containers_add(ladder.name, rows)
    told = {"summary": summary(rows), "containers_add": added, "in_containers": summary(rows, added)}
    content = {"ladder": ladder.name, **told, "candidates": rows}
    rounded = json.loads(json.dumps(content), parse_float=lambda text: round(float(text), 4))
    target.write_text(json.dumps(rounded, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
