"""Candidates that answer in this process, through the very code of the sandbox: for tests without a container."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING

import torch

from harness.core.candidate import Candidate
from harness.core.profiles import DEFAULTS, load
from harness.oracle.oracle import Oracle
from harness.protocol import wire
from harness.sandbox import worker
from harness.screen import screen
from harness.subject.by_contract import subject_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.program import Program
    from harness.oracle.again import Kept
    from harness.protocol.batch import Answer, Batch, Complaint
    from harness.subject.subject import Subject


class InProcess(Oracle):
    """An oracle over a program that is loaded here. `sizes` are those of its calls, in order."""

    output = ""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.has_gpu = False
        self.kept: Kept | None = None
        self.closed = False
        self.sizes: list[int] = []
        self.restart()

    def ask(
        self, batches: Sequence[Batch], *, echo: bool = False, parts: wire.Parts = None, **_: object
    ) -> list[Answer | Complaint]:
        self.calls += len(batches)
        self.life += len(batches)
        self.sizes += [batch.rows for batch in batches]
        reply = self._answered(batches, echo=echo, parts=parts)
        answers = wire.parse_answers(reply, batches, sent=self.program.sent, echo=echo)
        if self.kept is not None:
            plain = [p is None for p in parts] if parts is not None else [True] * len(batches)
            self.kept.take([*compress(batches, plain)], [*compress(answers, plain)], alone=len(batches) == 1)
        return answers

    def _answered(self, batches: Sequence[Batch], *, echo: bool = False, parts: wire.Parts = None) -> bytes:
        """The bytes of the worker's reply."""
        with torch.enable_grad():
            return worker._answer(self._call, memoryview(self.pack(batches, echo=echo, parts=parts)))

    def fresh(self) -> None:
        self._call = worker._Loaded(json.loads(wire.pack_program(self.program)))
        self.life, self.born = 0, time.monotonic()

    def restart(self) -> None:
        self.fresh()
        self.calls = self.in_company = 0

    def finish(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def oracle_of(text: str, *, policy: bool = True, pointwise: bool | None = None) -> InProcess:
    """A loss over pairs; `pointwise` takes the place of what the screen says of it."""
    program = screen(Candidate("loss.py", text.encode(), "0" * 64), policy=policy)
    told = pointwise or program.stateless
    return InProcess(program if pointwise is None else replace(program, stateless=told, pointwise=pointwise))


def of_program(program: Program) -> Subject:
    """The candidate that passed the screen with this program."""
    return subject_on(InProcess(program), load(DEFAULTS[program.contract.name]))


def of_text(text: str, contract: str = "preference") -> Subject:
    """The candidate of that text, screened as any other."""
    return of_program(screen(Candidate("loss.py", text.encode(), "0" * 64), contract=contract))
