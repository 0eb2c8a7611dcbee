"""The naive harness itself: `python3 -m bench.naive.run < loss.py`, verdict as JSON on standard output.

The candidate is executed in this process, and the properties, facts and stability map are those of
`harness check`, with the same examples; only the oracle is another: a plain call, and torch's autograd.
"""

from __future__ import annotations

import inspect
import json
import sys
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from harness.checks.suite import Suite
from harness.core.contract import PREFERENCE, VECTORS
from harness.core.domain import Domain
from harness.core.profiles import DEFAULT, load
from harness.core.program import CallPlan, Program
from harness.oracle.oracle import Oracle
from harness.protocol.batch import Answer, Complaint
from harness.subject.facts import facts
from harness.subject.preference import PreferenceSubject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.protocol.batch import Batch
    from harness.protocol.batch_types import PairBatch


class InProcess(Oracle):
    """Answers by calling the candidate."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.has_gpu = False
        self.calls = 0
        self.fresh()
        names = list(inspect.signature(self._function).parameters)
        known = {name: PREFERENCE.aliases.get(name, name) for name in names}
        order = iter(VECTORS)
        self._plan = [known[n] if known[n] in PREFERENCE.arguments else next(order) for n in names]
        plan = CallPlan(self._function.__name__, "function", tuple(self._plan))
        self.program = Program(source, guarded=False, plan=plan, name=plan.entry, source=source)

    def fresh(self) -> None:
        """Execute the source anew; the last function in it is the loss."""
        namespace: dict[str, Any] = {"torch": torch, "F": torch.nn.functional, "__name__": "candidate"}
        exec(compile(self._source, "<candidate>", "exec", dont_inherit=True), namespace)  # noqa: S102
        self._function = [f for f in namespace.values() if inspect.isfunction(f) and f.__module__ == "candidate"][-1]

    def ask(self, batches: Sequence[Batch], *, echo: bool = False, **_: object) -> list[Answer | Complaint]:
        """Answer in turn."""
        self.calls += len(batches)
        return [self._answer(batch, echo=echo) for batch in cast("Sequence[PairBatch]", batches)]

    def _answer(self, batch: PairBatch, *, echo: bool) -> Answer | Complaint:
        vectors = [torch.from_numpy(v.copy()) for v in batch.tensors]
        leaves = [v.requires_grad_() for v in vectors[:2]]
        given = dict(
            zip(
                PREFERENCE.arguments,
                [*(leaf.clone() for leaf in leaves), *vectors[2:], batch.beta, batch.progress],
                strict=True,
            )
        )
        try:
            output = self._function(*(given[name] for name in self._plan))
            shape, kind = tuple(output.shape), output.detach().numpy().dtype
            if shape not in {(), (batch.pairs,)}:
                nothing = np.empty(0, kind)
                return Answer(shape, kind, nothing, (nothing, nothing), detached=False)
            gradients: list[Any] = [None, None]
            if output.requires_grad:
                gradients = list(torch.autograd.grad(output.mean(), leaves, allow_unused=True))
        except Exception as error:  # noqa: BLE001 - the candidate's
            return Complaint("raised", type(error).__name__, str(error), 0)
        one, two = (np.zeros_like(batch.policy_chosen) if g is None else g.numpy() for g in gradients)
        after = tuple(given[name].detach().numpy() for name in PREFERENCE.arguments[:6]) if echo else None
        values = np.atleast_1d(output.detach().numpy())
        return Answer(shape, kind, values, (one, two), detached=not output.requires_grad, echo=after)


def main() -> None:
    """Judge the candidate on standard input."""
    torch.set_num_threads(1)
    subject = PreferenceSubject(InProcess(sys.stdin.read()), Domain())
    result: dict[str, Any] = {}

    outcome = Suite(load(DEFAULT), 0)(subject)
    result["findings"] = [[f.rule, f.severity.name, f.message] for f in outcome.findings]
    result["facts"] = facts(subject)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
