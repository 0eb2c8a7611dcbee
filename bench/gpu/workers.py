"""The oracle over a sandbox's worker that is a process of this host's, without a container: for texts of ours alone."""

from __future__ import annotations

import importlib
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from harness.core import pins
from harness.core.candidate import Candidate
from harness.core.limits import Limits
from harness.core.profiles import DEFAULT, load
from harness.losses import source_text
from harness.oracle.oracle import Oracle
from harness.protocol import frames
from harness.sandbox import wire as layout
from harness.screen import screen
from harness.subject.by_contract import subject_on
from harness.trainer.remote import RemoteOracle
from harness.trainer.torch import OracleLoss
from harness.training.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.core.contract import Contract
    from harness.oracle.sandbox import Sandbox
    from harness.protocol.batch import Answer, Batch, Complaint
    from harness.subject.preference import PreferenceSubject
    from harness.trainer.tasks import PairLoss

#: A first call on a GPU opens CUDA and compiles kernels; nothing here is told from a candidate by its time.
LIMITS = Limits(load=120.0, call=120.0)


class Worker:
    """What `Oracle` asks of a sandbox, over a process; `before` are words to start it with, such as a tracer's."""

    output = ""

    def __init__(self, *before: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._number = 0
        self._process = subprocess.Popen(
            [*before, sys.executable, "-B", "-m", "bench.gpu.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | pins.SANDBOX,
        )
        try:
            self.torch = self._reply(0, (layout.READY,), LIMITS.start)[1].decode()
        except BaseException:
            self.close()
            raise

    def request(
        self, kind: int, payload: bytes, expected: tuple[int, ...], seconds: float, **_: object
    ) -> tuple[int, bytes]:
        """Send a frame and take its reply. Raises RuntimeError with what the process wrote where it is gone."""
        self._number += 1
        try:
            os.set_blocking(self._stdin, True)
            data = memoryview(frames.pack_frame(kind, self._number, payload))
            while data:
                data = data[os.write(self._stdin, data) :]
        except BrokenPipeError as error:
            raise self._gone("it went away") from error
        return self._reply(0 if expected == (layout.ENDED,) else self._number, expected, seconds)

    def forged(self, what: str) -> RuntimeError:
        """The error for a reply that is none."""
        return self._gone(f"a reply that is none: {what}")

    def reset_clock(self) -> None:
        """There is no clock."""

    def settle_output(self) -> None:
        """What it prints is shown only where it fails."""

    def cpu(self) -> None:
        """Not told."""

    def close(self) -> None:
        """End it: without a writer it reads the end of its requests."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def __enter__(self) -> Self:
        """Use it in a `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    @property
    def _stdin(self) -> int:
        return cast("Any", self._process.stdin).fileno()

    def _reply(self, number: int, expected: tuple[int, ...], seconds: float) -> tuple[int, bytes]:
        until = time.monotonic() + seconds
        try:
            header = self._read(frames.HEADER.size, until)
            kind, length = frames.parse_header(header, sequence=number, expected=expected)
            return kind, self._read(length, until)
        except frames.WireError as error:
            raise self.forged(str(error)) from None

    def _read(self, size: int, until: float) -> bytes:
        read = cast("Any", self._process.stdout).fileno()
        out = b""
        while len(out) < size:
            if not select.select([read], [], [], max(until - time.monotonic(), 0.0))[0]:
                raise self._gone("it does not answer")
            piece = os.read(read, size - len(out))
            if not piece:
                raise self._gone("it ended")
            out += piece
        return out

    def _gone(self, what: str) -> RuntimeError:
        self._errors.seek(0)
        return RuntimeError(f"the worker: {what}\n{self._errors.read()[-2000:].decode(errors='replace')}")


class WorkerOracle(Oracle):
    """An oracle over a worker. Where `gpu` is False, what asks for the GPU is asked on the CPU: a rehearsal."""

    def __init__(self, worker: Worker, name: str, text: str, *, gpu: bool) -> None:
        importlib.import_module("RestrictedPython")  # the screen's: where it is missing, that is told as of all others
        program = screen(Candidate(f"{name}.py", text.encode(), "0" * 64))
        self._there, self.asked_on_gpu = gpu, 0
        super().__init__(cast("Sandbox", worker), program, LIMITS, gpu=True)

    def ask(self, batches: Sequence[Batch], *, gpu: bool = False, **others: Any) -> list[Answer | Complaint]:
        """As `Oracle.ask`."""
        self.asked_on_gpu += len(batches) if gpu else 0
        return super().ask(batches, gpu=gpu and self._there, **others)


def subject(worker: Worker, name: str, *, gpu: bool, text: str | None = None) -> tuple[PreferenceSubject, WorkerOracle]:
    """A loss of the catalogue, or a text of ours, as properties know a candidate; and its oracle."""
    oracle = WorkerOracle(worker, name, source_text(name) if text is None else text, gpu=gpu)
    return cast("PreferenceSubject", subject_on(oracle, load(DEFAULT))), oracle


class _Served:
    """A loss as a trainer asks it."""

    def __init__(self, one: PreferenceSubject) -> None:
        self._subject = one
        self.smallest_batch = one.smallest_batch

    @property
    def contract(self) -> Contract:
        """What it is asked with."""
        return self._subject.contract

    def answer(self, batch: Batch) -> Answer:
        """Values and gradients of one batch."""
        return self._subject.alone([batch])[0]

    def answers(self, batches: Sequence[Batch]) -> list[Answer]:
        """Those of several."""
        return self._subject.answers(batches)


@contextmanager
def _opened(name: str) -> Iterator[_Served]:
    with Worker() as worker:
        one, oracle = subject(worker, name, gpu=False)
        yield _Served(one)
        oracle.finish()


@contextmanager
def serving(name: str) -> Iterator[Path]:
    """The socket on which a loss of the catalogue answers one trainer, from a worker of its own.

    As everywhere, the answers to a training are computed on the CPU.
    """
    with tempfile.TemporaryDirectory() as folder:
        with Serving(Path(folder) / "oracle.sock", lambda _: _opened(name)) as served:
            yield served.path
        if served.fault is not None:
            raise served.fault


@contextmanager
def oracle_loss(name: str) -> Iterator[PairLoss]:
    """A loss of the catalogue behind the socket that trainers talk to."""
    with serving(name) as path, RemoteOracle(path) as remote:
        yield OracleLoss(remote, smallest=remote.smallest)
