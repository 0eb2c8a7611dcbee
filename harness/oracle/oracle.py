"""The oracle: batches in, values and gradients out.

Of a complaint from a sandbox whose cause is usual it says a sentence of ours in place of Python's. The complaint is
untrusted text: it chooses between these sentences, and nothing else.
"""

from __future__ import annotations

import re
import time
from itertools import compress
from typing import TYPE_CHECKING

from harness.core.errors import CandidateFault, SandboxLostError
from harness.core.verdict import Location
from harness.protocol import frames, rules, wire
from harness.protocol.batch import Answer, Complaint
from harness.sandbox import wire as layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.limits import Limits
    from harness.core.program import Program
    from harness.core.rules import Rule
    from harness.core.verdict import Finding, Json
    from harness.oracle.again import Kept
    from harness.oracle.sandbox import Sandbox
    from harness.protocol.batch import Batch

_RULES: dict[str, Rule] = {
    "raised": rules.RAISED_ON_CALL,
    "wrong-output": rules.WRONG_OUTPUT,
    "forbidden": rules.FORBIDDEN_OPERATION,
}
_STOP_SECONDS = 10.0
_UNKNOWN_NAME = re.compile(r"name '(\w{1,40})' is not defined")
_MODULES = {"Optional": "typing", "Tuple": "typing", "List": "typing", "Dict": "typing", "Callable": "typing"}
_MODULES |= {"Union": "typing", "Any": "typing", "partial": "functools", "dataclass": "dataclasses"}
_RETURNED = (
    (r"a (?:tuple|list) of 1 \(Tensor\)", "Return the tensor alone: a comma behind it makes a tuple."),
    (
        r"a (?:tuple|list) of \d+ \((?:\w+, )*Tensor(?:, \w+)*\)",
        "Return the losses alone: rewards, margins and metrics are not asked for.",
    ),
    (r"None", "End every path of the function with a return of the values."),
    (r"(?:float|int|bool)\b", "Return the tensor itself: item(), float() and the like cut the gradient."),
    (r"dict", "Return the losses alone, and not a dictionary that holds them."),
    (r"(?:function|method|partial)", "Return values, and not the function that computes them."),
)


