"""(c) One round trip of the oracle with 64 pairs, over the same computation without any wire.

The other side runs in a container of the same image with the same flags, in one process: the sandbox's own
`_answer` on the very bytes that the oracle sends, in a loop. So the difference is the wire: packing, the
engine's stream in both directions, parsing, and nothing of torch.
"""

from __future__ import annotations

import base64
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.containers import ROOT, docker_run, sandbox_image
from bench.measure import Figure, environment
from harness.checks.checker import Checker
from harness.protocol import wire
from harness.subject.batches import batch_of

if TYPE_CHECKING:
    from collections.abc import Callable

PAIRS, CALLS = 64, 500
_INSIDE = """
import base64, sys, time, json
from sandbox.preload import load_torch
load_torch()
from sandbox import worker
program, payload = (base64.b64decode(line) for line in sys.stdin.read().split())
call = worker._Loaded(json.loads(program))
def once():
    started = time.perf_counter()
    worker._answer(call, memoryview(payload))
    return time.perf_counter() - started
for _ in range(50):
    once()
print(sorted(once() for _ in range({calls}))[{calls} // 2])
"""


def figure(times: int) -> Figure:
    """The difference of two medians over some hundreds of calls, in milliseconds, repeated in turns."""
    batch = batch_of(np.linspace(-8.0, 8.0, PAIRS), 0.1)
    image = sandbox_image()
    values, trips, bares = [], [], []
    with Checker.open() as checker, checker.oracle(Path(ROOT / "examples" / "dpo.py")) as subject:
        program, payload = wire.pack_program(subject.oracle.program), subject.oracle.pack([batch])
        median_call(lambda: subject.answer(batch), 50)
        for _ in range(times):
            trips.append(median_call(lambda: subject.answer(batch), CALLS))
            bares.append(_inside(image, program, payload))
            values.append(1000 * (trips[-1] - bares[-1]))
    parts = (("round trip", statistics.median(trips)), ("in-process", statistics.median(bares)))
    what = f"oracle round trip for {PAIRS} pairs - the same computation in-process"
    return Figure("round-trip", what, tuple(values), 0.6, unit="ms", parts=parts)


def median_call(call: Callable[[], object], calls: int) -> float:
    """Median seconds of this many calls."""
    taken = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _inside(image: str, program: bytes, payload: bytes) -> float:
    command = docker_run(image, ["-c", _INSIDE.replace("{calls}", str(CALLS))], interactive=True)
    text = b"\n".join(base64.b64encode(part) for part in (program, payload))
    done = subprocess.run(command, input=text, env=environment(), capture_output=True, check=True)
    return float(done.stdout)
