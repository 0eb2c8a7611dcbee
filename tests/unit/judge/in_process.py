"""Candidates that answer in this process, through the very code of the sandbox: for tests without a container."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from judging import subject

from harness.candidate import Candidate
from harness.oracle import wire
from harness.screen import screen
from sandbox import worker

if TYPE_CHECKING:
    from harness.judge.subject import Subject
    from harness.oracle.batch import Answer, Batch, Complaint


def of_text(text: str, contract: str = "preference") -> Subject:
    """The candidate of that text, screened as any other."""
    program = screen(Candidate("loss.py", text.encode(), "0" * 64), contract=contract)
    call: Any = worker._load(json.loads(wire.pack_program(program)))

    def answer(batch: Batch) -> Answer | Complaint:
        with torch.enable_grad():
            reply = worker._answer(call, memoryview(wire.pack_batches([batch])))
        return wire.parse_answers(reply, [batch])[0]

    return subject(answer)
