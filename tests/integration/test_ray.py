"""Workers on a Ray cluster of three machines: GPUs are shared out, and one machine is lost in the middle of it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import ray_cluster
from support import ROOT, harness_command

from harness import Ledger, submit, text_candidate
from harness.ledger.database import url_of
from harness.ledger.records import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ledger_postgres import Postgres

    from harness.containers.engine import Engine

pytestmark = [pytest.mark.container, pytest.mark.whole]

LEASE = 6
GOOD = ("dpo", "ipo", "slic")
SIGNATURE = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
RHO = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"
BAD = f"import torch.nn.functional as F\n\ndef loss({SIGNATURE}):\n    return -F.logsigmoid(-beta * {{}} * ({RHO}))\n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ray_cluster.Cluster]:
    with ray_cluster.running() as made:
        yield made


#: Asks Ray for an actor at every GPU place, and for one more at the first of them.
GPUS = """
import json, sys
import ray
from harness.workers.ray import RayEngine
engine = RayEngine(sys.argv[1])
engine.join()
spots = engine.spots()
actors = {spot: engine.start(spot) for spot in spots}
places = ray.get([actor.place.remote() for actor in actors.values()])
busy = next(spot for spot in spots if spot.gpu)
more = engine.start(busy)
asked = more.place.remote()
early, _ = ray.wait([asked], timeout=3)
ray.kill(actors[busy])
late, _ = ray.wait([asked], timeout=60)
told = [[p.name, p.needs, p.gpu, s.gpu, s.node] for p, s in zip(places, spots)]
print(json.dumps({"places": told, "early": len(early), "late": [ray.get(r).name for r in late]}))
"""


def test_gpus_are_shared_out_over_machines_and_none_twice(cluster: ray_cluster.Cluster) -> None:
    """As far as placement goes: the GPUs are declared, and there are none."""
    words = cluster.command("0", [sys.executable, "-W", "ignore", "-c", GPUS, cluster.address])
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=ROOT, env=ray_cluster.environment(), check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    gpus = [place for place in told["places"] if place[3]]
    cpus = [place for place in told["places"] if not place[3]]
    assert len(cpus) in {1, 2}  # the machine without GPUs has two cores, and memory for one place or for two
    assert sorted(gpu for _, _, gpu, _, _ in gpus) == ["0", "0", "1", "1"]
    assert len({(node, gpu) for _, _, gpu, _, node in gpus}) == 4
    assert all(needs == ["gpu", "cpu"] and name.endswith(f"/gpu/{gpu}") for name, needs, gpu, _, _ in gpus)
    for number, (name, needs, gpu, _, _) in enumerate(cpus):
        assert (needs, gpu) == (["cpu"], "none")
        assert name.endswith(f"/cpu/{number}")
    assert told["early"] == 0
    (late,) = told["late"]
    assert late in [place[0] for place in gpus]
    if cluster.apart:
        assert {place[0].partition("/")[0] for place in gpus} == {"node-3", "node-4"}


def until(condition: Callable[[], bool], seconds: float = 200.0, told: Callable[[], str] = str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, told()
        time.sleep(0.1)


def test_a_machine_is_lost_in_mid_run_and_every_run_ends_once(
    cluster: ray_cluster.Cluster, postgres: Postgres, engine: Engine, tmp_path: Path
) -> None:
    unix = postgres.database()
    url = cluster.url(unix, postgres.folder)
    texts = [text_candidate(BAD.format(n), f"bad{n}.py") for n in range(1, 10)]
    with Ledger(tmp_path, database=unix) as ledger:
        paths = [ROOT / "harness" / "losses" / f"{name}.py" for name in GOOD]
        runs = [one.run for one in submit([*paths, *texts], ledger=ledger)]
        words = harness_command("worker", "--engine", "ray", "--address", cluster.address, "--slots", 3, "--drain")
        words += ["--lease", str(LEASE), "--folder", str(tmp_path / "folder"), "--database", url]
        log = tmp_path / "log"
        with log.open("wb") as out:
            driver = subprocess.Popen(
                cluster.command("0", words),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=ROOT,
                env=ray_cluster.environment(),
            )
        try:
            lost, stopped = cluster.nodes[2], cluster.nodes[1]
            until(lambda: len(claimed(ledger, runs)) == 3, told=log.read_text)  # all three have something to do
            # A worker falls asleep while it has a run: another one gets it, and the sleeper is refused on waking.
            (sleeper,) = cluster.processes(stopped, b"ray::Worker")
            mine = asleep(ledger, runs, sleeper)
            # A machine is lost while it has one: its worker is held first, so that it does not end in between.
            (held,) = cluster.processes(lost, b"ray::Worker")
            asleep(ledger, runs, held)
            cluster.kill(lost)
            until(lambda: ledger.run(mine).attempt > 1, told=log.read_text)
            os.kill(sleeper, signal.SIGCONT)
            assert driver.wait(900) == 0, log.read_text()
        finally:
            driver.terminate()
            driver.wait()
        said = log.read_text()
        found = [ledger.run(run) for run in runs]
        assert {run.state for run in found} <= FINAL - {State.FAILED}, said
        assert [run.state for run in found].count(State.REJECTED) >= 9
        promotions = ledger.promotions()
        distinct = {(p["candidate"], p["profile_digest"], p["evaluation"]) for p in promotions}
        assert len(distinct) == len(promotions) == sum(run.rung for run in found)
        for run in found:
            rungs = [rung for rung, _ in ledger.decisions(run.id)]
            assert len(rungs) == len(set(rungs))
        again = [e.detail["reason"] for run in runs for e in ledger.events(run) if e.kind == "queued-again"]
        # The sleeper's, and the lost machine's: who is on this host in truth may see that its process is gone.
        lost_ones = [why for why in again if "went silent" in str(why) or "died" in str(why)]
        assert any("went silent" in str(why) for why in again), again
        assert len(lost_ones) >= 2, again
        assert "left the cluster" in said or "was lost" in said
        assert left(engine, url) == []


def claimed(ledger: Ledger, runs: list[int]) -> set[str]:
    """The places that have had something to do."""
    return {str(e.detail["slot"]) for run in runs for e in ledger.events(run) if e.kind == "claimed"}


def asleep(ledger: Ledger, runs: list[int], pid: int) -> int:
    """Stop a worker while it holds a run; give that. Between two runs it is woken, and stopped a little later."""
    mark, end = f"/{pid}/", time.monotonic() + 600.0
    while time.monotonic() < end:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.2)  # what it had sent has arrived
        held = [run for run in runs if ledger.run(run).state is State.RUNNING and mark in str(ledger.run(run).owner)]
        if held:
            return held[0]
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.3)
    pytest.fail("a worker never had a run")


def left(engine: Engine, url: str) -> list[Any]:
    """Containers of this ledger that are still there."""
    name = hashlib.sha256(url_of(None, url).render_as_string().encode()).hexdigest()[:12]
    found = engine.client.containers(all=True, filters={"label": ["harness.place"]})
    return [c for c in found if c["Labels"]["harness.place"].startswith(f"{name}/")]


def test_a_ledger_that_other_machines_cannot_reach_is_refused(tmp_path: Path) -> None:
    """Before any cluster is asked: there is none at this address."""
    ray_cluster.install()
    words = harness_command("worker", "--engine", "ray", "--address", "ray://127.0.0.1:1", "--folder", tmp_path)
    environment = ray_cluster.environment()
    environment.pop("HARNESS_DATABASE_URL", None)
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=600)
    assert done.returncode == 2, done.stderr
    assert "PostgreSQL" in done.stderr
