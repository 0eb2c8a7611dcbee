"""Facts about the machine that the figures were made on; no host names and no paths."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path

from bench.containers import docker_run, sandbox_image


def facts() -> dict[str, str | int]:
    """Cores, processor, engine, Python on the host, torch in the sandbox."""
    version = json.loads(_output(["docker", "version", "--format", "{{json .}}"]))
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release().partition("-")[0],
        "engine": f"{version['Server']['Platform']['Name'] or 'Docker'} {version['Server']['Version']}".strip(),
        "python": platform.python_version(),
        "torch": _output(docker_run(sandbox_image(), ["-W", "ignore", "-c", "import torch; print(torch.__version__)"])),
    }


def load() -> float:
    """The load average of the last minute: above the number of cores, times are other people's too."""
    return round(os.getloadavg()[0], 1)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
