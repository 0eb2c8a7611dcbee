"""Workers whose engine or database goes away, and what is left behind at their places."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from engine_proxy import proxied
from ledger_postgres import running
from support import ROOT, harness_command

from harness import Ledger, submit, text_candidate
from harness.containers import request
from harness.containers.endpoint import find_engine
from harness.ledger.records import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.containers.engine import Engine
    from harness.core.candidate import Candidate
    from harness.images import ImageRef

pytestmark = [pytest.mark.container, pytest.mark.rest]

SIGNATURE = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
RHO = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"
BAD = f"import torch.nn.functional as F\n\ndef loss({SIGNATURE}):\n    return -F.logsigmoid(-beta * {{}} * ({RHO}))\n"


def bad(count: int) -> list[Candidate]:
    """Losses that the properties reject, in a few seconds each."""
    return [text_candidate(BAD.format(n), f"bad{n}.py") for n in range(1, count + 1)]


@contextlib.contextmanager
def worker(folder: Path, *arguments: object, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`harness worker` with one place, and what it says."""
    words = harness_command("worker", "--slots", 1, "--drain", "--lease", 6, "--folder", folder, *arguments)
    log = folder / "log"
    inherited = {k: v for k, v in os.environ.items() if k != "HARNESS_DATABASE_URL"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=ROOT, env=inherited | environment
        )
        try:
            yield process, log
        finally:
            process.terminate()
            process.wait(600)


def until(condition: Callable[[], bool], log: Path, seconds: float = 200.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


@pytest.mark.whole
def test_an_engine_that_is_down_costs_one_attempt_and_not_those_of_the_queue(tmp_path: Path, engine: Engine) -> None:
    with proxied(find_engine(), tmp_path / "engine.sock") as proxy, Ledger(tmp_path) as ledger:
        runs = [one.run for one in submit(bad(4), ledger=ledger)]
        with worker(tmp_path, DOCKER_HOST=proxy.url) as (process, log):
            until(lambda: ledger.run(runs[1]).state is State.RUNNING and len(proxy.created) >= 2, log)
            proxy.hang_up()
            until(lambda: b"nothing is claimed" in log.read_bytes(), log)
            time.sleep(8.0)  # longer than the first back-off: by now each of them would have been tried
            touched = [run for run in runs[1:] if ledger.run(run).attempt]
            assert touched == [runs[1]]
            assert ledger.run(runs[1]).faults <= 1
            proxy.revive()
            assert process.wait(900) == 0, log.read_text()
        assert "goes on" in log.read_text()
        assert [ledger.run(run).state for run in runs] == [State.REJECTED] * 4
        assert [c for c in proxy.created if engine.state(c)] == []


def test_a_database_that_is_away_is_waited_for_and_has_the_report(tmp_path: Path, harness: Callable[..., Any]) -> None:
    with running() as server:
        url = server.database()
        with Ledger(tmp_path, database=url) as ledger:
            runs = [one.run for one in submit(bad(2), ledger=ledger)]
            with worker(tmp_path, "--database", url) as (process, log):
                until(lambda: ledger.run(runs[0]).state is State.RUNNING, log)
                server.stop()
                until(lambda: b"it waits" in log.read_bytes(), log)
                time.sleep(1.0)
                assert process.poll() is None, log.read_text()
                server.start()
                assert process.wait(900) == 0, log.read_text()
            assert [ledger.run(run).state for run in runs] == [State.REJECTED] * 2
            assert max(ledger.run(run).faults for run in runs) <= 1
        # On another machine, that is: from a folder that knows nothing of it.
        elsewhere = ("--folder", tmp_path / "elsewhere", "--database", url)
        report = json.loads(harness("show", runs[1], "--report", *elsewhere).out)
        assert report["schema"] == "harness.report/v1"
        assert [r["verdict"] for r in report["results"]] == ["rejected"]
        shown = json.loads(harness("show", runs[1], "--json", *elsewhere).out)
        told = [(a["rung"], a["name"]) for a in shown["attachments"]]
        assert told == [("properties", "report.json"), ("screen", "screen.json")]


def test_what_is_left_at_a_place_is_cleared_before_it_is_used(
    tmp_path: Path, engine: Engine, sandbox_image: ImageRef
) -> None:
    """Left for another run by one who still lives: so that neither the run nor the owner tells."""
    with Ledger(tmp_path) as ledger:
        submit(bad(1), ledger=ledger)
        places = {
            "mine": f"{ledger.name}/{socket.gethostname()}/cpu/0",
            "another's": f"{ledger.name}/{socket.gethostname()}/cpu/1",
            "another ledger's": f"{'0' * 12}/{socket.gethostname()}/cpu/0",
        }
        made = {}
        try:
            for name, place in places.items():
                labels = {request.LABEL: "1", request.OWNER_LABEL: request.owner(), "harness.place": place}
                body = {"Image": sandbox_image.digest, "Cmd": ["true"], "Labels": labels}
                made[name] = engine.client.create_container_from_config(body)["Id"]
            with worker(tmp_path) as (process, log):
                assert process.wait(900) == 0, log.read_text()
            assert ledger.run(1).state is State.REJECTED
            assert {name for name, container in made.items() if engine.state(container)} == set(places) - {"mine"}
        finally:
            for container in made.values():
                engine.remove(container)


def test_an_engine_that_is_not_there_at_the_start_is_told_at_once(tmp_path: Path, harness: Callable[..., Any]) -> None:
    with Ledger(tmp_path) as ledger:
        submit(bad(1), ledger=ledger)
        done = harness("worker", "--drain", "--folder", tmp_path, env={"DOCKER_HOST": f"unix://{tmp_path}/none"})
        assert done.code == 3
        assert "next step" in done.err
        assert ledger.run(1).attempt == 0
