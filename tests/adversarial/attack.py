"""Puts the corpus to the harness, an honest loss after every few cases, and looks at the ground truth afterwards.

Where the honest loss is another than without them, the cases before it are put again, each with one of its own.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import itertools
import json
import multiprocessing
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import layers
import truth
from short import BASE, asking
from support import decided, was_busy

from harness.checks.options import Options
from harness.checks.run import check
from harness.containers.engine import Engine
from harness.core.result import CheckReport, CheckResult
from harness.report.json_report import write_json

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
_UNDECIDED = '"verdict": "undecided"'
#: Cases for one honest loss.
GROUP = 8
#: So often a case is put alone, with an honest loss of its own, as long as that one stays undecided.
TURNS = 3


@dataclass
class Seen:
    """What became of one case: its result, and the report of the honest loss that was checked next, after `GROUP`."""

    result: CheckResult
    control: str
    seconds: float


class Asked(NamedTuple):
    """One file of a share: its profile, and for a short check the rules that it asks besides the usual few."""

    path: Path
    profile: str
    rules: tuple[str, ...] | None


@dataclass
class Attack:
    """One mode's whole run; `wrong` is the ground truth that does not hold, and empty where all does."""

    mode: str
    short: bool = False
    seen: dict[str, Seen] = field(default_factory=dict)
    #: The report of the honest loss when nothing hostile has been there.
    alone: str = ""
    wrong: list[str] = field(default_factory=list)

    def rules(self, case: Case) -> tuple[str, ...]:
        """The properties that a short check asks of a case, besides those that it asks of all."""
        return tuple(sorted({word for word in case.expected[self.mode].verdict if word.startswith("P")} - BASE))

    def verdict_on(self, case: Case) -> str:
        """What is not as expected of one case; empty where all is."""
        seen = self.seen.get(case.name)
        if seen is None:
            return "it was not checked"
        wrong = case.wrong(self.mode, seen.result)
        if not wrong and self.control_differs(case):
            wrong = "the report of the honest loss after it is another than without it"
        return wrong

    def control_differs(self, case: Case) -> bool:
        """Whether the honest loss after it has another report than without it."""
        return self.seen[case.name].control != self.alone

    def is_open(self, case: Case) -> bool:
        """Whether the case itself was not decided, for want of the host's time, and should have been."""
        result = self.seen[case.name].result
        return was_busy(result) and bool(case.wrong(self.mode, result))

    def control_is_open(self, case: Case) -> bool:
        """Whether the honest loss after it was not decided."""
        return _UNDECIDED in self.seen[case.name].control


def run(
    mode: str,
    cases: Sequence[Case],
    progress: Callable[[str], None] = lambda _: None,
    *,
    off: str = "",
    controls: bool = True,
    short: bool = False,
) -> Attack:
    """Check all cases of a mode. Raises nothing for what a case does: that is in the result.

    `off` names a layer that is switched off meanwhile (`layers.py`), in the processes that check. Without `controls`
    no honest loss is checked, and nothing is said about one. `short` asks no more than is needed to stop each case.
    """
    todo = [case for case in cases if mode in case.expected]
    attack = Attack(mode, short=short)
    if short:  # a session of the properties for each set of rules
        todo.sort(key=attack.rules)
    with tempfile.TemporaryDirectory(prefix="harness-redteam-") as name, contextlib.closing(Engine()) as engine:
        folder = Path(name)
        canary = truth.Canary(folder)
        try:
            attack.alone = _alone(mode, short=short) if controls else ""
            before = truth.files()
            pids = _work(attack, todo, folder / "all", canary, progress, off, group=GROUP if controls else 0)
            put = [case for case in todo if case.name in attack.seen]
            suspects = [case for case in put if attack.control_differs(case) or attack.is_open(case)]
            # A host with other work may have decided nothing of the honest loss: that is no other judgement.
            judged = [case for case in suspects if attack.control_differs(case) and not attack.control_is_open(case)]
            otherwise = {_difference(attack.alone, attack.seen[case.name].control) for case in judged}
            left = suspects
            for turn in range(TURNS):
                if not left:
                    break
                pids |= _work(attack, left, folder / f"alone_{turn}", canary, lambda _: None, off, group=int(controls))
                left = [case for case in left if attack.control_is_open(case) or attack.is_open(case)]
            if judged and not any(attack.control_differs(case) for case in suspects):
                names, how = ", ".join(case.name for case in judged), "; ".join(sorted(otherwise))
                attack.wrong.append(f"an honest loss was judged otherwise after {names}, not after one alone: {how}")
            attack.wrong += _truth(engine, before, pids)
            report = CheckReport("", 0, tuple(s.result for s in attack.seen.values()))
            attack.wrong += [w for w in [canary.wrong(write_json(report))] if w]
        finally:
            canary.close()
    return attack


