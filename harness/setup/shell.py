"""Run the tools of a set-up: quietly, without input, and with their last words in the error."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TAIL_LINES = 12
APT = ("apt-get", "-qq", "--assume-yes", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120")


class SetupError(InfrastructureError):
    """The set-up could not be finished."""


def run(command: Sequence[str], *, remedy: str, env: Mapping[str, str] | None = None) -> None:
    """Run a command to its end; SetupError carries the end of its output and the remedy."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as problem:
        raise SetupError(f"{command[0]} cannot be run: {problem.strerror}", remedy=remedy) from problem
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-TAIL_LINES:])
        raise SetupError(f"`{' '.join(command)}` ended with {done.returncode}:\n{tail}", remedy=remedy)


def may_install(etc: Path = Path("/etc")) -> bool:
    """Tell whether system packages can be installed: root, on a Debian or a relative of it."""
    return os.geteuid() == 0 and (etc / "debian_version").exists() and shutil.which("apt-get") is not None


def apt_install(*packages: str) -> None:
    """Install distribution packages; only after `may_install`."""
    remedy = "see whether the package archive answers, then install by hand: apt-get install " + " ".join(packages)
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}
    run([*APT, "update"], remedy=remedy, env=quiet)
    run([*APT, "install", "--no-install-recommends", *packages], remedy=remedy, env=quiet)
