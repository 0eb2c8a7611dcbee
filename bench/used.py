"""What a command costs: its time, the processor seconds of its processes, and those of the sandboxes it starts.

The sandboxes' seconds are the kernel's account of their cgroups, looked at until they are gone, so that other work on
the machine does not count. Only containers are counted whose label names the command or a process that it started: what
a helper had ready beforehand is somebody else's. Covered: cgroup v1 and v2, as root or where the files can be read.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bench.measure import environment
from harness.containers.engine import Engine
from harness.containers.request import LABEL, OWNER_LABEL
from harness.core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

_CGROUPS, _PROCESSES = Path("/sys/fs/cgroup"), Path("/proc")
#: Between two looks at what is running, and at what it has used, in seconds.
_LOOK, _READ = 0.1, 0.02


@dataclass(frozen=True)
class Used:
    """Seconds by the clock, of processors on the host and in sandboxes; and how many sandboxes there were."""

    wall: float
    host: float
    inside: float
    sandboxes: int

    @property
    def processor(self) -> float:
        """Host and sandboxes together."""
        return self.host + self.inside


class Sandboxes:
    """The processor seconds of the sandboxes of one process and of those that it started, while this is open."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._files: dict[str, Path] = {}
        self._seconds: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._engine = Engine()

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()
        self._engine.close()

    @property
    def seconds(self) -> float:
        """All that was seen so far."""
        return sum(self._seconds.values())

    @property
    def count(self) -> int:
        """The sandboxes that were seen."""
        return len(self._seconds)

    def _watch(self) -> None:
        looked = 0.0
        while not self._over.wait(_READ):
            if time.monotonic() - looked >= _LOOK:
                # Who is ending just now may be asked about in vain.
                with contextlib.suppress(InfrastructureError, OSError, LookupError):
                    self._look()
                looked = time.monotonic()
            for container, file in [*self._files.items()]:
                try:
                    self._seconds[container] = _seconds(file)
                except OSError:  # it is gone: what was read last stands
                    del self._files[container]

    def _look(self) -> None:
        """Find sandboxes that are new."""
        for one in self._engine.client.containers(filters={"label": [LABEL]}):
            container = str(one["Id"])
            if container not in self._seconds and self._is_ours(one):
                process = self._engine.state(container).get("Pid", 0)
                if process:
                    self._files[container] = accounting(process)
                    self._seconds[container] = 0.0

    def _is_ours(self, container: dict[str, Any]) -> bool:
        """Whether it was made by the process that is watched, or by one that descends from it."""
        owner = container["Labels"].get(OWNER_LABEL, "").split(":")
        process = int(owner[1]) if len(owner) == 3 and owner[1].isdigit() else 0
        while process > 1:
            if process == self._process:
                return True
            process = _parent(process)
        return False


def _parent(process: int) -> int:
    try:
        stat = (_PROCESSES / str(process) / "stat").read_text("utf-8", "replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def accounting(process: int) -> Path:
    """The file in which the kernel counts the processor time of a process's cgroup."""
    for line in (_PROCESSES / str(process) / "cgroup").read_text("utf-8").splitlines():
        _, controllers, where = line.split(":", 2)
        if "cpuacct" in controllers.split(","):
            return _CGROUPS / "cpuacct" / where.lstrip("/") / "cpuacct.usage"
        if not controllers and (_CGROUPS / "cgroup.controllers").exists():
            return _CGROUPS / where.lstrip("/") / "cpu.stat"
    raise OSError("this kernel counts no processor time of a cgroup")


def _seconds(file: Path) -> float:
    text = file.read_text("utf-8")
    if file.name == "cpu.stat":
        return float(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6
    return float(text) / 1e9


def used(command: Sequence[str], *, expected: Sequence[int] = (0,), folder: Path | None = None) -> Used:
    """Run a command in a folder and count; its end must be one of the expected ones."""
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment(), cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        with Sandboxes(process.pid) as sandboxes:
            # With the children that it has waited for.
            _, status, account = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in expected:
            said.seek(0)
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said.read()[-1500:].decode()}")
    out = Used(wall, account.ru_utime + account.ru_stime, sandboxes.seconds, sandboxes.count)
    print(f"    {out.wall:.2f} s, {out.host:.2f} on the host, {out.inside:.2f} inside {out.sandboxes}", file=sys.stderr)
    return out
