"""Find the container engine; where there is none and we may, install the distribution's and start it.

An engine that answers is used as it is, whoever runs it. One that was chosen (DOCKER_HOST, a context) and
does not answer is reported and not replaced.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.containers.endpoint import endpoints, find_engine
from harness.core.errors import EngineUnavailableError
from harness.setup.steps import SetupError, apt_install, may_install

if TYPE_CHECKING:
    from harness.setup.steps import Display

LOG = Path("/var/log/harness-dockerd.log")
START_SECONDS = 60.0
INSTALL_REMEDY = (
    "install a container engine, then run this again. Debian or Ubuntu: `sudo apt-get install docker.io "
    "mmdebstrap && sudo usermod -aG docker $USER` and log in again; Fedora: `sudo dnf install podman && "
    "systemctl --user enable --now podman.socket`; macOS and Windows: Docker Desktop or Podman Desktop; an "
    "engine elsewhere: set DOCKER_HOST"
)


def ensure(display: Display) -> str:
    """Return the URL of an engine that answers, after installing and starting one where that is possible.

    Raises EngineUnavailableError or SetupError (both exit code 3) with what a person has to do.
    """
    try:
        return find_engine()
    except EngineUnavailableError as silent:
        if any(endpoint.explicit for endpoint in endpoints(os.environ)):
            raise
        problem = silent
    if shutil.which("dockerd") is None:
        if not may_install():  # a client alone is no engine; where we may not install one, its owner is asked
            if shutil.which("docker") or shutil.which("podman"):
                raise problem
            raise EngineUnavailableError("there is no container engine here", remedy=INSTALL_REMEDY)
        with display.step("installing the container engine (docker.io)"):
            apt_install("docker.io", "mmdebstrap")
    elif os.geteuid() != 0:
        raise problem
    with display.step("starting the container engine"):
        start()
    return find_engine()


def start(seconds: float = START_SECONDS, log: Path = LOG) -> None:
    """Start dockerd, by systemd where it runs, else in a session of its own, and wait until it answers."""
    if _answers():  # the package's own script may have started it
        return
    daemon: subprocess.Popen[bytes] | None = None
    if _has_systemd():
        subprocess.run(["systemctl", "start", "docker"], stdin=subprocess.DEVNULL, check=False)
    else:
        with log.open("ab") as output:
            daemon = subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
            )
    until = time.monotonic() + seconds
    while not _answers():
        ended = daemon is not None and daemon.poll() is not None
        if ended or time.monotonic() > until:
            if daemon is not None:  # one that we started and that does not work is not left behind
                daemon.kill()
                daemon.wait()
            raise SetupError(
                "dockerd ended at once" if ended else f"dockerd did not answer within {seconds:.0f} s",
                remedy=_last_words(log) if daemon is not None else "see `journalctl -u docker`",
            )
        time.sleep(0.2)
    if daemon is not None:
        daemon.returncode = 0  # it stays when we go: not a child to wait for


def _has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def _answers() -> bool:
    try:
        find_engine()
    except EngineUnavailableError:
        return False
    return True


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return f"its log, {log}, ends with:\n" + "\n".join(lines[-8:])
