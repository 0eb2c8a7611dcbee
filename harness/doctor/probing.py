"""Runs the probes: each in a sandbox of its own, started, watched and removed as a candidate's is."""

from __future__ import annotations

import contextlib
import errno
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.containers.engine import Engine
from harness.containers.isolation import NotIsolatedError, behind_gvisor, runtime_of
from harness.core.errors import CandidateFault, HostBusyError, InfrastructureError, SandboxLostError
from harness.doctor import inside, judge
from harness.doctor.model import Check
from harness.oracle.oracle import Oracle
from harness.oracle.sandbox import Sandbox
from harness.protocol import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from harness.containers.request import Recipe
    from harness.core.errors import HarnessError
    from harness.doctor.model import Outcome

_HOLDS = "use an engine and a cgroup that hold this limit (`docker info` names what it cannot hold)"
_REPORT = "report this: a sandbox that outlives its limits is a fault of the harness or of its engine"
PIDS = Check("D441", "process-limit", "A fork bomb stops at the limit of processes.", _HOLDS)
MEMORY = Check("D442", "memory-limit", "Memory past the limit ends the candidate, by rule W204.", _HOLDS)
OUTPUT = Check("D443", "output-limit", "A gigabyte of output ends the candidate at its cap, by rule W207.", _REPORT)
TIME = Check("D444", "time-limit", "A candidate that sleeps is ended at its time limit, by rule W203.", _REPORT)
HANG_UP = Check("D445", "ends-with-its-host", "A sandbox ends by itself when the harness is gone.", _REPORT)
NOTHING_LEFT = Check("D446", "nothing-left", "No container is left, and the secret file is as it was.", _REPORT)
NAMES = Check("D448", "missing-names", "Names that are not there fill the sandbox's memory, and no more.", _HOLDS)
CHECKS = (PIDS, MEMORY, OUTPUT, TIME, HANG_UP, NOTHING_LEFT, NAMES)

#: Seconds that a probe may work, that the sleeping one gets, and that an abandoned sandbox may take to end.
_PATIENCE, _SHORT, _END = 60.0, 2.0, 15.0
_GIGABYTE = 1 << 30
#: The memory of the sandbox that asks for names, so that few fill it; and what one of the kernel's entries takes.
_SMALL, _ENTRY = 256 << 20, 192


