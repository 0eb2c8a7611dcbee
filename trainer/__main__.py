"""`python -m harness.trainer JOB.json`: do one step of a task, and tell how it goes as JSON lines on stdout.

Exit codes are those of the harness: 0 done, 1 the candidate's fault, 2 the user's, 3 ours. Whoever started it knows
the candidate's fault by itself; the code is for people who start a step by hand.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from harness.core import pins
from harness.protocol.job import Job, Progress, Step, StepError, line
from harness.trainer.tasks import ANSWERING, CONTRACTS, task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from harness.trainer.tasks import Answering, ClassLoss, PairLoss

CODES = {"candidate": 1, "user": 2, "ours": 3}
LOST = 4
#: Set before numpy or torch is imported by anybody. Two threads can be 20 times slower than one on a busy machine,
#: and their number decides about the last bits; without the workspace CUDA's matrix products vary.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    **pins.TRAINER,
}
_CPUINFO = Path("/proc/cpuinfo")
_ELSEWHERE = "train on an x86-64 processor with AVX2 and FMA (`lscpu` names both)"
#: Least time between two lines of progress, in seconds; the last one of a step is always told.
_BETWEEN_LINES = 0.2


def main(arguments: list[str] | None = None) -> int:
    """Do the step; give the exit code."""
    os.environ |= ENVIRONMENT
    parser = argparse.ArgumentParser(prog="python -m harness.trainer", description=__doc__)
    parser.add_argument("job", type=Path, help="the job's file")
    parser.add_argument("--lifeline", action="store_true", help="end at once when standard input is closed")
    chosen = parser.parse_args(arguments)
    rank = int(os.environ.get("RANK", "0"))
    write = _lines() if rank == 0 else _nobody
    if chosen.lifeline:
        threading.Thread(target=_end_with_stdin, name="lifeline", daemon=True).start()
    try:
        job = _read(chosen.job)
        _see_processor()
        settle(job)
        _see_pins(job)
        metrics = _do(job, rank, write)
    except StepError as error:
        write(line(failed={"fault": error.fault, "message": str(error), "remedy": error.remedy}))
        return CODES.get(error.fault, CODES["ours"])
    except MemoryError:
        write(line(failed={"fault": "ours", "message": "it ran out of memory", "remedy": ""}))
        return CODES["ours"]
    except Exception as error:
        # The traceback goes to stderr, for whoever has to mend it.
        write(line(failed={"fault": "ours", "message": f"{type(error).__name__}: {error}", "remedy": ""}))
        raise
    write(line(metrics={name: float(value) for name, value in metrics.items()}))
    return 0


def settle(job: Job) -> None:
    """Make torch's numbers depend on the job alone: one thread, no denormals, deterministic algorithms."""
    import torch  # noqa: PLC0415 - a job that cannot be read is told without it

    if job.device not in {"cpu", "cuda"}:
        raise StepError(f"there is no device {job.device!r}", fault="user", remedy="cpu or cuda")
    if job.device == "cuda" and not torch.cuda.is_available():
        raise StepError("the job asks for a GPU, and torch finds none", remedy="see `harness doctor`")
    from harness.trainer.products import by_onednn  # noqa: PLC0415 - loads torch

    torch.set_num_threads(1)
    if job.device == "cpu":
        by_onednn()
    torch.set_flush_denormal(True)  # saturated policies are many times slower with them
    # Some operations have no such algorithm on a GPU; there a warning has to do.
    torch.use_deterministic_algorithms(mode=True, warn_only=job.device == "cuda")
    torch.backends.cudnn.benchmark = False
    torch.manual_seed(job.seed)


def _see_processor() -> None:
    """See that the pinned instructions are there, before torch is told to use them: without them it would crash."""
    words = _CPUINFO.read_text("utf-8", "replace").split() if _CPUINFO.exists() else ()
    if words and not {"avx2", "fma"} <= set(words):
        raise StepError("this processor has no AVX2 and FMA, which every training is computed with", remedy=_ELSEWHERE)


def _see_pins(job: Job) -> None:
    """See that torch took them: others would give other weights, and nobody would know."""
    import torch  # noqa: PLC0415 - see `settle`

    found = torch.backends.cpu.get_cpu_capability()
    if found != pins.TRAINER_CAPABILITY and job.device == "cpu":
        raise StepError(f"torch computes with {found} here, and not with {pins.TRAINER_CAPABILITY}", remedy=_ELSEWHERE)


def _do(job: Job, rank: int, write: Callable[[str], None]) -> Mapping[str, float]:
    chosen, say = task(job.task), _Teller(write)
    if job.step is Step.PREPARE:
        return chosen.prepare(job, say)
    if job.step is Step.SAMPLE:
        return chosen.sample(job, say)
    if job.step is Step.SCORE:
        return chosen.score(job, say)
    if job.step is Step.ANSWER:
        if job.task not in ANSWERING:
            raise StepError(f"the models of {job.task} answer nothing", fault="user", remedy="ask a fine-tuned model")
        return cast("Answering", chosen).answer(job, say)
    with ExitStack() as stack:
        return chosen.train(job, _loss(job, rank, stack), say)


def _loss(job: Job, rank: int, stack: ExitStack) -> PairLoss | ClassLoss:
    """The loss over the host's oracle."""
    from harness.trainer.remote import RemoteOracle  # noqa: PLC0415 - only training asks
    from harness.trainer.torch import LOSSES  # noqa: PLC0415

    if not job.oracle:
        raise StepError("the job names no oracle to train with")
    remote = stack.enter_context(RemoteOracle(Path(job.oracle), rank=rank))
    return LOSSES[CONTRACTS.get(job.task, "preference")](remote, smallest=remote.smallest)


def _read(path: Path) -> Job:
    try:
        return Job.read(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StepError(f"{path.name} is no job: {type(error).__name__}: {error}") from error


class _Teller:
    """Tells progress, seldom enough that nobody waits for whoever reads it; points of a curve always.

    They are kept with the run: which there are must not depend on how quick the machine is.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.curve or now >= self._next or progress.done >= progress.total:
            self._next = now + _BETWEEN_LINES
            self._write(line(progress=asdict(progress)))


def _lines() -> Callable[[str], None]:
    """Take stdout for the lines alone: whatever a library prints goes to stderr."""
    sys.stdout.flush()
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(text: str) -> None:
        kept.write(text + "\n")
        kept.flush()

    return write


def _nobody(_: str) -> None:
    """Rank 0 tells."""


def _end_with_stdin() -> NoReturn:
    """Whoever started this holds the other end of stdin, and nothing else tells us that they were killed."""
    while os.read(0, 4096):
        pass
    os._exit(LOST)


def _leave(code: int) -> NoReturn:
    """End at once. Several ranks have threads of gloo's or NCCL's that may abort a process which takes itself down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    ended = main()
    if "RANK" in os.environ:
        _leave(ended)
    raise SystemExit(ended)
