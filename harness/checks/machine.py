"""Where a check was made: what a report tells beside its outcome, and nothing that the outcome may depend on.

No name of a host or of a person, no address, no clock.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.containers.devices import GpuChoice
    from harness.core.verdict import Json


def machine_facts(url: str, engine: str, info: Mapping[str, Any], gpu: GpuChoice | None) -> dict[str, Json]:
    """The engine, by its own account, and the machine that it is on; `url` tells whether that is this one."""
    told: dict[str, Json] = {
        "engine": engine,
        "kernel": str(info.get("KernelVersion", "")),
        "architecture": str(info.get("Architecture", "")),
        "processors": int(info.get("NCPU") or 0),
        "memory": int(info.get("MemTotal") or 0),
        "python": platform.python_version(),
    }
    if url.startswith(("unix:", "npipe:")):
        told["processor"] = processor()
    if gpu is not None:
        told["gpu"] = f"{gpu.index} (by {gpu.method})"
    return told


@cache
def processor() -> str:
    """The model of this machine's processor, as its kernel calls it; empty where it says nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