@dataclass(frozen=True)
class Lab:
    """What all probes share. Each opens a connection of its own, so that two can run at a time."""

    url: str
    recipe: Recipe
    canary: Path
    #: Every container that there was.
    containers: list[str] = field(default_factory=list)

    def jobs(self) -> tuple[tuple[str, Callable[[], list[Outcome]]], ...]:
        """What is tried, in words, and how; each may run in a thread of its own."""
        return (
            ("system calls", self.kernel),
            ("files", self.files),
            ("what is counted for the whole host", self.counted),
            ("processes", self.processes),
            ("names that are not there", self.names),
            ("memory", lambda: self.outlasts(MEMORY, "memory", rules.MEMORY_LIMIT.id, MOST=self._beyond_memory)),
            ("output", lambda: self.outlasts(OUTPUT, "output", rules.OUTPUT_FLOOD.id, MOST=_GIGABYTE)),
            ("time", lambda: self.outlasts(TIME, "sleep", rules.TIME_LIMIT.id, call=_SHORT, SECONDS=_PATIENCE)),
            ("the end of the harness", self.hangs_up),
        )

    def kernel(self) -> list[Outcome]:
        """The preflight's witnesses, then the doors of the kernel's."""
        with _opened(self, ready=False) as opened:
            sandbox = opened.sandbox
            try:
                sandbox.wait_ready()
            except NotIsolatedError as refusal:
                if sandbox.evidence is None:
                    raise
                return [*judge.preflight(sandbox.evidence, sandbox.recipe), *_not_tried(judge.KERNEL_CHECKS, refusal)]
            except InfrastructureError as error:
                witnesses = _not_tried((judge.ACCEPTED, judge.BUILT), error)
                return [judge.CONFINED.failed(error.message, error.remedy), *witnesses]
            evidence = sandbox.evidence
            if evidence is None:
                raise RuntimeError("a sandbox that is ready has evidence")
            gvisor, here = opened.behind_gvisor, contextlib.nullcontext(opened)
            found = _tried(judge.KERNEL_CHECKS, here, lambda one: judge.kernel(one.ask("kernel"), gvisor=gvisor))
            return [*judge.preflight(evidence, sandbox.recipe), *found]

    def files(self) -> list[Outcome]:
        """What can be written, run and read."""

        def look(opened: _Opened) -> Iterable[Outcome]:
            findings = opened.ask("files", CANARY=str(self.canary))
            gpu = self.recipe.gpu is not None
            return judge.files(findings, gpu=gpu, podman=self.recipe.podman, gvisor=opened.behind_gvisor)

        return _tried(judge.FILE_CHECKS, _opened(self), look)

    def counted(self) -> list[Outcome]:
        """What there is a number of on the whole host, or for a user."""

        def look(opened: _Opened) -> Iterable[Outcome]:
            gpu = self.recipe.gpu is not None
            return judge.counted(opened.ask("counted"), gpu=gpu, gvisor=opened.behind_gvisor)

        return _tried(judge.COUNTED_CHECKS, _opened(self), look)

    def processes(self) -> list[Outcome]:
        """Twice as many processes as there may be."""
        most = self.recipe.limits.pids

        def fork(opened: _Opened) -> Iterable[Outcome]:
            try:
                findings = opened.ask("limits", WHICH="processes", MOST=2 * most)
            except (CandidateFault, SandboxLostError) as end:
                return [_end_of_gvisor(PIDS, opened, end)]
            born, reason = int(findings["born"]), int(findings["errno"])
            stopped = born < most and reason == errno.EAGAIN
            return [PIDS.holds(when=stopped, seen=f"{born} processes were made, and {most} in all are allowed")]

        return _tried((PIDS,), _opened(self), fork)

    def names(self) -> list[Outcome]:
        """More names that are not there than the memory has room for: the kernel remembers each."""
        # CUDA alone takes more.
        most = _SMALL if self.recipe.gpu is None else self.recipe.limits.memory

        def look(opened: _Opened) -> Iterable[Outcome]:
            if opened.behind_gvisor:
                return [NAMES.not_applicable("gVisor's own kernel remembers them, and not the host's")]
            found = opened.ask("limits", WHICH="names", MOST=most)
            seen = f"{found['names']} names of {found['each']:.0f} bytes each; {found['peak'] >> 20} MiB at most"
            seen += f", and {most >> 20} are allowed"
            if found["names"] == 0:
                return [NAMES.warning("a sandbox cannot see how much memory it has", "use cgroup v2")]
            return [NAMES.holds(when=found["each"] >= _ENTRY and found["peak"] <= most, seen=seen)]

        return _tried((NAMES,), _opened(self, memory=most), look)

    def outlasts(
        self, check: Check, which: str, rule: str, *, call: float = _PATIENCE, **constants: float
    ) -> list[Outcome]:
        """Go past a limit: the sandbox has to be ended for it, by that rule, and an answer must not come."""

        def go(opened: _Opened) -> Iterable[Outcome]:
            try:
                findings = opened.ask("limits", WHICH=which, **constants)
            except CandidateFault as fault:
                finding = fault.findings[0]
                return [check.holds(when=finding.rule == rule, seen=f"{finding.rule}: {finding.message}")]
            except HostBusyError as busy:
                return [check.warning(f"it was ended after its limit, and {busy.message}", busy.remedy)]
            except SandboxLostError as end:
                return [_end_of_gvisor(check, opened, end)]
            return [check.failed(f"it went past the limit and answered: {findings}")]

        return _tried((check,), _opened(self, call=call), go)

    def hangs_up(self) -> list[Outcome]:
        """Close the connection as the end of a killed harness does, and see that the container ends."""

        def abandon(opened: _Opened) -> Iterable[Outcome]:
            container_id = opened.sandbox.abandon()
            began = time.monotonic()
            while opened.engine.state(container_id).get("Running"):
                if time.monotonic() - began > _END:
                    return [HANG_UP.failed(f"it still runs {_END:g} s later")]
                time.sleep(0.05)
            return [HANG_UP.ok(f"it ended {time.monotonic() - began:.1f} s later")]

        return _tried((HANG_UP,), _opened(self), abandon)

    def left(self, secret: str) -> Outcome:
        """Whether anything is left of all that."""
        with contextlib.closing(Engine(self.url)) as engine:
            here = [one[:12] for one in self.containers if engine.state(one)]
        try:
            intact = self.canary.read_text("ascii") == secret
        except (OSError, UnicodeDecodeError):
            intact = False
        words = f"{len(self.containers)} containers were made; left: {', '.join(here) or 'none'}"
        file = "is as it was" if intact else "was changed"
        return NOTHING_LEFT.holds(when=intact and not here, seen=f"{words}; the secret file {file}")

    @property
    def _beyond_memory(self) -> int:
        return self.recipe.limits.memory + self.recipe.limits.memory // 4


