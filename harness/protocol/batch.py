"""What goes into the oracle and what comes out, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from harness.core.verdict import Json

    Vector = NDArray[np.floating]

#: Largest batch that crosses the wire, in pairs.
MAX_PAIRS = 1 << 16


@dataclass(frozen=True)
class Batch:
    """B preference pairs: summed log-probabilities (nats), all of shape (B,), one dtype.

    `chosen_lengths` and `rejected_lengths` are tokens per completion, shape (B,), always present here
    and offered to candidates that name them. `beta` > 0; `progress` is the training fraction in [0, 1].
    """

    policy_chosen: Vector
    policy_rejected: Vector
    reference_chosen: Vector
    reference_rejected: Vector
    chosen_lengths: Vector
    rejected_lengths: Vector
    beta: float
    progress: float = 0.5

    @classmethod
    def of(cls, vectors: Iterable[Vector], beta: float, progress: float = 0.5) -> Batch:
        """Put a batch together from the six vectors in the order of the wire."""
        pc, pr, rc, rr, lc, lr = vectors
        return cls(pc, pr, rc, rr, lc, lr, beta=beta, progress=progress)

    def __post_init__(self) -> None:
        """Refuse batches that the wire cannot carry: they are the caller's mistake."""
        size, dtype = self.policy_chosen.size, self.policy_chosen.dtype
        if not 1 <= size <= MAX_PAIRS:
            raise ValueError(f"a batch holds 1 to {MAX_PAIRS} pairs, not {size}")
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"a batch holds float32 or float64, not {dtype}")
        for vector in self.vectors:
            if vector.shape != (size,) or vector.dtype != dtype:
                raise ValueError("the vectors of a batch share one shape (B,) and one dtype")

    @property
    def pairs(self) -> int:
        """Number of pairs B."""
        return int(self.policy_chosen.size)

    @property
    def vectors(self) -> tuple[Vector, ...]:
        """The six vectors in the order of the wire."""
        return (
            self.policy_chosen,
            self.policy_rejected,
            self.reference_chosen,
            self.reference_rejected,
            self.chosen_lengths,
            self.rejected_lengths,
        )

    @cached_property
    def raw(self) -> bytes:
        """The six vectors one after the other, little-endian, as they cross the wire."""
        dtype = self.policy_chosen.dtype.newbyteorder("<")
        return b"".join([vector.astype(dtype, copy=False).tobytes() for vector in self.vectors])

    @property
    def rho(self) -> Vector:
        """`(pc - pr) - (rc - rr)`, shape (B,), float64."""
        pc, pr, rc, rr = (v.astype(np.float64) for v in self.vectors[:4])
        return (pc - pr) - (rc - rr)

    def astype(self, dtype: type[np.floating]) -> Batch:
        """The same numbers in another dtype."""
        return Batch.of((v.astype(dtype) for v in self.vectors), self.beta, self.progress)

    def take(self, index: NDArray[np.integer] | list[int]) -> Batch:
        """The pairs at `index`, in that order."""
        return Batch.of((v[index] for v in self.vectors), self.beta, self.progress)

    def swapped(self) -> Batch:
        """Chosen and rejected exchanged in every pair."""
        pc, pr, rc, rr, lc, lr = self.vectors
        return Batch(pr, pc, rr, rc, lr, lc, beta=self.beta, progress=self.progress)

    def shifted(self, chosen: Vector | float, rejected: Vector | float) -> Batch:
        """The policy's log-probabilities moved by these amounts (nats, shape (B,) or a number)."""
        dtype = self.policy_chosen.dtype
        return replace(
            self,
            policy_chosen=(self.policy_chosen + chosen).astype(dtype),
            policy_rejected=(self.policy_rejected + rejected).astype(dtype),
        )

    def as_counterexample(self) -> dict[str, Json]:
        """The numbers that a person can paste; of more than 8 pairs, how many, and their shortest and longest."""
        out: dict[str, Json] = {"beta": self.beta, "progress": self.progress}
        if self.pairs > 8:
            tokens = np.concatenate([self.chosen_lengths, self.rejected_lengths])
            return {**out, "pairs": self.pairs, "lengths": [float(tokens.min()), float(tokens.max())]}
        names = ("policy_chosen_logps", "policy_rejected_logps", "reference_chosen_logps", "reference_rejected_logps")
        for name, vector in zip((*names, "chosen_lengths", "rejected_lengths"), self.vectors, strict=True):
            out[name] = [float(x) for x in vector]
        out["rho"] = [float(x) for x in self.rho]
        return out


@dataclass(frozen=True)
class Answer:
    """What the candidate answered to one batch.

    `shape` is the output's shape; for any shape but () and (B,) the numbers stay behind and `values`
    is empty. `values` has shape (B,) or (1,); the gradients have shape (B,) and belong to the weighted
    sum of the values (weights 1/B unless given). `detached` says that the output does not depend on the
    policy at all. `echo` holds the inputs as they were after the call, when asked for.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.floating]
    values: Vector
    grad_chosen: Vector
    grad_rejected: Vector
    detached: bool
    echo: tuple[Vector, ...] | None = None

    @property
    def finite_values(self) -> bool:
        """Whether every value is finite."""
        return bool(np.isfinite(self.values).all())

    @property
    def finite_gradients(self) -> bool:
        """Whether every gradient is finite."""
        return bool(np.isfinite(self.grad_chosen).all() and np.isfinite(self.grad_rejected).all())

    @property
    def mean(self) -> float:
        """The mean of the values (the value itself for a scalar)."""
        return float(self.values.astype(np.float64).mean())


@dataclass(frozen=True)
class Complaint:
    """The candidate answered with an exception: `status` is a name of `wire.STATUS`, texts are untrusted."""

    status: str
    type: str
    message: str
    line: int
