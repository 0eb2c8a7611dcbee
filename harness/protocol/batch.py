"""What goes into the oracle and what comes out, as plain arrays: the tensors and numbers that a contract names."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.core.contract import Contract, Tensor
    from harness.core.verdict import Json

    Array = NDArray[np.floating]
    Whole = NDArray[np.int64]

#: The most numbers in a tensor that crosses the wire, and so the largest batch, in rows.
MAX_NUMBERS = 1 << 16
#: The dtypes of tensors that do not hold whole numbers.
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Batch(ABC):
    """The tensors and numbers that a loss of one contract is asked with. Each contract has a dataclass of its own.

    Its fields are the tensors in the contract's order, then the numbers. A tensor's first dimension is the batch's:
    pairs, examples or lists, `rows` of them.
    """

    contract: ClassVar[Contract]
    __match_args__: ClassVar[tuple[str, ...]]

    @cached_property
    def tensors(self) -> tuple[np.ndarray, ...]:
        """All tensors in the order of the contract, which is that of the wire."""
        return tuple(getattr(self, name) for name in self.__match_args__[: len(self.contract.tensors)])

    @property
    def scalars(self) -> tuple[float, ...]:
        """All numbers in the order of the contract."""
        return tuple(getattr(self, name) for name in self.__match_args__[len(self.contract.tensors) :])

    @property
    @abstractmethod
    def where(self) -> str:
        """Which batch it is, in a few words of a finding: "on a batch of 3 at beta 0.1"."""

    @property
    @abstractmethod
    def spot(self) -> str:
        """Where a single row lies, in words, and else the batch: "at rho 1.5, beta 0.1"."""

    @property
    @abstractmethod
    def remoteness(self) -> Array:
        """How far each row lies from what is most usual, shape (rows,): a finding names the nearest one."""

    @abstractmethod
    def as_counterexample(self) -> dict[str, Json]:
        """The numbers that a person can paste; of a large batch only what it is like."""

    @cached_property
    def dtype(self) -> np.dtype[np.floating]:
        """The dtype of all tensors that do not hold whole numbers."""
        return self.tensors[0].dtype

    @property
    def sizes(self) -> tuple[int, ...]:
        """The size of each dimension of the contract."""
        found: dict[str, int] = {}
        for declared, tensor in zip(self.contract.tensors, self.tensors, strict=True):
            found |= zip(declared.dimensions, tensor.shape, strict=True)
        return tuple(found.values())

    @cached_property
    def rows(self) -> int:
        """The size of the batch."""
        return int(self.tensors[0].shape[0])

    @property
    def numbers(self) -> int:
        """How many numbers the first tensor has: what an answer costs grows with it."""
        return int(self.tensors[0].size)

    @property
    def raw(self) -> bytes:
        """The tensors one after the other, little-endian, as they cross the wire where all of them do."""
        return b"".join(self.packed())

    def packed(self, places: Sequence[int] | None = None) -> list[bytes]:
        """The tensors at these places of the contract, or all, little-endian."""
        tensors = self.tensors if places is None else [self.tensors[place] for place in places]
        if sys.byteorder != "little":
            tensors = [t.astype(t.dtype.newbyteorder("<")) for t in tensors]
        return [tensor.tobytes() for tensor in tensors]

    def with_tensors(self, tensors: Sequence[np.ndarray]) -> Self:
        """The same numbers with other tensors, in the contract's order."""
        return type(self)(*tensors, *self.scalars)

    def astype(self, dtype: type[np.floating]) -> Self:
        """The same batch in another dtype; whole numbers stay whole."""
        tensors = zip(self.contract.tensors, self.tensors, strict=True)
        return self.with_tensors([t if declared.below else t.astype(dtype) for declared, t in tensors])

    def take(self, index: NDArray[np.integer] | Sequence[int]) -> Self:
        """The rows at `index`, in that order."""
        return self.with_tensors([tensor[index] for tensor in self.tensors])

    def along(self, way: Sequence[np.ndarray], by: float) -> Self:
        """The differentiated tensors moved by so many times `way`, an array for each of them, of its shape."""
        ways = iter(way)
        tensors = zip(self.contract.tensors, self.tensors, strict=True)
        moved = [(t + by * next(ways)).astype(t.dtype) if declared.differentiated else t for declared, t in tensors]
        return self.with_tensors(moved)

    def differentiated(self) -> list[np.ndarray]:
        """The tensors whose gradients are asked."""
        tensors = zip(self.contract.tensors, self.tensors, strict=True)
        return [tensor for declared, tensor in tensors if declared.differentiated]

    def hold(self) -> None:
        """Refuse a batch that the wire cannot carry, or the contract does not allow: it is the caller's mistake.

        Raises ValueError. Numbers may be what they like: trainers hand on what their models give.
        """
        sizes: dict[str, int] = {}
        for declared, tensor in zip(self.contract.tensors, self.tensors, strict=True):
            if tensor.ndim != len(declared.dimensions) or not 1 <= tensor.size <= MAX_NUMBERS:
                raise ValueError(
                    f"{declared.name} has the shape ({', '.join(declared.dimensions)}), and 1 to {MAX_NUMBERS} numbers"
                )
            for name, size in zip(declared.dimensions, tensor.shape, strict=True):
                if sizes.setdefault(name, size) != size:
                    raise ValueError(f"the tensors of a batch have the same {name}")
            if declared.below:
                if tensor.dtype != np.int64 or tensor.min() < 0 or tensor.max() >= sizes[declared.below]:
                    raise ValueError(f"{declared.name} are whole numbers, from 0 up to {declared.below} and without it")
            elif tensor.dtype not in FLOATS or tensor.dtype != self.dtype:
                raise ValueError(f"a batch holds float32 or float64, and one of them, not {tensor.dtype}")


