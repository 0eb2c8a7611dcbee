"""Places for steps in tests: a thread of this process, and scripts of bytes. Starting torch anew takes seconds."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tiny
import torch

from harness.protocol.job import Progress, Step, StepError, line
from harness.trainer.remote import RemoteOracle
from harness.trainer.tasks import task
from harness.trainer.torch import OracleLoss
from harness.training.steps import End

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.containers.trainer_request import TrainerLimits
    from harness.protocol.job import Job


class Threads:
    """Runs the steps of a task in a thread, as `python -m harness.trainer` would in a process."""

    name, identity = "process", "threads"

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.jobs: list[Job] = []

    def start(self, work: Job, limits: TrainerLimits) -> RunningThread:
        del limits
        self.steps.append(work.step)
        self.jobs.append(work)
        return RunningThread(work)


class RunningThread:
    def __init__(self, work: Job) -> None:
        self._read, self._write = os.pipe()
        self.code = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(work,), daemon=True)
        self._thread.start()

    def _work(self, job: Job) -> None:
        def say(progress: Progress) -> None:
            if self._closed.is_set():
                raise SystemExit
            self._tell(line(progress={**vars(progress), "curve": dict(progress.curve)}))

        try:
            self._tell(line(metrics=dict(step_of(job, say))))
        except StepError as error:
            self._tell(line(failed={"fault": error.fault, "message": str(error), "remedy": error.remedy}))
            self.code = 3
        except SystemExit:
            self.code = 4
        except Exception as error:  # noqa: BLE001 - a trainer tells whatever it was
            self._tell(line(failed={"fault": "ours", "message": f"{type(error).__name__}: {error}", "remedy": ""}))
            self.code = 3
        finally:
            os.close(self._write)

    def _tell(self, text: str) -> None:
        os.write(self._write, text.encode() + b"\n")

    def pieces(self) -> Iterator[bytes]:
        while piece := os.read(self._read, 1 << 16):
            yield piece

    def end(self) -> End:
        self._thread.join(120)
        return End(self.code)

    def close(self) -> None:
        self._closed.set()
        self._thread.join(120)
        os.close(self._read)


def step_of(job: Job, say: Callable[[Progress], None]) -> dict[str, float]:
    torch.manual_seed(job.seed)
    chosen: Any = tiny if job.task == "tiny" else task(job.task)
    if job.step is not Step.TRAIN:
        return dict(getattr(chosen, job.step.value)(job, say))
    with RemoteOracle(Path(job.oracle)) as remote:
        return dict(chosen.train(job, OracleLoss(remote, smallest=remote.smallest), say))


class Scripted:
    """A step that writes these bytes and ends so; `left` are files that it leaves, by name."""

    name, identity = "container", "scripted"

    def __init__(self, said: bytes, end: End | None = None, left: dict[str, bytes] | None = None) -> None:
        self.said, self.ended, self.left = said, End(0) if end is None else end, left or {}
        self.closed = 0

    def start(self, work: Job, limits: TrainerLimits) -> Scripted:
        del limits
        for name, data in self.left.items():
            (Path(work.out) / name).write_bytes(data)
        return self

    def pieces(self) -> Iterator[bytes]:
        for at in range(0, len(self.said), 4096):
            yield self.said[at : at + 4096]

    def end(self) -> End:
        return self.ended

    def close(self) -> None:
        self.closed += 1
