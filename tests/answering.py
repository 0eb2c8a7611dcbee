"""A candidate that answers in this process, through the very code of the sandbox: for tests of what asks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from harness.core.candidate import Candidate
from harness.core.errors import CandidateFault
from harness.losses import source_text
from harness.protocol import wire
from harness.protocol.batch import Answer, Complaint
from harness.protocol.rules import RAISED_ON_CALL
from harness.sandbox import worker
from harness.screen import screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.protocol.batch import Batch

DPO = """
import torch.nn.functional as F

def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
"""


class Here:
    """Answers batches as a sandbox would; `smallest_batch` as it is told. `asked` are the batches, in order."""

    def __init__(self, text: str = DPO, smallest: int = 1, contract: str = "preference") -> None:
        data = text.encode()
        program = screen(Candidate("loss.py", data, "0" * 64), contract=contract)
        self.call: Any = worker._Loaded(json.loads(wire.pack_program(program)))
        self.contract, self.sent = program.contract, program.sent
        self.smallest_batch = smallest
        self.asked: list[Batch] = []

    @classmethod
    def of(cls, name: str) -> Here:
        """A loss of the catalogue."""
        return cls(source_text(name))

    def answer(self, batch: Batch) -> Answer:
        self.asked.append(batch)
        with torch.enable_grad():  # a sandbox knows nothing of whoever asks, who may be inside a graph
            reply = worker._answer(self.call, memoryview(wire.pack_batches([batch], sent=self.sent)))
        (answer,) = wire.parse_answers(reply, [batch], sent=self.sent)
        if isinstance(answer, Complaint):
            raise CandidateFault(RAISED_ON_CALL.finding(answer.message))
        return answer

    def answers(self, batches: Sequence[Batch]) -> list[Answer]:
        return [self.answer(batch) for batch in batches]
