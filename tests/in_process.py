"""Candidates that answer in this process, through the very code of the sandbox: for tests without a container."""

from __future__ import annotations

import json
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
    from harness.protocol.batch import Answer, Batch, Complaint
    from harness.subject.subject import Subject


class InProcess(Oracle):
    """An oracle over a program that is loaded here."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.has_gpu = False
        self.calls = 0
        self._call = worker._Loaded(json.loads(wire.pack_program(program)))

    def ask(self, batches: Sequence[Batch], *, echo: bool = False, **_: object) -> list[Answer | Complaint]:
        self.calls += len(batches)
        return wire.parse_answers(self._answered(batches, echo=echo), batches, echo=echo)

    def _answered(self, batches: Sequence[Batch], *, echo: bool = False) -> bytes:
        """The bytes of the worker's reply."""
        with torch.enable_grad():
            return worker._answer(self._call, memoryview(wire.pack_batches(batches, echo=echo)))

    def fresh(self) -> None:
        pass


def of_program(program: Program) -> Subject:
    """The candidate that passed the screen with this program."""
    return subject_on(InProcess(program), load(DEFAULTS[program.contract.name]))


def of_text(text: str, contract: str = "preference") -> Subject:
    """The candidate of that text, screened as any other."""
    return of_program(screen(Candidate("loss.py", text.encode(), "0" * 64), contract=contract))
