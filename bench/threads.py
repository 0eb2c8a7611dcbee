"""Rung 3's loop with as many torch threads as there are cores, over the same with one, on a busy machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.containers import ROOT
from bench.measure import Figure, ratio
from bench.reviews_step import train
from harness.ladder.ladder import load

if TYPE_CHECKING:
    from collections.abc import Iterator

WHAT = "a training step of rung 3 with a torch thread for each core / with one, beside a busy process for each core"
#: Steps enough to tell: threads that wait for each other make them slow.
_CORPUS, _PROMPTS = 1000, 128


def figure(times: int, corpus: int = _CORPUS, prompts: int = _PROMPTS) -> Figure:
    """Seconds per step with DPO in-process, in turns."""
    import torch  # noqa: PLC0415 - needs what trainers need

    from bench.reviews import prepared  # noqa: PLC0415 - as above
    from bench.reviews_losses import loss  # noqa: PLC0415 - as above

    less = {"epochs": 1, "corpus": corpus, "prompts": prompts, "warm_steps": 50}
    settings = {**dict(load("reviews").rungs[-1].settings), **less}
    data = prepared(0, settings, ROOT / "build" / "reviews")
    cores = os.cpu_count() or 1

    def once(threads: int) -> float:
        torch.set_num_threads(threads)
        try:
            return train(loss("dpo"), settings, data)[0]
        finally:
            torch.set_num_threads(1)

    with _busy(cores):
        once(1)
        return ratio(
            "threads", WHAT, None, ((f"{cores} threads", lambda: once(cores)), ("one", lambda: once(1))), times
        )


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in neighbours:
            one.kill()
            one.wait()
