"""Whole checks against a peer that spoils one reply in each: whatever it does to the frames, nothing is accepted."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from honest import (
    ANSWER,
    ENDED,
    EVAL,
    LOAD,
    LOADED,
    MARK,
    READY,
    READY_PAYLOAD,
    SENT,
    START,
    STARTED,
    STOP,
    frame,
    result,
)
from peer import STDERR, STDOUT, piece
from watchdog import within

from harness.checks.checker import Checker
from harness.checks.job import Job
from harness.checks.options import Options
from harness.checks.static import Screened
from harness.containers.engine import Created
from harness.containers.request import Recipe
from harness.containers.stream import DeadlineError
from harness.core.contract import VECTORS
from harness.core.limits import Limits
from harness.core.profiles import DEFAULT, load
from harness.core.program import CallPlan, Program
from harness.core.verdict import Accepted
from harness.protocol.batch_types import PairBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.core.result import CheckResult


def sized(data: bytes, payload: bytes) -> bytes:
    return data[:12] + struct.pack("<I", len(payload)) + payload


def put(at: int, what: bytes) -> Callable[[bytes], tuple[bytes, bool]]:
    return lambda data: (data[:at] + what + data[at + len(what) :], False)


SPOILT: dict[str, Callable[[bytes], tuple[bytes, bool]]] = {
    "cut in its header": lambda data: (data[:9], True),
    "cut in its payload": lambda data: (data[: len(data) // 2], True),
    "half, and then silence": lambda data: (data[: len(data) // 2], False),
    "nothing": lambda _: (b"", False),
    "an end": lambda _: (b"", True),
    "twice": lambda data: (data * 2, False),
    "after another": lambda data: (frame(ANSWER, 7, data[16:]) + data, False),
    "a forged end of the fork": lambda data: (frame(ENDED, 0, bytes(5)) + data, False),
    "number 0": put(8, bytes(4)),
    "another number": lambda data: put(8, bytes([data[8] ^ 1]))(data),
    "another kind": put(4, bytes([STARTED])),
    "another magic": put(3, b"2"),
    "padding": put(6, b"\1"),
    "one byte announced too many": lambda data: (put(12, struct.pack("<I", len(data) - 15))(data)[0], False),
    "one byte announced too few": lambda data: (put(12, struct.pack("<I", len(data) - 17))(data)[0], False),
    "four gigabytes announced": put(12, b"\xff\xff\xff\xff"),
    "a negative length": put(12, struct.pack("<i", -5)),
    "NaN for a length": put(12, struct.pack("<f", np.nan)),
    "no payload": lambda data: (sized(data, b""), False),
    "a byte too many": lambda data: (sized(data, data[16:] + b"\0"), False),
    "a byte too few": lambda data: (sized(data, data[16:-1]), False),
    "another count": put(20, b"\xff\xff"),
    "another status": put(16, b"\4"),
    "another dtype": put(18, b"\2"),
    "an unknown flag": put(19, b"\x80"),
    "more dimensions": put(17, b"\x09"),
}
PROGRAM = Program(
    "def loss(): ...",
    guarded=True,
    plan=CallPlan("loss", "function", (*VECTORS, "beta")),
    name="loss",
    source="def loss(): ...",
)


class Model:
    """Honest DPO behind an attached stream, in memory; from request number `at` on, EVAL replies are spoilt."""

    def __init__(self, spoil: Callable[[bytes], tuple[bytes, bool]] | None, at: int) -> None:
        self._spoil = spoil
        self._at = at
        self._buffer = bytearray(piece(STDOUT, frame(READY, 0, READY_PAYLOAD)))
        self._over = False
        self.asked = 0

    def settimeout(self, seconds: float | None) -> None:
        """Without a limit, the host only throws away what still comes."""
        self._over = self._over or seconds is None

    def shutdown(self, _: int) -> None:
        """The host hangs up."""

    def close(self) -> None:
        """The host hangs up."""
        self._over = True

    def send(self, data: bytes) -> int:
        self.sendall(bytes(data))
        return len(data)

    def recv(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[: len(data)]
        if not data and not self._over:
            raise DeadlineError  # where the host would wait for it
        return data

    def sendall(self, request: bytes) -> None:
        _, kind, sequence, _ = struct.unpack_from("<4sB3xII", request)
        if kind == MARK:
            self._buffer += piece(STDERR, request[16:])
            return
        if kind != EVAL:
            told = {LOAD: (LOADED, sequence, b""), START: (STARTED, sequence, b""), STOP: (ENDED, 0, bytes(5))}[kind]
            self._buffer += piece(STDOUT, frame(*told))
            return
        said, over = frame(ANSWER, sequence, b"".join(answered(request[16:]))), False
        self.asked += 1
        if self._spoil is not None and self.asked > self._at:
            said, over = self._spoil(said)
        self._over = self._over or over
        half = len(said) // 2
        self._buffer += piece(STDOUT, said[:half]) + piece(STDERR, b".") + piece(STDOUT, said[half:])


def answered(payload: bytes) -> Iterator[bytes]:
    """DPO's answer to each batch of a request."""
    at = 2
    for _ in range(int.from_bytes(payload[:2], "little")):
        code, flags, _, pairs, beta, progress = struct.unpack_from("<BBHIdd", payload, at)
        at += 24
        dtype = np.dtype(("<f4", "<f8")[code])
        vectors = np.frombuffer(payload, dtype, len(SENT) * pairs, at).reshape(len(SENT), pairs)
        at += vectors.nbytes
        weights = np.full(pairs, 1 / pairs)
        if flags & 2:
            (parts,) = struct.unpack_from("<I", payload, at)
            rows = np.frombuffer(payload, "<u4", parts, at + 4)
            weights = np.repeat(1 / rows, rows)
            at += 4 + rows.nbytes
        batch = PairBatch.of((*vectors, *np.ones((2, pairs), dtype)), beta, progress)
        x = beta * batch.rho
        with np.errstate(over="ignore"):
            slope = (-beta / (1 + np.exp(x)) * weights).astype(dtype)
        yield result(batch, np.logaddexp(0.0, -x).astype(dtype), (slope, -slope), echo=bool(flags & 1))


