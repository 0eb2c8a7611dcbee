"""(b) Per candidate over the catalogue, two at a time: `harness check --jobs 2` over the naive way.

The naive way is one `docker run` with the sandbox's flags for each file, two at a time, and in it pytest,
Hypothesis, the same properties and the candidate in one process: see bench/naive.
"""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from bench.containers import HARNESS, candidates, docker_run
from bench.measure import Figure, environment, ratio, seconds
from bench.naive.build import build

if TYPE_CHECKING:
    from pathlib import Path

AT_A_TIME = 2


#: Files of the catalogue, which has grown since the figure was first measured.
FILES = 31


def figure(times: int, files: int = FILES) -> Figure:
    """Seconds per candidate on either side, as a ratio, over so many files."""
    return _of(candidates()[:files], times)


def _of(files: list[Path], times: int) -> Figure:
    image = build()
    check = [str(HARNESS), "check", f"--jobs={AT_A_TIME}", *map(str, files)]
    same_verdicts(image, files)
    sides = (
        ("harness check --jobs 2, per candidate", lambda: seconds(check) / len(files)),
        ("naive, per candidate", lambda: _naively(image, files) / len(files)),
    )
    what = f"`harness check --jobs {AT_A_TIME}` over {len(files)} files / the naive way, {AT_A_TIME} at a time"
    return ratio("per-candidate", what, 0.3, sides, times)


def _naively(image: str, files: list[Path]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(lambda path: naive_result(image, path), files))
    return time.perf_counter() - started


def naive_result(image: str, path: Path) -> dict[str, Any]:
    """What the naive harness says about a file."""
    command = docker_run(image, ["-m", "bench.naive.run"], interactive=True)
    with path.open("rb") as source:
        done = subprocess.run(command, stdin=source, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the naive harness failed on {path.name}: {done.stderr[-800:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def same_verdicts(image: str, files: list[Path]) -> None:
    """Both sides do the same work only if they find the same: rule by rule, and the same fingerprint."""
    command = [str(HARNESS), "check", f"--jobs={AT_A_TIME}", "--report=json=-", *map(str, files)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    ours = json.loads(done.stdout)["results"]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        theirs = list(pool.map(lambda path: naive_result(image, path), files))
    for path, one, other in zip(files, ours, theirs, strict=True):
        rules = [f["rule"] for f in one["findings"]], [f[0] for f in other["findings"]]
        marks = one["facts"]["fingerprint"], other["facts"]["fingerprint"]
        if rules[0] != rules[1] or marks[0] != marks[1]:
            raise RuntimeError(f"the two sides differ about {path.name}: {rules}, {marks}")
