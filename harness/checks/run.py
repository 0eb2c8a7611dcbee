"""Check many candidates: in this process, or in several."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from typing import TYPE_CHECKING

from harness.checks.job import Job
from harness.core.candidate import discover
from harness.core.errors import HarnessError, InfrastructureError, UserError
from harness.core.profiles import load

if TYPE_CHECKING:
    import multiprocessing
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from harness.checks.options import Options
    from harness.core.result import CheckReport, CheckResult

    Emit = Callable[[Job, CheckResult], None]

#: How often a parent looks whether its workers still live, in seconds.
_PATIENCE = 0.5
#: Exit code of a worker that was told to stop.
_STOPPED = 130
#: How long a worker may take to remove its last sandbox and end, in seconds.
_FAREWELL = 30.0


def check(
    paths: Sequence[Path], options: Options, progress: Emit | None = None, *, leaving: bool = False
) -> CheckReport:
    """Check the candidates at `paths` (files, or folders that hold some); results keep that order.

    `leaving` says that this process ends after it: removals that the engine was told of are not waited for.

    Raises UserError for paths and options that make no sense. A fault of ours ends in verdicts of
    Undecided, and never in an exception that would lose the verdicts that there are.
    """
    load(options.profile)
    if options.jobs < 1:
        raise UserError("--jobs takes a number from 1 up")
    if options.screened_ok and not options.static:
        raise UserError("--screened-ok goes with --static", remedy="a check without --static judges; leave it out")
    found, excluded = discover(paths, options.exclude)
    jobs = [Job(place, path, str(path)) for place, path in enumerate(found)]
    if not jobs:
        raise UserError("there is nothing to check", remedy="name files, or folders that hold some")
    results: dict[int, CheckResult] = {}

    def emit(job: Job, result: CheckResult) -> None:
        results[job.place] = result
        if progress is not None:
            progress(job, result)

    lost = InfrastructureError("nothing came of its check", remedy="run the check again")
    try:
        _dispatch(jobs, options, emit, leaving=leaving)
    except InfrastructureError as error:
        lost = error
    from harness.core.result import CheckReport, CheckResult  # noqa: PLC0415 - after the sandbox was asked for
    from harness.core.verdict import Undecided  # noqa: PLC0415

    for job in jobs:
        if job.place not in results:
            verdict = Undecided(lost.message, lost.remedy)
            emit(job, CheckResult(path=job.shown, sha256="", name=job.path.stem, verdict=verdict))
    told = tuple(results[j.place] for j in jobs)
    left_out = tuple(map(str, excluded))
    return CheckReport(options.profile, options.seed, told, left_out, screened_ok=options.screened_ok)


def _dispatch(jobs: list[Job], options: Options, emit: Emit, *, leaving: bool) -> None:
    if options.static:
        from harness.checks.static import screen_result, screened  # noqa: PLC0415 - loads no docker, no properties

        for job in jobs:
            emit(job, screen_result(screened(job, options)))
        return
    if min(options.jobs, len(jobs)) <= 1:
        _check_here(iter(jobs), options, emit, eager=len(jobs) == 1, leaving=leaving)
        return
    _check_apart(jobs, options, emit, leaving=leaving)


def _check_here(jobs: Iterator[Job], options: Options, emit: Emit, *, leaving: bool, eager: bool = False) -> None:
    from harness.checks.checker import Checker  # noqa: PLC0415 - as above

    with Checker.open(options) as checker:
        checker.check_all(jobs, emit, eager=eager)
        if leaving and not checker.recipe.podman:  # nobody has seen what that one does with one who has gone
            checker.engine.leave()


def _check_apart(jobs: list[Job], options: Options, emit: Emit, *, leaving: bool) -> None:
    """Give the jobs to worker processes, one at a time as they ask for them."""
    import multiprocessing  # noqa: PLC0415 - one candidate needs no processes

    from harness.core.imports import safe_children  # noqa: PLC0415

    context = multiprocessing.get_context("spawn")
    with safe_children():
        todo, done = context.Queue(), context.Queue()
    count = min(options.jobs, len(jobs))
    for job in jobs:
        todo.put(job)
    for _ in range(count):
        todo.put(None)
    workers: list[BaseProcess] = [
        context.Process(target=_worker, args=(todo, done, options, leaving), daemon=False) for _ in range(count)
    ]
    try:
        with safe_children():
            for worker in workers:
                worker.start()
        _collect(workers, done, len(jobs), emit)
        # All is known; the last sandboxes are being removed, and nobody is to be told to stop.
        for worker in workers:
            worker.join(timeout=_FAREWELL)
    finally:
        for worker in workers:
            _end(worker)
        for channel in (todo, done):
            channel.cancel_join_thread()
            channel.close()


def _collect(workers: list[BaseProcess], done: multiprocessing.Queue[object], count: int, emit: Emit) -> None:
    """Take results until all are in, or no worker is left that could send one."""
    import queue  # noqa: PLC0415 - as above

    while count:
        try:
            item = done.get(timeout=_PATIENCE)
        except queue.Empty:
            if any(w.is_alive() for w in workers):
                continue
            try:
                item = done.get(timeout=_PATIENCE)
            except queue.Empty:
                raise InfrastructureError(
                    "the worker processes ended before all candidates were checked",
                    remedy="see what ended them, most often want of memory, and run the check again with fewer --jobs",
                ) from None
        if isinstance(item, HarnessError):
            raise item
        if isinstance(item, tuple):
            emit(*item)
            count -= 1


def _end(worker: BaseProcess) -> None:
    """Let a worker finish; it removes its own sandbox when it is told to stop."""
    if worker.pid is None:
        return
    worker.join(timeout=0.01)
    if worker.is_alive():
        worker.terminate()
        worker.join(timeout=30)
    if worker.is_alive():
        worker.kill()
        worker.join()


def _worker(
    todo: multiprocessing.Queue[Job | None],
    done: multiprocessing.Queue[object],
    options: Options,
    leaving: bool,  # noqa: FBT001 - how a process is started gives no names
) -> None:
    """One worker process."""
    # Ctrl-C reaches the whole group: the parent decides, and tells its workers by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    warnings.simplefilter("ignore")  # as in the command itself
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        try:
            _check_here(iter(todo.get, None), options, lambda job, result: done.put((job, result)), leaving=leaving)
        except (InfrastructureError, UserError) as error:
            # As one of these two: what else it carries may not cross to another process.
            kind = UserError if isinstance(error, UserError) else InfrastructureError
            done.put(kind(error.message, remedy=error.remedy))
        done.close()
        done.join_thread()
    except KeyboardInterrupt:
        # Told to stop, and what was started is removed by now.
        done.cancel_join_thread()
        os._exit(_STOPPED)
    # Whatever a plugin left running must not hold the process back.
    os._exit(0)


def _stop_with_parent() -> None:
    """A parent that is killed tells nobody: its workers would check on, and wait for a reader of their results."""
    import multiprocessing  # noqa: PLC0415 - as above

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _stop(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt
