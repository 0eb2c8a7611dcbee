"""gVisor for the engine of this machine: the Debian package `runsc`, registered as a runtime of dockerd.

Only for a dockerd of this machine, as root: its settings file is changed and it reads it again. Containers that run
are not touched by that. `harness check --runtime runsc` uses it from then on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from harness.core.files import write_whole
from harness.setup.steps import SetupError, apt_install, may_install

NAME = "runsc"
SETTINGS = Path("/etc/docker/daemon.json")
PID_FILE = Path("/run/docker.pid")
#: ptrace works on every processor and inside virtual machines; no sandbox has a network to be emulated.
ARGUMENTS = ("--platform=ptrace", "--network=none", "--oci-seccomp")
REMEDY = (
    "install gVisor (https://gvisor.dev, or the Debian package runsc), register it with the engine as the runtime "
    f"`{NAME}` with the arguments {' '.join(ARGUMENTS)}, and reload the engine"
)
_PATIENCE = 20.0


def is_registered() -> bool:
    """Whether the engine knows the runtime. Raises EngineUnavailableError where there is no engine."""
    from harness.containers.engine import Engine  # noqa: PLC0415 - needs the environment that the set-up makes

    with contextlib.closing(Engine()) as engine:
        return NAME in engine.info().get("Runtimes", {})


def ensure() -> None:
    """Install and register gVisor where it is missing. Raises SetupError where that is not ours to do."""
    if is_registered():
        return
    if os.geteuid() != 0 or not PID_FILE.exists():
        raise SetupError("gVisor is not registered with the engine", remedy=REMEDY)
    program = shutil.which(NAME)
    if program is None:
        if not may_install():
            raise SetupError("gVisor is not installed", remedy=REMEDY)
        apt_install(NAME)
        program = shutil.which(NAME) or f"/usr/bin/{NAME}"
    register(Path(program))
    os.kill(int(PID_FILE.read_text("ascii")), signal.SIGHUP)
    until = time.monotonic() + _PATIENCE
    while not is_registered():
        if time.monotonic() > until:
            raise SetupError(f"the engine did not take the runtime {NAME} over from {SETTINGS}", remedy=REMEDY)
        time.sleep(0.1)


def register(program: Path, settings: Path = SETTINGS) -> None:
    """Write the runtime into dockerd's settings, and leave all the rest of them as it is."""
    try:
        known: dict[str, Any] = json.loads(settings.read_text("utf-8")) if settings.exists() else {}
    except ValueError as error:
        raise SetupError(f"{settings} is no JSON: {error}", remedy=f"mend {settings} first") from error
    known.setdefault("runtimes", {})[NAME] = {"path": str(program), "runtimeArgs": list(ARGUMENTS)}
    settings.parent.mkdir(parents=True, exist_ok=True)
    write_whole(settings, (json.dumps(known, indent=2) + "\n").encode())
