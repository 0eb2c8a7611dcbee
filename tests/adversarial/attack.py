"""Puts the corpus to the harness, each case followed by an honest loss, and looks at the ground truth afterwards."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import layers
import truth

from harness.judge.options import Options
from harness.judge.run import check
from harness.oracle.engine import Engine
from harness.report.json_report import write_json
from harness.result import CheckReport, CheckResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cases import Case

OPTIONS = {
    "screen on": Options(),
    "screen off": Options(screen=False),
    "gVisor": Options(screen=False, runtime="runsc", gpu="none"),
}
CONTROL = truth.ROOT / "examples" / "discopop.py"
#: Two at a time: each process checks its share one after the other.
SHARES = 2


@dataclass
class Seen:
    """What became of one case: its result, and the report of the honest loss that was checked right after it."""

    result: CheckResult
    control: str
    seconds: float


@dataclass
class Attack:
    """One mode's whole run; `wrong` is the ground truth that does not hold, and empty where all does."""

    mode: str
    seen: dict[str, Seen] = field(default_factory=dict)
    #: The report of the honest loss when nothing hostile has been there.
    alone: str = ""
    wrong: list[str] = field(default_factory=list)

    def verdict_on(self, case: Case) -> str:
        """What is not as expected of one case; empty where all is."""
        seen = self.seen.get(case.name)
        if seen is None:
            return "it was not checked"
        wrong = case.wrong(self.mode, seen.result)
        if not wrong and seen.control != self.alone:
            wrong = "the report of the honest loss after it is another than without it"
        return wrong


def run(mode: str, cases: Sequence[Case], progress: Callable[[str], None] = lambda _: None, *, off: str = "") -> Attack:
    """Check all cases of a mode. Raises nothing for what a case does: that is in the result.

    `off` names a layer that is switched off meanwhile (`layers.py`), in the processes that check.
    """
    todo = [case for case in cases if mode in case.expected]
    attack = Attack(mode)
    with tempfile.TemporaryDirectory(prefix="harness-redteam-") as name, contextlib.closing(Engine()) as engine:
        folder = Path(name)
        canary = truth.Canary(folder)
        try:
            attack.alone = _plain(check([CONTROL], OPTIONS[mode]).results[0])
            before = truth.files()
            pids = _work(attack, todo, folder, canary, progress, off)
            attack.wrong += _truth(engine, before, pids)
            report = CheckReport("", 0, tuple(s.result for s in attack.seen.values()))
            attack.wrong += [w for w in [canary.wrong(write_json(report))] if w]
        finally:
            canary.close()
    return attack


def _truth(engine: Engine, before: dict[str, tuple[int, ...]], pids: set[int]) -> list[str]:
    wrong = [f"left behind: container {c}" for c, owner in truth.containers(engine).items() if owner in pids]
    wrong += [f"left behind: process {p}" for p in truth.strays(engine)]
    after = truth.files()
    return wrong + [f"changed on the host: {p}" for p in before.keys() | after.keys() if before.get(p) != after.get(p)]


def _work(
    attack: Attack, todo: list[Case], folder: Path, canary: truth.Canary, progress: Callable[[str], None], off: str
) -> set[int]:
    """Let each process check its share; give the processes that there were."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    names: dict[str, str] = {}
    workers = []
    for share in range(SHARES):
        paths = []
        for case in todo[share::SHARES]:
            inside = folder / case.name
            inside.mkdir()
            path = case.write(inside, canary.path)
            # Several cases may stand for one device: a path of its own for each control tells where we are.
            control = inside / f"control_{case.name}.py"
            control.write_bytes(CONTROL.read_bytes())
            names[str(control)] = case.name
            paths += [path, control]
        workers.append(context.Process(target=_share, args=(paths, OPTIONS[attack.mode], results, off)))
    for worker in workers:
        worker.start()
    pids = {worker.pid or 0 for worker in workers}
    open_shares = len(workers)
    last: dict[int, tuple[CheckResult, float]] = {}
    while open_shares:
        pid, result = results.get(timeout=300)
        if result is None:
            open_shares -= 1
        elif result.path in names:
            hostile, started = last[pid]
            name = names[result.path]
            attack.seen[name] = Seen(hostile, _plain(result), time.monotonic() - started)
            progress(name)
        else:
            last[pid] = (result, time.monotonic())
    for worker in workers:
        worker.join()
    return pids


def _share(
    paths: list[Path], options: Options, results: multiprocessing.Queue[tuple[int, CheckResult | None]], off: str
) -> None:
    pid = os.getpid()
    try:
        if off:
            layers.switch_off(off)
        check(paths, options, lambda _, result: results.put((pid, result)))
    finally:
        results.put((pid, None))


def _plain(result: CheckResult) -> str:
    """A report without what may differ: where the file lies, and how long things took."""
    document = json.loads(write_json(CheckReport("", 0, (replace(result, path="", timings={}),))))
    return json.dumps(document, sort_keys=True)