@dataclass(frozen=True)
class _Opened:
    """One sandbox with a connection of its own."""

    engine: Engine
    sandbox: Sandbox

    @property
    def behind_gvisor(self) -> bool:
        """Whether gVisor's kernel answers in this sandbox, once it is ready."""
        evidence = self.sandbox.evidence
        return evidence is not None and behind_gvisor(evidence.inside, runtime_of(evidence, self.sandbox.recipe))

    def ask(self, name: str, **constants: str | float) -> dict[str, Any]:
        """Send a probe, and read its findings."""
        return inside.ask(Oracle(self.sandbox, inside.program(name, **constants), self.sandbox.recipe.limits))


@contextlib.contextmanager
def _opened(lab: Lab, *, call: float = _PATIENCE, memory: int | None = None, ready: bool = True) -> Iterator[_Opened]:
    """Open a sandbox, and wait until it is `ready`; it is gone afterwards, and so is its connection."""
    # The profile's limits but for time: here it is not the candidate that has to be quick.
    memory = memory or lab.recipe.limits.memory
    limits = replace(lab.recipe.limits, memory=memory, call=call, total=2 * _PATIENCE)
    with (
        contextlib.closing(Engine(lab.url)) as engine,
        contextlib.closing(Sandbox(engine, replace(lab.recipe, limits=limits))) as sandbox,
    ):
        lab.containers.append(sandbox.container)
        if ready:
            sandbox.wait_ready()
        yield _Opened(engine, sandbox)


def _tried(
    checks: Iterable[Check],
    opened: contextlib.AbstractContextManager[_Opened],
    what: Callable[[_Opened], Iterable[Outcome]],
) -> list[Outcome]:
    """Do it; where it does not come to an end, nothing is known of its checks, and that is never good news."""
    try:
        with opened as there:
            return list(what(there))
    except NotIsolatedError as error:
        return list(_not_tried(checks, error))
    except CandidateFault as fault:
        finding = fault.findings[0]
        return [check.failed(f"the probe came to no end: {finding.rule}, {finding.message}") for check in checks]
    except InfrastructureError as error:
        return [check.failed(f"the probe came to no end: {error.message}", error.remedy) for check in checks]
    except (ValueError, KeyError, TypeError) as error:
        return [
            check.failed(f"the probe's findings make no sense ({type(error).__name__}: {error})") for check in checks
        ]


def _end_of_gvisor(check: Check, opened: _Opened, end: HarnessError) -> Outcome:
    """What it means that a whole sandbox ended at a limit; raises the end where it was not gVisor that ended.

    gVisor's kernel is a program of the host's cgroup with threads and memory of its own, and ends where they run
    out. The limit holds, but nobody is told which it was.
    """
    if not opened.behind_gvisor:
        raise end
    words = f"the limit holds: the sandbox ends, with all of gVisor in it ({end.message}); such a candidate is rejected"
    return check.warning(words, "use a newer gVisor, or runc for candidates that come near their limits")


def _not_tried(checks: Iterable[Check], why: InfrastructureError) -> Iterator[Outcome]:
    for check in checks:
        yield check.not_applicable(f"not tried: {why.message}")
