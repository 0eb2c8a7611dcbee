"""The batches of each contract, with the words and operations that its properties need."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from harness.core.contract import CLASSIFICATION, LISTS, PREFERENCE, Contract
from harness.protocol.batch import FLOATS, MAX_NUMBERS, Batch, tensor_dtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from harness.core.verdict import Json
    from harness.protocol.batch import Array, Whole

#: Largest batch whose numbers stand in a finding, in pairs, and in numbers where a row has several.
SHOWN_PAIRS, SHOWN = 8, 24


@dataclass(frozen=True)
class PairBatch(Batch):
    """B preference pairs: summed log-probabilities (nats), all of shape (B,), one dtype.

    `chosen_lengths` and `rejected_lengths` are tokens per completion, shape (B,), always present here
    and offered to candidates that name them. `beta` > 0; `progress` is the training fraction in [0, 1].
    """

    contract: ClassVar[Contract] = PREFERENCE

    policy_chosen: Array
    policy_rejected: Array
    reference_chosen: Array
    reference_rejected: Array
    chosen_lengths: Array
    rejected_lengths: Array
    beta: float
    progress: float = 0.5

    @classmethod
    def of(cls, tensors: Iterable[Array], beta: float, progress: float = 0.5) -> PairBatch:
        """Put a batch together from the six vectors in the order of the wire."""
        pc, pr, rc, rr, lc, lr = tensors
        return cls(pc, pr, rc, rr, lc, lr, beta=beta, progress=progress)

    def __post_init__(self) -> None:
        """Refuse what the wire cannot carry: that is the caller's mistake. As `hold`, many times as fast.

        A check makes some ten thousand of these, so that what is asked of each of them is at hand from the beginning.
        """
        size, dtype = self.policy_chosen.size, self.policy_chosen.dtype
        tensors = (
            self.policy_chosen,
            self.policy_rejected,
            self.reference_chosen,
            self.reference_rejected,
            self.chosen_lengths,
            self.rejected_lengths,
        )
        if not 1 <= size <= MAX_NUMBERS:
            raise ValueError(f"a batch holds 1 to {MAX_NUMBERS} pairs, not {size}")
        if dtype not in FLOATS:
            raise ValueError(f"a batch holds float32 or float64, not {dtype}")
        for vector in tensors:
            if vector.shape != (size,) or vector.dtype != dtype:
                raise ValueError("the vectors of a batch share one shape (B,) and one dtype")
        self.__dict__.update(tensors=tensors, dtype=dtype, rows=size)

    @property
    def scalars(self) -> tuple[float, ...]:
        """Beta and progress."""
        return (self.beta, self.progress)

    @property
    def sizes(self) -> tuple[int, ...]:
        """B."""
        return (self.policy_chosen.size,)

    @property
    def where(self) -> str:
        """How large it is, and beta."""
        return f"on a batch of {self.pairs} at beta {self.beta:g}"

    @property
    def spot(self) -> str:
        """Its rho and beta."""
        if self.pairs == 1:
            return f"at rho {float(self.rho[0]):g}, beta {self.beta:g}"
        return f"in a batch of {self.pairs} at beta {self.beta:g}"

    @property
    def remoteness(self) -> Array:
        """|rho|."""
        return np.abs(self.rho)

    @property
    def pairs(self) -> int:
        """Number of pairs B."""
        return self.rows

    @property
    def rho(self) -> Array:
        """`(pc - pr) - (rc - rr)`, shape (B,), float64."""
        pc, pr, rc, rr = (v.astype(np.float64) for v in self.tensors[:4])
        return (pc - pr) - (rc - rr)

    def swapped(self) -> PairBatch:
        """Chosen and rejected exchanged in every pair."""
        pc, pr, rc, rr, lc, lr = self.tensors
        return self.with_tensors((pr, pc, rr, rc, lr, lc))

    def shifted(self, chosen: Array | float, rejected: Array | float) -> PairBatch:
        """The policy's log-probabilities moved by these amounts (nats, shape (B,) or a number)."""
        dtype = self.policy_chosen.dtype
        pc, pr, *others = self.tensors
        return self.with_tensors(((pc + chosen).astype(dtype), (pr + rejected).astype(dtype), *others))

    def as_counterexample(self) -> dict[str, Json]:
        """The numbers that a person can paste; of more than 8 pairs, how many, and their shortest and longest."""
        out: dict[str, Json] = {"beta": self.beta, "progress": self.progress}
        if self.pairs > SHOWN_PAIRS:
            tokens = np.concatenate([self.chosen_lengths, self.rejected_lengths])
            return {**out, "pairs": self.pairs, "lengths": [float(tokens.min()), float(tokens.max())]}
        for declared, vector in zip(self.contract.tensors, self.tensors, strict=True):
            out[declared.name] = [float(x) for x in vector]
        out["rho"] = [float(x) for x in self.rho]
        return out


