"""The real `python -m harness.trainer`: killed at any point, gone on with to the same bits; ended with its host."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from answering import Here
from places import Threads

from harness.core.errors import InfrastructureError
from harness.ladder.plan import RungPlan
from harness.protocol.job import Job, Progress, Step
from harness.training.process import Processes, RunningProcess
from harness.training.rung import TrainingService

if TYPE_CHECKING:
    from harness.containers.trainer_request import TrainerLimits

TINY = (sys.executable, "-P", "-u", str(Path(__file__).with_name("tiny.py")))


class Mixed(Processes):
    """The training in a process of its own, the rest in threads; the last process can be got at."""

    last: RunningProcess

    def __init__(self) -> None:
        super().__init__(TINY)
        self._threads = Threads()

    def start(self, work: Job, limits: TrainerLimits) -> RunningProcess:
        if work.step is not Step.TRAIN:
            return self._threads.start(work, limits)  # type: ignore[return-value]
        self.last = super().start(work, limits)
        return self.last


def plan(folder: Path, pause: float) -> RungPlan:
    settings = {"steps": 20, "log": str(folder), "pause": pause}
    return RungPlan("tiny", "tiny", "cpu", "dpo", tuple(settings.items()), None, ask_a_person=False)


@pytest.mark.rest
def test_killed_at_any_point_a_rerun_gives_the_same_weights(tmp_path: Path) -> None:
    where = Mixed()
    trainings = TrainingService(tmp_path, where, keep=True)
    began = {}

    def train(name: str, kill_at: int = 0) -> dict[str, float]:
        def kill(step: Step, progress: Progress) -> None:
            if kill_at and step is Step.TRAIN and progress.done >= kill_at:
                os.kill(where.last.pid, signal.SIGKILL)

        return trainings.measure(lambda _, __: contextlib.nullcontext(Here()), plan(tmp_path, 0.3), 0, name, say=kill)

    whole = train("whole")
    for at in (2, 12):
        with pytest.raises(InfrastructureError, match="-9"):
            train(f"killed at {at}", at)
        again = train(f"killed at {at}")
        began[at] = again.pop("began")
        assert again == {k: v for k, v in whole.items() if k != "began"}
    assert began[12] >= 10.0  # it went on, and did not begin anew
    weights = {path.read_bytes() for path in tmp_path.glob("training/*/weights/policy.safetensors")}
    assert len(list(tmp_path.glob("training/*/weights"))) == 3
    assert len(weights) == 1


@pytest.mark.rest
def test_it_ends_with_its_host_and_says_what_is_wrong_in_lines(tmp_path: Path) -> None:
    job = Job("tiny", Step.PREPARE, 0, {"log": str(tmp_path)}, out=str(tmp_path))
    job.write(tmp_path / "job.json")
    # Nobody holds the other end of its stdin: it ends before it has made anything.
    orphan = [*TINY, str(tmp_path / "job.json"), "--lifeline"]
    alone = subprocess.run(orphan, stdin=subprocess.DEVNULL, timeout=600, check=False)
    assert alone.returncode == 4
    (tmp_path / "bad.json").write_text("{")
    command = [sys.executable, "-P", "-m", "harness.trainer", str(tmp_path / "bad.json")]
    bad = subprocess.run(command, capture_output=True, timeout=600, check=False)
    assert bad.returncode == 3
    assert "is no job" in json.loads(bad.stdout)["failed"]["message"]
    Job("nothing", Step.PREPARE, 0, out=str(tmp_path)).write(tmp_path / "unknown.json")
    command[-1] = str(tmp_path / "unknown.json")
    unknown = subprocess.run(command, capture_output=True, timeout=600, check=False)
    assert unknown.returncode == 2
    assert json.loads(unknown.stdout)["failed"]["fault"] == "user"
