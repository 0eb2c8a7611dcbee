"""Batches that are drawn once: kept by who drew them, and looked up among those that were drawn before.

Every candidate is asked the same of them, so a process draws a batch once; and all that a profile draws can be had in
one piece of bytes (`BEFORE`), which costs a small part of drawing it (`harness.checks.drawn` reads and keeps that).

Covered: batches over the usual domain. Those over another are kept as well, and never looked up.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias

import numpy as np

from harness.core.domain import Domain
from harness.protocol.batch_types import PairBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

P = ParamSpec("P")
#: What a batch is drawn from: by which function, its seed and pairs, what else was said by name, and the dtype.
Key: TypeAlias = tuple[str, int, int, tuple[tuple[str, float], ...], str]

DOMAIN = Domain()
#: Batches that each function keeps; what is asked of one candidate is asked of the next.
_KEPT = 8192
_TENSORS = len(PairBatch.contract.tensors)
_NAMES = {np.float32: "float32", np.float64: "float64"}
#: Beta and progress of a batch, before its tensors.
_NUMBERS = struct.Struct("<dd")


class Drawing(Generic[P]):
    """A function that draws batches from a seed and a number of pairs. Each is drawn once."""

    def __init__(self, draw: Callable[P, PairBatch]) -> None:
        functools.update_wrapper(self, draw)
        #: The function itself, whose batches nobody keeps.
        self.draw = draw
        self.name = draw.__name__
        self._kept: dict[Hashable, PairBatch] = {}
        #: Those over the usual domain, in the order in which they were asked for first.
        self.usual: dict[Key, PairBatch] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> PairBatch:
        """The batch of these arguments; nobody can write into it."""
        said = (args, *kwargs.items())
        batch = self._kept.get(said)
        if batch is None:
            key = self._key(args, kwargs)
            batch = (BEFORE.get(key) if key is not None else None) or self.draw(*args, **kwargs)
            if len(self._kept) >= _KEPT:
                self.forget()
            self._kept[said] = batch
            if key is not None:
                self.usual[key] = batch
        return batch

    def of(self, key: Key) -> PairBatch:
        """The batch of a key, drawn where it is not kept."""
        if (kept := self.usual.get(key)) is not None:
            return kept
        _, seed, pairs, more, dtype = key
        draw: Callable[..., PairBatch] = self
        return draw(seed, pairs, **dict(more), dtype=np.dtype(dtype).type)

    def forget(self) -> None:
        """Keep nothing of what was drawn so far."""
        self._kept.clear()
        self.usual.clear()

    def _key(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> Key | None:
        """What these arguments say, in one way of several; None over another domain, and for what is said otherwise."""
        more = dict(named)
        dtype = _NAMES[more.pop("dtype", np.float32)]
        if more.pop("domain", DOMAIN) != DOMAIN or len(args) != 2:
            return None
        seed, pairs = args
        return self.name, int(seed), int(pairs), tuple(sorted(more.items())), dtype


DRAWINGS: dict[str, Drawing[Any]] = {}


def drawing(draw: Callable[P, PairBatch]) -> Drawing[P]:
    """Have what a function draws kept."""
    made = Drawing(draw)
    DRAWINGS[made.name] = made
    return made


class Before:
    """Batches that were drawn before, as bytes."""

    def __init__(self) -> None:
        self._places: dict[Key, tuple[bytes, int]] = {}

    def add(self, keys: Iterable[Key], data: bytes) -> None:
        """Know the batches of these keys, which `packed` has put into these bytes."""
        at = 0
        for key in keys:
            self._places[key] = data, at
            at += size_of(key)

    def get(self, key: Key) -> PairBatch | None:
        """The batch of a key, or None."""
        if (place := self._places.get(key)) is None:
            return None
        (data, at), (_, _, pairs, _, dtype) = place, key
        numbers = np.frombuffer(data, np.dtype(dtype).newbyteorder("<"), _TENSORS * pairs, at + _NUMBERS.size)
        return PairBatch.of(numbers.reshape(_TENSORS, pairs), *_NUMBERS.unpack_from(data, at))

    def forget(self) -> None:
        """Know nothing."""
        self._places.clear()


BEFORE = Before()


def size_of(key: Key) -> int:
    """How many bytes the batch of a key has."""
    return _NUMBERS.size + _TENSORS * key[2] * np.dtype(key[4]).itemsize


def packed(key: Key) -> bytes:
    """The batch of a key: beta and progress, and its tensors as they cross the wire."""
    batch = DRAWINGS[key[0]].of(key)
    return _NUMBERS.pack(*batch.scalars) + batch.raw


def drawn_by(act: Callable[[], object]) -> list[Key]:
    """The keys of the batches that are drawn while `act` is done, by one that knows none of them."""
    BEFORE.forget()
    for each in DRAWINGS.values():
        each.forget()
    act()
    return [key for each in DRAWINGS.values() for key in each.usual]