@functools.cache
def _alone(mode: str, *, short: bool) -> str:
    """The report of the honest loss where nothing hostile has been: in this process, in which no layer is off."""
    with asking(()) if short else contextlib.nullcontext():
        return _plain(decided([CONTROL], OPTIONS[mode])[0])


def _truth(engine: Engine, before: dict[str, tuple[int, ...]], pids: set[int]) -> list[str]:
    wrong = [f"left behind: container {c}" for c, owner in truth.containers(engine).items() if owner in pids]
    wrong += [f"left behind: process {p}" for p in truth.strays(engine)]
    after = truth.files()
    return wrong + [f"changed on the host: {p}" for p in before.keys() | after.keys() if before.get(p) != after.get(p)]


def _work(
    attack: Attack,
    todo: list[Case],
    folder: Path,
    canary: truth.Canary,
    progress: Callable[[str], None],
    off: str,
    *,
    group: int,
) -> set[int]:
    """Let each process check its share, an honest loss after each `group` (0: none); give the processes of it."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    shares = [todo[at::SHARES] for at in range(min(SHARES, len(todo)))]
    controls: set[str] = set()
    workers = []
    for share in shares:
        paths = _paths(share, folder, canary, attack, group, controls)
        workers.append(context.Process(target=_share, args=(paths, OPTIONS[attack.mode], results, off)))
    for worker in workers:
        worker.start()
    pids = {worker.pid or 0 for worker in workers}
    open_shares = len(workers)
    order = {worker.pid: iter([c.name for c in share]) for worker, share in zip(workers, shares, strict=True)}
    waiting: dict[int, list[tuple[str, CheckResult, float]]] = {pid: [] for pid in pids}
    began = dict.fromkeys(pids, time.monotonic())
    while open_shares:
        pid, result = results.get(timeout=900)
        if result is None:
            open_shares -= 1
        elif result.path in controls:
            control = _plain(result)
            for name, hostile, seconds in waiting[pid]:
                attack.seen[name] = Seen(hostile, control, seconds)
                progress(name)
            waiting[pid].clear()
        else:
            # By its place in the share: the path may be a device, and that of several cases.
            name, seconds = next(order[pid]), time.monotonic() - began[pid]
            if group:
                waiting[pid].append((name, result, seconds))
            else:
                attack.seen[name] = Seen(result, attack.alone, seconds)
                progress(name)
        began[pid] = time.monotonic()
    for worker in workers:
        worker.join()
    return pids


def _paths(
    share: Sequence[Case], folder: Path, canary: truth.Canary, attack: Attack, group: int, controls: set[str]
) -> list[Asked]:
    """Write a share's files, and say how each is checked; the paths of honest losses join `controls`."""
    paths = []
    for place, case in enumerate(share, 1):
        inside = folder / case.name
        inside.mkdir(parents=True)
        rules = attack.rules(case) if attack.short else None
        paths.append(Asked(case.write(inside, canary.path), case.profile, rules))
        if group and (place % group == 0 or place == len(share)):
            # Several cases may stand for one device: a path of its own for each control tells where we are.
            control = inside / f"control_{case.name}.py"
            control.write_bytes(CONTROL.read_bytes())
            controls.add(str(control))
            paths.append(Asked(control, OPTIONS[attack.mode].profile, () if attack.short else None))
    return paths


def _share(
    paths: list[Asked],
    options: Options,
    results: multiprocessing.Queue[tuple[int, CheckResult | None]],
    off: str,
) -> None:
    pid = os.getpid()
    try:
        if off:
            layers.switch_off(off)
        for (profile, rules), group in itertools.groupby(paths, key=lambda each: (each.profile, each.rules)):
            files = [each.path for each in group]
            with contextlib.nullcontext() if rules is None else asking(rules):
                check(files, replace(options, profile=profile), lambda _, result: results.put((pid, result)))
    finally:
        results.put((pid, None))


def _difference(usual: str, other: str) -> str:
    """The lines in which two reports differ."""
    lines = difflib.unified_diff(usual.splitlines(), other.splitlines(), n=0, lineterm="")
    changed = [line for line in lines if not line.startswith(("---", "+++"))]
    return " ".join(changed)[:500]


def _plain(result: CheckResult) -> str:
    """A report without what may differ: where the file lies, and how long things took."""
    document = json.loads(write_json(CheckReport("", 0, (replace(result, path="", timings={}),))))
    return json.dumps(document, indent=1, sort_keys=True)
