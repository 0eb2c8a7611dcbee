"""Random trees of a kind, within a depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.discover.evolve.grammar import BY_KIND, Op
from harness.discover.evolve.tree import Node

if TYPE_CHECKING:
    import numpy as np


def constants(op: Op, draw: np.random.Generator) -> tuple[float, ...]:
    """A constant for each range of an operation."""
    return tuple(range_.at(draw.uniform()) for range_ in op.constants)


def grow(kind: str, depth: int, draw: np.random.Generator) -> Node:
    """A tree of a kind, at most `depth` nodes deep, or as deep as the kind has to be."""
    room = max(depth, shortest(kind))
    ops = tuple(op for op in BY_KIND[kind] if height(op) <= room)
    weights = [op.weight for op in ops]
    op = ops[int(draw.choice(len(ops), p=[weight / sum(weights) for weight in weights]))]
    return Node(op.name, tuple(grow(arg, depth - 1, draw) for arg in op.takes), constants(op, draw))


def shortest(kind: str) -> int:
    """Nodes on the shortest way from a tree of this kind to its leaves."""
    return {"nats": 1, "number": 2, "gate": 1, "loss": 3}[kind]


def height(op: Op) -> int:
    """Nodes on the way down from an operation, where everything below is as short as can be."""
    return 1 + max((shortest(kind) for kind in op.takes), default=0)
