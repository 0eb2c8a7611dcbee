"""`python -m bench.rung_costs [LADDER]`: what each rung costs a candidate, in processor seconds, and whom it stops.

Candidates of three kinds climb; host and sandboxes are added up, the sandboxes' by the kernel's accounting, so that
other work on the machine does not count. Writes `rung_costs.json`, which `bench.scale` reads. Rungs that train in
containers of their own have benches of their own, and end what is measured here. Baselines are measured once for a
whole search, and are left out.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.used import Sandboxes
from harness.checks.bench import Ready
from harness.checks.checker import Checker
from harness.checks.judging import judged
from harness.checks.options import Options
from harness.core.verdict import Accepted
from harness.ladder.baselines import Baselines
from harness.ladder.ladder import load
from harness.ladder.rungs import SEEDED, evaluation_digest
from harness.oracle.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.checks.static import Screened
    from harness.ladder.plan import Ladder, RungPlan

ROOT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_name("rung_costs.json")
_LOSSES, _BROKEN = ROOT / "harness" / "losses", ROOT / "tests" / "quality" / "losses"
#: Whom to measure: what a language model gets wrong, what learns slowly or oddly, what learns.
KINDS = {
    "bad": [_BROKEN / f"{n}.py" for n in ("negated", "constant", "output_dict", "chosen_only")],
    "mediocre": [_LOSSES / f"{n}.py" for n in ("ipo", "lrml", "exp")],
    "good": [_LOSSES / f"{n}.py" for n in ("slic", "robust", "cdpo")],
}


def _now() -> float:
    """Processor seconds of this process and of the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class Costs:
    """Measures one candidate after the other."""

    def __init__(self, ladder: Ladder, checker: Checker, folder: Path) -> None:
        self._ladder, self._checker = ladder, checker
        self._baselines = Baselines(folder, self._baseline)

    def _baseline(self, candidate: Any, plan: RungPlan, seed: int) -> dict[str, float]:
        with self._checker.oracle(candidate) as subject:
            return SEEDED[plan.kind](subject, plan, seed)

    def climb(self, path: Path) -> list[dict[str, Any]]:
        """The rungs that a candidate comes to: what they cost, how many seeds they took, whether they let it pass."""
        from harness.core.candidate import read_candidate  # noqa: PLC0415 - as the commands do

        started = _now()
        one = self._checker.screen(read_candidate(path))
        rungs = [{"rung": "screen", "seconds": _now() - started, "passed": one.fault is None}]
        for plan in self._ladder.rungs[1:]:
            if not rungs[-1]["passed"] or plan.kind not in {"properties", *SEEDED}:
                break
            rungs.append(self._properties(plan, one) if plan.kind == "properties" else self._seeded(plan, one))
        return rungs

    def _properties(self, plan: RungPlan, one: Screened) -> dict[str, Any]:
        started = _now()
        with Sandboxes(os.getpid()) as both:
            ready = Ready(one, Sandbox(self._checker.engine, self._checker.recipe))
            try:
                verdict = judged(self._checker, self._checker.suite, ready).verdict
            finally:
                ready.dispose()
        seconds = _now() - started + both.seconds
        return {"rung": plan.name, "seconds": seconds, "passed": isinstance(verdict, Accepted)}

    def seeds(
        self, plan: RungPlan, one: Screened, count: int
    ) -> Iterator[tuple[float, dict[str, float], dict[str, float]]]:
        """Seed after seed: its seconds, the candidate's metrics, the baseline's. Raises the candidate's faults."""
        evaluation = evaluation_digest(self._ladder, plan, "bench")
        with self._checker.oracle(one) as subject:
            container = subject.oracle._sandbox.container  # noqa: SLF001 - whose seconds are asked for
            before = 0.0  # the first seed pays for the start
            for seed in range(count):
                baseline = self._baselines.scores(plan, evaluation, seed)
                started = _now()
                if seed:
                    subject.fresh()
                metrics = SEEDED[plan.kind](subject, plan, seed)
                own, inside = _now() - started, self._checker.engine.processor(container) or 0.0
                yield own + inside - before, metrics, baseline
                before = inside

    def _seeded(self, plan: RungPlan, one: Screened) -> dict[str, Any]:
        if plan.gate is None:
            raise RuntimeError(f"the rung {plan.name} has no gate")
        known: dict[int, dict[str, float]] = {}
        baseline: dict[int, dict[str, float]] = {}
        seconds, decision = [], None
        for seed, (spent, metrics, base) in enumerate(self.seeds(plan, one, plan.gate.looks[-1])):
            known[seed], baseline[seed] = metrics, base
            seconds.append(spent)
            if (decision := plan.gate.decide(known, baseline)) is not None:
                break
        passed = decision is not None and decision.decision == "promote"
        usual = statistics.median(seconds[1:] or seconds)
        told: dict[str, Any] = {"rung": plan.name, "seconds": sum(seconds), "passed": passed}
        return told | {"seeds": len(seconds), "a_seed": usual, "all_seeds": plan.gate.looks[-1]}


@click.command()
@click.argument("name", metavar="[LADDER]", default="bandit")
@click.option("--minutes", default=1e9, help="Begin no candidate after this time.")
def main(name: str, minutes: float) -> None:
    """Measure, and write the table."""
    ladder = load(name)
    rows: list[dict[str, Any]] = []
    ends = time.monotonic() + 60.0 * minutes
    with (
        Checker.open(Options(profile=ladder.properties, gpu="none")) as checker,
        tempfile.TemporaryDirectory() as folder,
    ):
        costs = Costs(ladder, checker, Path(folder))
        for kind, paths in KINDS.items():
            for path in paths:
                if time.monotonic() > ends:
                    return
                rows.append({"name": path.stem, "kind": kind, "rungs": costs.climb(path)})
                _write(ladder, rows)
                told = ", ".join(f"{r['rung']} {r['seconds']:.2f} s" for r in rows[-1]["rungs"])
                print(f"{kind} {path.stem}: {told}", flush=True)


def _write(ladder: Ladder, rows: list[dict[str, Any]]) -> None:
    """The table so far, to a tenth of a millisecond."""
    for row in rows:
        for rung in row["rungs"]:
            rung |= {key: round(rung[key], 4) for key in ("seconds", "a_seed") if key in rung}
    TABLE.write_text(json.dumps({"ladder": ladder.name, "candidates": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