class Oracle:
    """The trusted handle on one sandbox with one candidate in it.

    `calls` counts the batches answered since the beginning, `life` those since a fork was last said to be fresh, and
    `born` is when that was (time.monotonic). `kept`, where there is one, is given all that is asked and answered on
    the CPU; `in_company` counts those that were answered as parts of others. Raises CandidateFault for the candidate's
    faults, InfrastructureError for ours.
    """

    in_company = 0

    def __init__(self, sandbox: Sandbox, program: Program, limits: Limits, *, gpu: bool = False) -> None:
        self._sandbox = sandbox
        self._limits = limits
        self._running = False
        self.program = program
        self.has_gpu = gpu
        self.kept: Kept | None = None
        self.calls = self.life = 0
        self.born = 0.0
        self._sandbox.request(
            layout.LOAD, wire.pack_program(program, limits.lifetime), (layout.LOADED,), limits.load, cap=0
        )
        self.fresh()

    @property
    def output(self) -> str:
        """What the candidate printed: untrusted, capped."""
        return self._sandbox.output

    @property
    def versions(self) -> tuple[str, str]:
        """Versions of Python and torch inside."""
        return self._sandbox.versions

    def cpu(self) -> float | None:
        """Processor time that the sandbox has used so far, in seconds, measured from outside; None: not told."""
        return self._sandbox.cpu()

    def restart(self) -> None:
        """Go on as if nothing had been asked: with a fresh fork, no calls counted and no time spent."""
        self.fresh()
        self.calls = self.in_company = 0
        if self.kept is not None:
            self.kept.clear()
        self._sandbox.reset_clock()

    def finish(self) -> None:
        """End the fork; afterwards `output` is all that it printed."""
        self._stop()
        self._sandbox.settle_output()

    def _stop(self) -> None:
        if not self._running:
            return
        self._running = False
        _, payload = self._sandbox.request(layout.STOP, b"", (layout.ENDED,), _STOP_SECONDS, cap=frames.ENDED_SIZE)
        try:
            frames.parse_ended(payload)
        except frames.WireError as error:
            raise self._sandbox.forged(str(error)) from None

    def fresh(self) -> None:
        """Go on with a fresh fork of the same candidate, in which nothing was called yet."""
        self._stop()
        kind, payload = self._sandbox.request(layout.START, b"", (layout.STARTED, layout.FAULT), self._limits.load)
        if kind == layout.STARTED and payload:
            raise self._sandbox.forged("the report of a start carries bytes")
        if kind == layout.FAULT:
            try:
                complaint = wire.parse_fault(payload)
            except frames.WireError as error:
                raise self._sandbox.forged(str(error)) from None
            rule = rules.FORBIDDEN_OPERATION if complaint.status == "forbidden" else rules.RAISED_ON_LOAD
            raise CandidateFault(self._finding(rule, complaint, "while it was loaded"))
        self._running = True
        self.life, self.born = 0, time.monotonic()

    def ask(
        self,
        batches: Sequence[Batch],
        *,
        echo: bool = False,
        gpu: bool = False,
        parts: wire.Parts = None,
        packed: bytes | None = None,
    ) -> list[Answer | Complaint]:
        """Ask for several batches in one round trip; an exception inside is a Complaint.

        `echo` asks for the inputs as they are after the call, `gpu` runs on CUDA. `parts` (for each batch sizes that
        add up to its rows, or None) replaces 1/rows by 1/size in the sum of values that the gradients belong to; what
        is in parts is not kept. `packed` is the payload, where the caller has it already (`pack`).
        """
        if not self._running:
            raise SandboxLostError
        requests = list(batches)
        payload = packed or self.pack(requests, echo=echo, gpu=gpu, parts=parts)
        cap = wire.answer_cap(requests, echo=echo)
        _, reply = self._sandbox.request(
            layout.EVAL, payload, (layout.ANSWER,), self._limits.call, cap=cap, batches=len(requests)
        )
        self.calls += len(requests)
        self.life += len(requests)
        try:
            answers = wire.parse_answers(reply, requests, sent=self.program.sent, echo=echo)
        except frames.WireError as error:
            raise self._sandbox.forged(str(error)) from None
        if self.kept is not None and not gpu:
            plain = [p is None for p in parts] if parts is not None else [True] * len(requests)
            self.kept.take(list(compress(requests, plain)), list(compress(answers, plain)), alone=len(requests) == 1)
        return answers

    def pack(
        self, batches: Sequence[Batch], *, echo: bool = False, gpu: bool = False, parts: wire.Parts = None
    ) -> bytes:
        """The payload with which `ask` asks for these batches."""
        return wire.pack_batches(batches, sent=self.program.sent, echo=echo, gpu=gpu, parts=parts)

    def answered(self, count: int) -> None:
        """Count batches that were answered as parts of others."""
        self.calls += count
        self.life += count
        self.in_company += count
        if self.kept is not None:
            self.kept.count(count)

    def answers(
        self,
        batches: Sequence[Batch],
        *,
        echo: bool = False,
        gpu: bool = False,
        parts: wire.Parts = None,
    ) -> list[Answer]:
        """Ask like `ask`; the first Complaint is raised as CandidateFault with its batch as counterexample."""
        out = []
        for batch, answer in zip(batches, self.ask(batches, echo=echo, gpu=gpu, parts=parts), strict=True):
            if isinstance(answer, Complaint):
                raise CandidateFault(self.complaint_finding(answer, batch))
            out.append(answer)
        return out

    def answer(self, batch: Batch, *, echo: bool = False, gpu: bool = False) -> Answer:
        """Ask for one batch."""
        return self.answers([batch], echo=echo, gpu=gpu)[0]

    def complaint_finding(self, complaint: Complaint, batch: Batch) -> Finding:
        """The finding that an exception on this batch amounts to."""
        return self._finding(_RULES[complaint.status], complaint, batch.where, batch.as_counterexample())

    def close(self) -> None:
        """Kill and remove the sandbox."""
        self._running = False
        self._sandbox.close()

    def _finding(
        self, rule: Rule, complaint: Complaint, where: str, counterexample: dict[str, Json] | None = None
    ) -> Finding:
        line = self.program.line(complaint.line) if complaint.line else 0
        message, fix = advice(complaint, self.program, loading=rule is rules.RAISED_ON_LOAD) or ("", None)
        if message:
            message = f"it raised {complaint.type} {where}: {message}"
        elif complaint.status == "raised":
            message = f"it raised {complaint.type} {where}: {complaint.message[:300]}"
        else:
            message = f"{complaint.message[:300]} ({where})"
        return rule.finding(
            message,
            fix=fix,
            counterexample=counterexample,
            location=Location(line) if line else None,
            detail=complaint.message,
        )


def advice(complaint: Complaint, program: Program, *, loading: bool) -> tuple[str, str] | None:
    """A message and a way out; an empty message leaves the complaint's own, None both."""
    if complaint.status == "wrong-output":
        returned = complaint.message.removeprefix("it returned ")
        return next((("", fix) for pattern, fix in _RETURNED if re.match(pattern, returned)), None)
    match = _UNKNOWN_NAME.match(complaint.message) if complaint.type == "NameError" else None
    return _of_name(match[1], program, loading=loading) if match else None


def _of_name(name: str, program: Program, *, loading: bool) -> tuple[str, str] | None:
    """What to say of a name that is not defined."""
    if name in _MODULES:
        return "", f"Write from {_MODULES[name]} import {name} at the top."
    if name not in program.contract.arguments:
        return None
    if loading:
        return f"{name} is an argument, and not known outside of the function", "Compute it inside the function."
    more = ", or write self.beta." if name == "beta" and program.plan.dialect == "method" else "."
    return f"{name} is not a parameter of the function that uses it", f"Add {name} to its parameters{more}"