@dataclass(frozen=True, eq=False)
class LabelledBatch(Batch):
    """N examples: logits of shape (N, C), float32 or float64, C >= 2; the right classes, shape (N,), int64."""

    contract: ClassVar[Contract] = CLASSIFICATION

    logits: Array
    targets: Whole

    def __post_init__(self) -> None:
        """Refuse what is no labelled batch: that is the caller's mistake."""
        self.hold()
        if self.classes < 2:
            raise ValueError("there are two classes or more")

    @property
    def where(self) -> str:
        """Its shape."""
        return f"for logits of shape {self.logits.shape}"

    @property
    def spot(self) -> str:
        """Logits and target of a single example."""
        if self.examples > 1:
            return self.where
        row = [f"{float(x):g}" for x in self.logits[0]]
        return f"for logits ({', '.join(row[:6])}{', ...' if len(row) > 6 else ''}) and target {self.targets[0]}"

    @property
    def remoteness(self) -> Array:
        """The largest size of a logit."""
        return np.asarray(np.abs(self.logits).max(axis=1))

    @property
    def examples(self) -> int:
        """Number of examples N."""
        return self.rows

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return int(self.logits.shape[1])

    def moved(self, by: Array | float) -> LabelledBatch:
        """The logits moved by `by`, shape (N, C) or a number."""
        return replace(self, logits=(self.logits + by).astype(self.logits.dtype))

    def renamed(self, order: NDArray[np.integer]) -> LabelledBatch:
        """The classes in another order, shape (C,): column `order[k]` becomes column k, and targets follow."""
        return LabelledBatch(self.logits[:, order], np.argsort(order)[self.targets])

    def as_counterexample(self) -> dict[str, Json]:
        """The numbers that a person can paste; of a large batch only its size."""
        if self.logits.size > SHOWN:
            return {"examples": self.examples, "classes": self.classes}
        return {
            "logits": [[float(x) for x in row] for row in self.logits],
            "targets": [int(t) for t in self.targets],
        }


@dataclass(frozen=True, eq=False)
class ListBatch(Batch):
    """B prompts with K >= 2 answers each: log-probabilities (nats) and scores, all of shape (B, K), one dtype.

    The higher a score, the better the answer. `beta` > 0; `progress` is the training fraction in [0, 1].
    """

    contract: ClassVar[Contract] = LISTS

    policy_logps: Array
    reference_logps: Array
    scores: Array
    beta: float
    progress: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what are no lists: that is the caller's mistake."""
        self.hold()
        if self.answers < 2:
            raise ValueError("a list has two answers or more")

    @property
    def where(self) -> str:
        """Its shape, and beta."""
        return f"on {self.rows} lists of {self.answers} answers at beta {self.beta:g}"

    @property
    def spot(self) -> str:
        """Margins, scores and beta of a single list."""
        if self.rows > 1:
            return self.where
        ratios, scores = ([f"{float(x):g}" for x in row] for row in (self.logratios[0], self.scores[0]))
        shown = f"({', '.join(ratios[:6])}) and scores ({', '.join(scores[:6])})"
        return f"at log-ratios {shown}{' ...' if self.answers > 6 else ''}, beta {self.beta:g}"

    @property
    def remoteness(self) -> Array:
        """The largest size of a log-ratio."""
        return np.asarray(np.abs(self.logratios).max(axis=1))

    @property
    def answers(self) -> int:
        """Number of answers K in each list."""
        return int(self.policy_logps.shape[1])

    @property
    def logratios(self) -> Array:
        """The policy's log-probabilities less the reference's, shape (B, K), float64."""
        return self.policy_logps.astype(np.float64) - self.reference_logps.astype(np.float64)

    def moved(self, by: Array | float) -> ListBatch:
        """The policy's log-probabilities moved by these amounts (nats, shape (B, K) or a number)."""
        return replace(self, policy_logps=(self.policy_logps + by).astype(self.policy_logps.dtype))

    def reordered(self, order: NDArray[np.integer]) -> ListBatch:
        """The answers of every list in another order, shape (K,)."""
        return self.with_tensors([tensor[:, order] for tensor in self.tensors])

    def as_counterexample(self) -> dict[str, Json]:
        """The numbers that a person can paste; of large lists only how many."""
        out: dict[str, Json] = {"beta": self.beta, "progress": self.progress}
        if self.policy_logps.size > SHOWN:
            return {**out, "lists": self.rows, "answers": self.answers}
        for declared, tensor in zip(self.contract.tensors, self.tensors, strict=True):
            out[declared.name] = [[float(x) for x in row] for row in tensor]
        return out


_KINDS: dict[str, type[Batch]] = {kind.contract.name: kind for kind in (PairBatch, LabelledBatch, ListBatch)}


def read_batch(
    contract: Contract, dtype: np.dtype[np.floating], sizes: Sequence[int], scalars: Sequence[float], raw: bytes
) -> Batch:
    """The batch of a contract with so large dimensions that `Batch.raw` was made of. Raises ValueError for another."""
    known = dict(zip(contract.dimensions, sizes, strict=True))
    tensors, at = [], 0
    for declared in contract.tensors:
        shape = [known[name] for name in declared.dimensions]
        kind = tensor_dtype(declared, dtype)
        if math.prod(shape) > MAX_NUMBERS:
            raise ValueError(f"{declared.name} has more than {MAX_NUMBERS} numbers")
        tensors.append(np.frombuffer(raw, kind, math.prod(shape), at).reshape(shape).astype(kind.newbyteorder("=")))
        at += tensors[-1].nbytes
    if at != len(raw):
        raise ValueError(f"there are {len(raw)} bytes, and not {at}")
    return _KINDS[contract.name](*tensors, *scalars)
