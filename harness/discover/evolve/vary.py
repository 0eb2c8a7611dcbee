"""Random trees of a kind, within a depth; and new trees from old ones by mutation and crossover.

All of it keeps the kinds, so that what comes out is a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.discover.evolve.grammar import BY_KIND, Op
from harness.discover.evolve.tree import Node, places, with_places

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

#: Depth of a subtree that a mutation grows.
_NEW_DEPTH = 4
#: Standard deviation of a moved constant, in its range's own measure.
_STEP = 0.15


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


def _pick(tree: Node, draw: np.random.Generator, fit: Callable[[Node], bool]) -> tuple[tuple[int, ...], Node] | None:
    """A subtree that fits, each as likely as another."""
    found = [(path, part) for path, part in tree.walk() if fit(part)]
    return found[int(draw.integers(len(found)))] if found else None


def regrow(tree: Node, draw: np.random.Generator) -> Node:
    """Put a new subtree in the place of one."""
    path, part = _pick(tree, draw, lambda _: True) or ((), tree)
    return tree.put(path, grow(part.kind, _NEW_DEPTH, draw))


def change(tree: Node, draw: np.random.Generator) -> Node:
    """Put another operation with the same arguments in the place of one, such as hinge for logistic."""

    def others(part: Node) -> list[Op]:
        return [op for op in BY_KIND[part.kind] if op.takes == part.op.takes and op.name != part.name]

    picked = _pick(tree, draw, lambda part: bool(others(part)))
    if picked is None:
        return regrow(tree, draw)
    path, part = picked
    fit = others(part)
    op = fit[int(draw.integers(len(fit)))]
    return tree.put(path, Node(op.name, part.args, constants(op, draw)))


def wrap(tree: Node, draw: np.random.Generator) -> Node:
    """Put an operation around a subtree, and grow its other arguments."""
    around = {kind: [op for op in ops if kind in op.takes] for kind, ops in BY_KIND.items()}
    picked = _pick(tree, draw, lambda part: bool(around[part.kind]))
    if picked is None:
        return regrow(tree, draw)
    path, part = picked
    op = around[part.kind][int(draw.integers(len(around[part.kind])))]
    slots = [place for place, kind in enumerate(op.takes) if kind == part.kind]
    own = slots[int(draw.integers(len(slots)))]
    args = tuple(part if n == own else grow(kind, _NEW_DEPTH - 1, draw) for n, kind in enumerate(op.takes))
    return tree.put(path, Node(op.name, args, constants(op, draw)))


def hoist(tree: Node, draw: np.random.Generator) -> Node:
    """Put a part of a subtree in its place: the tree becomes smaller."""

    def below(part: Node) -> list[Node]:
        return [each for path, each in part.walk() if path and each.kind == part.kind]

    picked = _pick(tree, draw, lambda part: bool(below(part)))
    if picked is None:
        return change(tree, draw)
    path, part = picked
    inner = below(part)
    return tree.put(path, inner[int(draw.integers(len(inner)))])


def move(tree: Node, draw: np.random.Generator) -> Node:
    """Move every constant a little."""
    now = places(tree)
    if not now:
        return change(tree, draw)
    return with_places(tree, [place + _STEP * draw.normal() for place in now])


_MUTATIONS = ((regrow, 0.3), (change, 0.25), (wrap, 0.2), (hoist, 0.1), (move, 0.15))


def mutate(tree: Node, draw: np.random.Generator) -> Node:
    """One mutation, of any sort."""
    kinds = [one for one, _ in _MUTATIONS]
    return kinds[int(draw.choice(len(kinds), p=[share for _, share in _MUTATIONS]))](tree, draw)


def cross(one: Node, other: Node, draw: np.random.Generator) -> Node:
    """A subtree of the other in the place of one of the same kind. A leaf alone is no heritage, if there is more."""
    path, part = _pick(one, draw, lambda each: each.kind != "nats") or ((), one)
    given = _pick(other, draw, lambda each: each.kind == part.kind)
    return one if given is None else one.put(path, given[1])