class ModelEngine:
    """Hands out models, and counts containers."""

    def __init__(self) -> None:
        self.spoil: Callable[[bytes], tuple[bytes, bool]] | None = None
        self.at = 0
        self.body: dict[str, Any] = {}
        self.there: set[str] = set()
        self.made = 0

    def create(self, body: dict[str, Any]) -> Created:
        self.body = body
        self.made += 1
        self.there.add(str(self.made))
        return Created(str(self.made))

    def describe(self, container: str) -> dict[str, Any]:
        del container
        return {"HostConfig": self.body["HostConfig"], "Config": self.body, "Image": self.body["Image"]}

    def attach_and_start(self, container: str) -> Model:
        del container
        return Model(self.spoil, self.at)

    def state(self, container: str) -> dict[str, Any]:
        return {"Running": False, "ExitCode": 1} if container in self.there else {}

    def processor(self, container: str) -> None:
        """Nobody can tell."""

    def another(self) -> ModelEngine:
        return self

    def close(self) -> None:
        """There is no connection."""

    def remove(self, container: str) -> None:
        self.there.remove(container)

    def remove_soon(self, container: str) -> None:
        self.remove(container)

    def settle(self) -> None:
        """Nothing is under way."""


@pytest.mark.rest
def test_no_spoilt_conversation_is_accepted() -> None:
    """The first reply, one in the middle of the properties, and one when the suite is known by heart."""
    engine, profile = ModelEngine(), load(DEFAULT)
    recipe = Recipe("image", Limits())
    checker = Checker(engine, recipe, profile, Options(), {})  # type: ignore[arg-type]
    results: dict[str, CheckResult] = {}

    def check(name: str, spoil: Callable[[bytes], tuple[bytes, bool]] | None, at: int) -> None:
        engine.spoil, engine.at = spoil, at
        job = Job(0, Path("loss.py"), "loss.py")
        results[name] = checker.judge(Screened(job, sha256="0" * 64, program=PROGRAM, timings={"screen": 0.0}))

    with within(240):
        check("cold at 5", SPOILT["another number"], 5)
        check("honest", None, 0)
        for name, spoil in SPOILT.items():
            for at in (0, 3):
                check(f"{name} at {at}", spoil, at)
        check("honest again", None, 0)
    for name in ("honest", "honest again"):
        assert isinstance(results.pop(name).verdict, Accepted), name
    assert len(results) == 1 + 2 * len(SPOILT)
    assert [name for name, found in results.items() if isinstance(found.verdict, Accepted)] == []
    # They are the candidate's doing, and are told as that.
    assert {found.verdict.word for found in results.values()} == {"rejected"}
    assert engine.there == set()