@dataclass(frozen=True)
class Answer:
    """What the candidate answered to one batch.

    `shape` is the output's shape; for any shape but () and (rows,) the numbers stay behind and `values` is empty.
    `values` has the shape (rows,) or (1,). `gradients` are those of the weighted sum of the values (a row weighs
    1/rows, or 1/rows of its part) with respect to the contract's differentiated tensors, each of its tensor's shape.
    `detached` says that the output does not depend on them at all. `echo` holds all tensors as they were after the
    call, when asked for.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.floating]
    values: Array
    gradients: tuple[Array, ...]
    detached: bool
    echo: tuple[np.ndarray, ...] | None = None

    @property
    def grad_chosen(self) -> Array:
        """Of a batch of pairs, the gradient with respect to the policy's log-probabilities of the chosen, (B,)."""
        return self.gradients[0]

    @property
    def grad_rejected(self) -> Array:
        """Of a batch of pairs, that of the rejected, shape (B,)."""
        return self.gradients[1]

    @property
    def gradient(self) -> Array:
        """The gradient of a contract that asks for one alone."""
        (only,) = self.gradients
        return only

    @property
    def reduced(self) -> bool:
        """Whether it is one value for the whole batch."""
        return self.shape == ()

    @cached_property
    def finite_values(self) -> bool:
        """Whether every value is finite."""
        return bool(np.isfinite(self.values).all())

    @cached_property
    def finite_gradients(self) -> bool:
        """Whether every gradient is finite."""
        return all(np.isfinite(gradient).all() for gradient in self.gradients)

    def know_finite(self) -> None:
        """Every number of it is finite, as its maker has seen."""
        self.__dict__.update(finite_values=True, finite_gradients=True)

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


def tensor_dtype(declared: Tensor, dtype: np.dtype[np.floating]) -> np.dtype[np.floating] | np.dtype[np.int64]:
    """The dtype in which a tensor crosses the wire, in a batch of this one: little-endian."""
    return np.dtype("<i8") if declared.below else dtype.newbyteorder("<")
