"""Steps as processes of this host's own Python: for hosts without the trainer image, and only where asked for.

The candidate is in its sandbox all the same. What is missing is the wall around our own training code: it has this
user's files and the network.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core import pins
from harness.core.errors import InfrastructureError
from harness.core.sources import contents, project_root
from harness.images.inputs import TRAINER_CODE
from harness.training.steps import End

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.containers.trainer_request import TrainerLimits
    from harness.protocol.job import Job

_CHUNK = 1 << 16
_ENDING = 20.0
_SHOWN = 16384
#: Names of the environment that a step keeps: where programs and caches lie, and which GPU it may use.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
#: What starts a step; the job's file is the first argument.
COMMAND = (sys.executable, "-s", "-P", "-u", "-m", "harness.trainer")
#: The packages whose versions decide about the numbers.
_DECIDING = ("torch", "transformers", "trl", "peft", "accelerate", "numpy", "mujoco", "gymnasium", "vaderSentiment")


def require_torch() -> None:
    """Refuse where this Python cannot train. Raises InfrastructureError."""
    if importlib.util.find_spec("torch") is None:
        raise InfrastructureError(
            "this Python has no torch to train with",
            remedy="install the extra `train` (`python3 -m harness.setup --train`), or build the trainer image",
        )


class Processes:
    """Where steps run as processes."""

    name = "process"

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        self._command = command

    @cached_property
    def identity(self) -> str:
        """Digest of our training code, with all that it stands on, and of the packages' versions."""
        whole = hashlib.sha256(f"{sys.version_info[:2]}".encode())
        for name, content in sorted(contents(project_root(), *TRAINER_CODE).items()):
            whole.update(f"{name}\0".encode() + hashlib.sha256(content).digest())
        for name in _DECIDING:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                whole.update(f"{name} {importlib.metadata.version(name)}\0".encode())
        return f"process:{whole.hexdigest()}"

    def start(self, work: Job, limits: TrainerLimits) -> RunningProcess:
        """Start a step."""
        require_torch()
        if limits.processes > 1:
            raise InfrastructureError("several ranks need the trainer image", remedy="do not set HARNESS_TRAINER")
        return RunningProcess(self._command, work)


class RunningProcess:
    """A step that runs as a process in a session of its own. It ends when this process ends, too."""

    def __init__(self, command: tuple[str, ...], work: Job) -> None:
        self._desk = tempfile.TemporaryDirectory(prefix="harness-job-")
        file = Path(self._desk.name) / "job.json"
        work.write(file)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_tidy`
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            self._process = subprocess.Popen(
                [*command, str(file), "--lifeline"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                cwd=self._desk.name,
                env={**environment, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", **pins.TRAINER},
                start_new_session=True,
            )
        except OSError as error:
            self._tidy()
            raise InfrastructureError(f"the trainer cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def pieces(self) -> Iterator[bytes]:
        """What it writes, as it comes."""
        stdout = self._process.stdout
        if stdout is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(timeout=1.0):
                    yield b""
                    continue
                piece = os.read(stdout.fileno(), _CHUNK)
                if not piece:
                    return
                yield piece

    def end(self) -> End:
        """Wait for its end."""
        try:
            code = self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            raise InfrastructureError("the trainer closed its output and does not end") from None
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _SHOWN))
        return End(code, errors=self._errors.read().decode("utf-8", "replace"))

    def close(self) -> None:
        """Kill it with all that it started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._tidy()

    def _tidy(self) -> None:
        self._errors.close()
        self._desk.cleanup()
