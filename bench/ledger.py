"""(e) The ledger on both databases: overhead of a job that does nothing, a claim from a long queue, submissions.

And the leaderboard of a long search.

PostgreSQL is a server of the benchmark's own, on this machine, through a Unix socket, with every commit on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import insert, update

from bench.measure import Figure, ratio, seconds
from harness.core.candidate import Candidate
from harness.ladder.evaluations import MEASURED
from harness.ladder.ladder import load
from harness.ladder.rung_records import BASELINE
from harness.ladder.rungs import declared_by
from harness.ledger import Ledger
from harness.ledger.records import Decision, Score
from harness.ledger.tables import attachments, events, results, runs
from tests.ledger_postgres import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.synchronize import Barrier

    from harness.ledger.records import Claim

WORKERS, JOBS, CLAIMS = 4, 50, 100
SHORT, LONG, SUBMITTED = 100, 100_000, 10_000
#: Runs on the leaderboard, and seeds of each.
FINISHED, SEEDS = 10_000, 4
#: Milliseconds that a job may cost on each database.
OVERHEAD = {"sqlite": 15.0, "postgresql": 25.0}


def overhead(database: str, jobs: int = JOBS) -> Callable[[int], Figure]:
    """Wall-clock milliseconds for each job: submit, claim, three checkpoints of which the last ends the run."""

    def figure(times: int) -> Figure:
        with _url(database) as (folder, url):
            values = [_jobs(folder, url, turn, jobs) for turn in range(times + 1)][1:]
        what = f"{database}: one no-op job with {WORKERS} workers (all seconds / all jobs)"
        parts = (("as one worker sees it", WORKERS * statistics.median(values) / 1000),)
        return Figure(f"ledger-{database}", what, tuple(values), OVERHEAD[database], unit="ms", parts=parts)

    return figure


def claims(database: str, queued: int = LONG) -> Callable[[int], Figure]:
    """The time of a claim from a long queue over that from a short one, in turns."""

    def figure(times: int) -> Figure:
        with contextlib.ExitStack() as stack:
            sides = []
            for count in (queued, SHORT):
                folder, url = stack.enter_context(_url(database))
                ledger = stack.enter_context(Ledger(folder, database=url))
                _submit(ledger, range(count))
                sides.append((f"{count} queued", _claiming(ledger)))
                sides[-1][1]()  # once, so that all is in memory
            what = f"{database}: a claim with {queued} queued / with {SHORT}"
            return ratio(f"ledger-claim-{database}", what, 1.5, (sides[0], sides[1]), times)

    return figure


def submissions(database: str, count: int = SUBMITTED) -> Callable[[int], Figure]:
    """Seconds for many candidates through the API, each time into a new ledger."""

    def figure(times: int) -> Figure:
        values = []
        for _ in range(times):
            with _url(database) as (folder, url), Ledger(folder, database=url) as ledger:
                entries = [_entry(number) for number in range(count)]
                started = time.perf_counter()
                _submit_all(ledger, entries)
                values.append(time.perf_counter() - started)
        what = f"{database}: {count} submissions"
        return Figure(f"ledger-submit-{database}", what, tuple(values), 30.0, unit="s")

    return figure


def leaderboard(times: int, finished: int = FINISHED) -> Figure:
    """Seconds of the command, from its start to its end, over a SQLite ledger with many finished runs."""
    with many_finished(finished) as folder:
        command = [sys.executable, "-m", "harness", "leaderboard", "--folder", str(folder)]
        values = tuple(seconds(command) for _ in range(times + 1))[1:]
    what = f"sqlite: `harness leaderboard` with {finished} finished runs of the ladder {load().name}"
    return Figure("ledger-leaderboard", what, values, 1.0, unit="s")


@contextlib.contextmanager
def many_finished(finished: int = FINISHED) -> Iterator[Path]:
    """A folder with a SQLite ledger of so many finished runs."""
    with _url("sqlite") as (folder, url):
        with Ledger(folder, database=url) as ledger:
            _finish(ledger, finished)
        yield folder


def _finish(ledger: Ledger, count: int) -> None:
    """Runs that came to the end of the default ladder, with as many metrics and documents as a climb leaves."""
    ladder, draw = load(), np.random.Generator(np.random.PCG64(0))
    (plan,) = (plan for plan in ladder.rungs if plan.gate is not None)
    metrics = [*declared_by(plan).metrics, *(f"score@{step}" for step in range(30, 151, 30))]
    entries = [_entry(number) for number in range(count)]
    made = ledger.submit(entries, profile=ladder.name, profile_digest=ladder.digest, needs="cpu")
    kept = [ledger.keep(json.dumps(dict.fromkeys(metrics, 0.01 * seed)).encode()) for seed in range(SEEDS)]
    by = {"rung": plan.name, "evaluation": "e" * 64, "untuned": "e" * 64, "attempt": 1}
    with ledger.database.writing() as connection:
        for one in made:
            key = {"run": one.run, "rung": plan.name, "attempt": 1}
            scores = [
                {**key, "seed": seed, "metric": metric, "value": float(draw.normal()), "spelt": ""}
                for seed in range(SEEDS)
                for metric in metrics
            ]
            documents = [{**key, "name": BASELINE.format(seed), "artifact": kept[seed]} for seed in range(SEEDS)]
            connection.execute(insert(results), scores)
            connection.execute(insert(attachments), documents)
            connection.execute(insert(events).values(run=one.run, time=1.0, kind=MEASURED, detail=by))
        connection.execute(update(runs).values(state="completed", rung=len(ladder.rungs), attempt=1))


@contextlib.contextmanager
def _url(database: str) -> Iterator[tuple[Path, str]]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if database == "sqlite":
            yield folder, f"sqlite:///{folder / 'ledger.db'}"
        else:
            yield folder, stack.enter_context(running()).database()


def _entry(number: int) -> tuple[Candidate, str]:
    data = f"# {number}\n{'x' * 2000}\n".encode()  # as long as the catalogue's losses
    return Candidate(f"{number}.py", data, hashlib.sha256(data).hexdigest()), f"loss-{number}"


def _submit(ledger: Ledger, numbers: range) -> None:
    _submit_all(ledger, [_entry(number) for number in numbers])


def _submit_all(ledger: Ledger, entries: list[tuple[Candidate, str]]) -> None:
    ledger.submit(entries, profile="bench", profile_digest="b" * 64, needs="cpu")


def _claiming(ledger: Ledger) -> Callable[[], float]:
    def median() -> float:
        taken = []
        for _ in range(CLAIMS):
            started = time.perf_counter()
            held = ledger.claim("bench", slot="bench", needs=("cpu",))
            taken.append(time.perf_counter() - started)
            if held is None:
                raise RuntimeError("the queue is empty")
            ledger.release(held)
        return statistics.median(taken)

    return median


def _jobs(folder: Path, url: str, turn: int, jobs: int) -> float:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WORKERS + 1)
    workers = [context.Process(target=_work, args=(folder, url, turn, n, jobs, barrier)) for n in range(WORKERS)]
    for worker in workers:
        worker.start()
    barrier.wait(120)
    started = time.perf_counter()
    barrier.wait(600)
    passed = time.perf_counter() - started
    for worker in workers:
        worker.join()
    with Ledger(folder, database=url) as ledger:
        ended = ledger.counts()
        if ended != {"completed": WORKERS * jobs * (turn + 1)}:
            raise RuntimeError(f"not every job has ended: {ended}")
    return 1000 * passed / (WORKERS * jobs)


def _work(folder: Path, url: str, turn: int, worker: int, jobs: int, barrier: Barrier) -> None:
    with Ledger(folder, database=url) as ledger:
        entries = [_entry((turn * WORKERS + worker) * jobs + n) for n in range(jobs)]
        ledger.counts()
        barrier.wait(120)
        for entry in entries:
            _submit_all(ledger, [entry])
            held = ledger.claim(f"w{worker}", slot=f"w{worker}", needs=("cpu",))
            if held is None:
                raise RuntimeError("a job that was just submitted is not there")
            _climb(ledger, held)
        barrier.wait(600)


def _climb(ledger: Ledger, held: Claim) -> None:
    for rung in range(3):
        ledger.checkpoint(
            held,
            rung=f"rung-{rung}",
            scores=[Score(seed, "reward", 0.5) for seed in range(3)],
            decision=Decision("promote", "a job that does nothing", {"rung": rung}),
            evaluation=str(rung) * 64,
            next_needs="cpu" if rung < 2 else None,
        )
