"""INT and TERM at every rung and step of it: obeyed within seconds, the run given back, no container left."""

from __future__ import annotations

import contextlib
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from finetune_project import SETTINGS, write_inputs
from ledger_postgres import running
from support import ROOT, harness_command

from harness import Ledger, submit
from harness.containers.engine import labelled
from harness.core.stopping import CODE, LAST
from harness.ledger.records import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.containers.engine import Engine

pytestmark = [pytest.mark.container, pytest.mark.rest]

DPO = (ROOT / "examples" / "dpo.py").read_text("utf-8")
SIGNATURE = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
RHO = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"
#: Right, and two hundred times slower than it has to be: a single rung lasts for minutes.
SLOW = f"""import torch
import torch.nn.functional as F


def loss({SIGNATURE}):
    rho = {RHO}
    for _ in range(400):
        rho = rho + 0.0 * torch.tanh(rho)
    return -F.logsigmoid(beta * rho)
"""
TUNABLE = f"""import torch.nn.functional as F

PARAMS = {{"tau": (0.5, 2.0, "log")}}


def loss({SIGNATURE}, tau):
    return F.softplus(-beta * tau * ({RHO}))
"""
CLASSES = (
    "import torch.nn.functional as F\n\n\ndef loss(logits, targets):\n    return F.cross_entropy(logits, targets)\n"
)
GATE = (
    '[rungs.gate]\nmetric = "{metric}"\nmargin = 0.9\nalpha = 0.05\nlooks = [2, 3]\nundecided = "promote"\nrails = []\n'
)
RUNG = '[[rungs]]\nname = "{kind}"\nkind = "{kind}"\nneeds = "cpu"\n'
#: Sizes at which one step lasts long enough to be met, and the others are soon over.
REVIEWS = {"corpus": 200, "width": 32, "warm_steps": 20, "prompts": 48, "questions": 16, "epochs": 1, "batch": 8}
CONTROL = {"prompts": 24, "segment": 5, "horizon": 5, "clone_steps": 5, "evaluations": 16, "steps": 5, "quick_steps": 0}
DIGITS = {"held": 100, "epochs": 1}
FINETUNE = {**SETTINGS, "held_out": 4000}

#: The kind of the rung, its settings, the candidate, and at which step of a training the signal comes.
STAGES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "properties": ("properties", {}, SLOW, ""),
    "bandit": ("bandit", {"steps": 100_000}, DPO, ""),
    "tuning": ("bandit", {"steps": 400}, TUNABLE, "train"),
    "reviews, learns the language": ("reviews", {**REVIEWS, "warm_steps": 100_000}, DPO, "prepare"),
    "reviews, trains": ("reviews", {**REVIEWS, "epochs": 10_000}, DPO, "train"),
    "control, searches": ("control", {**CONTROL, "environment": "Hopper-v5", "search_steps": 9999}, DPO, "prepare"),
    "control, trains": ("control", {**CONTROL, "steps": 1_000_000}, DPO, "train"),
    "digits, trains": ("images", {**DIGITS, "epochs": 10_000}, CLASSES, "train"),
    "reviews, answers": ("reviews", {**REVIEWS, "questions": 200_000}, DPO, "score"),
    "control, answers": ("control", {**CONTROL, "evaluations": 100_000}, DPO, "score"),
    "fine-tune, trains": ("finetune", {**FINETUNE, "epochs": 10_000.0}, DPO, "train"),
    "fine-tune, answers": ("finetune", {**FINETUNE, "samples": 4000, "evaluation_batch": 1}, DPO, "score"),
}
#: The same in the trainer's container, apart from the sandbox: two containers that have to go.
CONTAINED = ("reviews, learns the language", "reviews, trains", "fine-tune, trains", "fine-tune, answers")
INT, TERM = signal.SIGINT, signal.SIGTERM
#: Who hears them is the same code at all stages, so that one of each in `make test` will do.
SOON = {("properties", INT), ("properties", TERM), ("reviews, trains", INT)}
STOPS = [
    pytest.param(stage, number, trainer, marks=[] if soon else pytest.mark.whole, id=f"{stage}-{number.name}-{trainer}")
    for stage in STAGES
    for number in (INT, TERM)
    for trainer in (("process", "container") if stage in CONTAINED else ("process",))
    if (soon := (stage, number) in SOON) or number is (INT, TERM)[len(stage + trainer) % 2]
]


def ladder(folder: Path, kind: str, settings: dict[str, Any]) -> Path:
    contract = "classification-2026.2" if kind == "images" else "2026.2"
    text = f'name = "mine"\ndate = 2026-11-28\nproperties = "{contract}"\n\n{RUNG.format(kind="properties")}'
    if kind != "properties":
        text += f"\n{RUNG.format(kind=kind)}"
        baseline = "cross_entropy" if kind == "images" else "dpo"
        metric = {"reviews": "reward", "images": "accuracy", "finetune": "accuracy"}.get(kind, "score")
        lines = "".join(f"{k} = {v!r}\n".replace("'", '"') for k, v in settings.items())
        text += f'baseline = "{baseline}"\n\n[rungs.settings]\n{lines}\n{GATE.format(metric=metric)}'
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return path


@contextlib.contextmanager
def started(*words: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    inherited = {k: v for k, v in os.environ.items() if k != "HARNESS_DATABASE_URL"}
    # One that was started in the background ignores Ctrl-C, and so do its children: these must not.
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", heeding, *harness_command(*words)],
        env={**inherited, "HARNESS_TRAINER": "process", **environment},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(600)
        if process.stderr is not None:
            process.stderr.close()


def until(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 600.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < end
        time.sleep(0.1)


def containers(engine: Engine, ledger: Ledger, run: int) -> list[Any]:
    """Those that carry the run's label, and those that it took from the supply, which have it in their names."""
    return labelled(engine, ("harness.run", f"{ledger.name}/{run}"))


@pytest.mark.parametrize(("stage", "number", "trainer"), STOPS)
def test_a_run_is_given_back_within_seconds(
    tmp_path: Path, engine: Engine, stage: str, number: signal.Signals, trainer: str
) -> None:
    kind, settings, text, step = STAGES[stage]
    loss, own = tmp_path / "loss.py", ladder(tmp_path, kind, settings)
    loss.write_text(text, "utf-8")
    with Ledger(tmp_path / "project") as ledger:
        if kind == "finetune":
            write_inputs(tmp_path / "project", 4056)
        words = ("run", loss, "--profile", own, "--folder", tmp_path / "project")
        with started(*words, HARNESS_TRAINER=trainer) as process:
            until(lambda: ledger.runs(states=(State.RUNNING,)), process)
            (run,) = ledger.runs()
            if step:
                until(lambda: any(one.step == step for one in ledger.underway(run.id).get(run.id, [])), process)
            else:
                until(lambda: containers(engine, ledger, run.id), process)
                time.sleep(2.0)  # wherever in it: it lasts for minutes
            process.send_signal(number)
            # Sooner than by force; a machine that is busy takes a while to end containers.
            _, told = process.communicate(timeout=3.0 * LAST)
        assert process.returncode == CODE, told
        assert "ended as it is" not in told
        after = ledger.run(run.id)
        assert (after.state, after.faults, after.owner) == (State.QUEUED, 0, None), told
        assert "the same command goes on with it" in told
        assert containers(engine, ledger, run.id) == []


class _Silent(socketserver.StreamRequestHandler):
    """An engine that says that it is there, and answers nothing else."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            if b"/_ping" in line:
                body = b"" if line.startswith(b"HEAD") else b"OK"
                self.wfile.write(b"HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nContent-Length: 2\r\n\r\n" + body)
                continue
            self.server.asked.append(line)  # type: ignore[attr-defined]
            threading.Event().wait(120.0)


@pytest.mark.parametrize(
    "words", [("run", ROOT / "examples" / "dpo.py"), ("worker", "--slots", 1)], ids=["run", "worker"]
)
def test_an_engine_that_never_answers_keeps_nobody_from_ending(tmp_path: Path, words: tuple[object, ...]) -> None:
    """It is waited for in C, for a minute at each question: then the end comes by force."""

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True
        block_on_close = False
        asked: ClassVar[list[bytes]] = []

    with Server(str(tmp_path / "engine.sock"), _Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with started(*words, "--folder", tmp_path / "project", DOCKER_HOST=f"unix://{tmp_path}/engine.sock") as process:
            until(lambda: server.asked, process)
            process.terminate()
            assert process.wait(6.0 * LAST) == CODE
        server.shutdown()


def test_a_worker_that_waits_for_work_ends_at_once(tmp_path: Path) -> None:
    with started("worker", "--slots", 1, "--folder", tmp_path) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: len(children.read_text().split()) >= 2, process)  # the worker, and who tracks its resources
        process.terminate()
        assert process.wait(3.0 * LAST) == 0


def test_a_worker_whose_database_is_away_ends_all_the_same(tmp_path: Path, engine: Engine) -> None:
    """What it holds cannot be given back then: its lease ends by itself, and no container is left."""
    loss = tmp_path / "loss.py"
    loss.write_text(SLOW, "utf-8")
    with running() as server:
        url = server.database()
        with Ledger(tmp_path / "project", database=url) as ledger:
            (run,) = (one.run for one in submit([loss], ledger=ledger))
            words = ("worker", "--slots", 1, "--folder", tmp_path / "project", "--database", url)
            with started(*words) as process:
                until(lambda: containers(engine, ledger, run), process)
                server.stop()
                time.sleep(2.0)
                process.terminate()
                _, told = process.communicate(timeout=3.0 * LAST)
            assert process.returncode in {0, CODE}, told
            assert containers(engine, ledger, run) == []
            server.start()
            assert ledger.run(run).faults == 0
