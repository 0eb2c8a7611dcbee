"""What evolve is tested with: trees by hand, a numpy stand-in for torch that runs their text, a judge by its values."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from scripted import FakeJudge

from harness.discover.evolve.grammar import OPS
from harness.discover.evolve.sense import compute
from harness.discover.evolve.state import read
from harness.discover.evolve.tree import Node, node
from harness.discover.evolve.vary import grow, shortest
from harness.discover.judging import Judged
from harness.discover.loop import seed_of
from harness.discover.proposers import Context, Known, Outcome
from harness.ladder import bandit
from harness.protocol.batch import Answer
from harness.subject.batches import natural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.discover.judging import Seen
    from harness.discover.proposers import Proposal, Proposer
    from harness.protocol.batch_types import PairBatch

X = node("scaled", [node("rho")])
DPO = node("logistic", [X])
PROBE = natural(np.linspace(-6.0, 6.0, 12), 0.5, seed=3, dtype=np.float64)


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def forest(count: int, seed: int = 0, depth: int = 6) -> list[Node]:
    draw = draws(seed)
    return [grow("loss", depth, draw) for _ in range(count)]


def covering(name: str) -> Node:
    """A small loss that holds an operation."""
    draw = draws(len(name))
    op = OPS[name]
    part = node(name, [grow(kind, shortest(kind), draw) for kind in op.takes], [r.at(0.6) for r in op.constants])
    if op.kind == "nats":
        part = node("scaled", [part])
    if part.kind == "gate":
        return node("weighted", [part, DPO])
    return node("logistic", [part]) if part.kind == "number" else part


class Array(np.ndarray):
    """As much of a tensor as the grammar writes."""

    def clamp(self, low: float = -np.inf, high: float = np.inf, *, min: float | None = None) -> Any:  # noqa: A002 - torch's word
        return np.clip(self, low if min is None else min, high).view(Array)

    def square(self) -> Any:
        return self * self

    def mean(self, *_: Any, **__: Any) -> Any:
        return np.full(1, np.asarray(self).mean()).view(Array)


TORCH = SimpleNamespace(
    Tensor=Array, tanh=np.tanh, exp=np.exp, log1p=np.log1p, sigmoid=lambda x: 1.0 / (1.0 + np.exp(-x))
)
FUNCTIONAL = SimpleNamespace(softplus=lambda x: np.logaddexp(0.0, x), relu=lambda x: np.maximum(x, 0.0))


def run_text(code: str, batch: PairBatch) -> Any:
    """The values of a candidate that evolve wrote, shape (B,) in float64."""
    body = "\n".join(line for line in code.splitlines() if not line.startswith("import "))
    names: dict[str, Any] = {"torch": TORCH, "F": FUNCTIONAL}
    exec(body, names)  # noqa: S102 - our own text, of trees that this test made
    (loss,) = (value for name, value in names.items() if name.endswith("_loss"))
    vectors = [vector.astype(np.float64).view(Array) for vector in batch.tensors[:4]]
    with np.errstate(over="ignore"):
        return np.broadcast_to(np.asarray(loss(*vectors, batch.beta)), batch.pairs)


@dataclass
class TreeSubject:
    """A tree in the place of a candidate in its sandbox."""

    tree: Node

    def size(self, pairs: int) -> int:
        return pairs

    def answers(self, batches: Sequence[PairBatch]) -> list[Answer]:
        return [self._answer(batch) for batch in batches]

    def _answer(self, batch: PairBatch) -> Answer:
        found = compute(self.tree, batch)
        dtype = found.values.dtype
        return Answer((batch.pairs,), dtype, found.values, (found.grad_chosen, found.grad_rejected), detached=False)


def scores(tree: Node, seeds: range, settings: bandit.Settings) -> list[float]:
    """The bandit's score at each seed."""
    subject: Any = TreeSubject(tree)
    return [bandit.measure(subject, seed, settings)["score"] for seed in seeds]


@dataclass
class Loop:
    """The loop's part, in memory: asks, scores each tree by `gain`, tells. `texts` are all that was proposed."""

    gain: Any
    seed: int = 0
    known: list[Known] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    replies: list[Proposal] = field(default_factory=list)
    trees: dict[str, Node] = field(default_factory=dict)

    def context(self) -> Context:
        generation = len(self.texts)
        best = tuple(sorted(self.known, key=lambda loss: loss.rank, reverse=True)[:6])
        return Context("preference", "score", "dpo", generation, 0, seed_of(self.seed, generation, 0), best=best)

    def step(self, proposer: Proposer) -> Outcome:
        context = self.context()
        reply = proposer.propose(context, "")
        text = json.loads(reply.text)["code"]
        identity = hashlib.sha256(text.encode()).hexdigest()
        made: Any = reply.note
        tree = read(made["tree"])
        gain = self.gain(tree)
        fate, place = ("measured", 3) if gain > -0.5 else ("stopped", 2)
        note = json.loads(json.dumps(reply.note))
        numbers = {"score": 0.6 + gain, "low": gain, "high": 1.0, "gain": gain, "place": place}
        outcome = Outcome(context.generation, 0, fate, "", id=identity, note=note, **numbers)
        self.texts.append(text)
        self.replies.append(reply)
        self.trees[identity] = tree
        if fate == "measured":
            self.known.append(Known(identity, "loss", text, 0.6, 0.5, 0.7, gain=gain, place=place))
        proposer.told(outcome)
        return outcome


def quick_gain(tree: Node) -> float:
    """How near a tree's values are to a target, on a few pairs: a score that costs nothing."""
    found = compute(tree, PROBE).values
    x = PROBE.beta * PROBE.rho
    return -float(np.abs(np.tanh(found) - np.tanh(np.logaddexp(0.0, 0.5 - 0.3 * x))).mean())


class TextJudge(FakeJudge):
    """Judges a text by `run_text`, as `quick_gain` does a tree: for the loop itself, which knows of no trees."""

    def judge(self, source: str, name: str, seen: Seen) -> Judged:
        if self.broken:
            raise KeyboardInterrupt
        self.judged.append(name)
        identity = hashlib.sha256(source.encode()).hexdigest()
        values = run_text(source, PROBE)
        x = PROBE.beta * PROBE.rho
        gain = -float(np.abs(np.tanh(values) - np.tanh(np.logaddexp(0.0, 0.5 - 0.3 * x))).mean())
        function = hashlib.sha256(np.round(values, 6).tobytes()).hexdigest()[:16]
        facts: Any = {"function": function, "convex": gain > -0.2, "statistic": "pointwise"}
        if seen(function, identity):
            return Judged("known", identity, "properties", facts=facts)
        numbers: dict[str, Any] = {"score": 0.6 + gain, "low": 0.5 + gain, "high": 0.7 + gain, "gain": gain}
        fate, place = ("stopped", 2) if gain < -0.5 else ("measured", 3)
        return Judged(fate, identity, "bandit", "", **numbers, place=place, facts=facts, seconds={"check": 1.0}, run=7)
