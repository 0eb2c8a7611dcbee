"""Expression trees: nodes that cannot change, their subtrees, their form in JSON, and how one is written shorter.

Writing a tree shorter does not change what trains: sums of constants, double signs, equal branches. A constant factor
at the root is dropped too: it scales every gradient alike, which Adam takes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.digests import json_digest
from harness.discover.evolve.grammar import OPS, Op

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.core.verdict import Json


#: Most nodes, and most nodes on the way from the root to a leaf.
MOST_NODES, MOST_DEPTH = 24, 9

#: The way to a subtree: the place among the arguments at each step down.
Way = tuple[int, ...]
_ROUNDS = 8


@dataclass(frozen=True)
class Node:
    """An operation with its constants and arguments. Built by `node`, which sees that the kinds fit."""

    name: str
    args: tuple[Node, ...] = ()
    constants: tuple[float, ...] = ()

    @property
    def op(self) -> Op:
        """The operation."""
        return OPS[self.name]

    @property
    def kind(self) -> str:
        """The kind of the result."""
        return self.op.kind

    @cached_property
    def size(self) -> int:
        """Nodes in the tree."""
        return 1 + sum(arg.size for arg in self.args)

    @cached_property
    def depth(self) -> int:
        """Nodes from here to the deepest leaf."""
        return 1 + max((arg.depth for arg in self.args), default=0)

    @property
    def fits(self) -> bool:
        """Whether the tree keeps to the size that people still read."""
        return self.size <= MOST_NODES and self.depth <= MOST_DEPTH

    def walk(self, path: Way = ()) -> Iterator[tuple[Way, Node]]:
        """All subtrees with the way to them, this one first."""
        yield path, self
        for place, arg in enumerate(self.args):
            yield from arg.walk((*path, place))

    def put(self, path: Way, new: Node) -> Node:
        """The tree with another subtree at a place. Raises ValueError where the kinds do not fit."""
        if not path:
            if new.kind != self.kind:
                raise ValueError(f"a {new.kind} cannot stand in the place of a {self.kind}")
            return new
        first, *rest = path
        args = (*self.args[:first], self.args[first].put(tuple(rest), new), *self.args[first + 1 :])
        return replace(self, args=args)

    def document(self) -> list[Json]:
        """The tree as JSON."""
        return [self.name, list(self.constants), [arg.document() for arg in self.args]]

    @property
    def skeleton(self) -> str:
        """The tree without its constants, as a text: trees that differ in constants alone have the same."""
        return f"{self.name}({','.join(arg.skeleton for arg in self.args)})" if self.args else self.name


def node(name: str, args: Sequence[Node] = (), constants: Sequence[float] = ()) -> Node:
    """A node. Raises ValueError for what the grammar has not."""
    op = OPS.get(name)
    if op is None:
        raise ValueError(f"there is no operation {name!r}")
    if tuple(arg.kind for arg in args) != op.takes:
        raise ValueError(f"{name} takes {op.takes}")
    fit = len(constants) == len(op.constants)
    if not fit or not all(math.isfinite(c) and r.takes(c) for c, r in zip(constants, op.constants, strict=True)):
        raise ValueError(f"{name} has other constants")
    return Node(name, tuple(args), tuple(float(c) for c in constants))


def read_tree(document: Json, depth: int = 0) -> Node:
    """A tree from its JSON. Raises ValueError for what is none."""
    if not isinstance(document, list) or len(document) != 3 or depth > 4 * MOST_DEPTH:
        raise ValueError("this is no expression tree")
    name, constants, args = document
    if not (isinstance(name, str) and isinstance(constants, list) and isinstance(args, list)):
        raise ValueError("this is no expression tree")  # noqa: TRY004 - one error for all that is no tree
    numbers = [float(c) for c in constants if isinstance(c, int | float) and not isinstance(c, bool)]
    if len(numbers) != len(constants):
        raise ValueError("a constant is no number")
    return node(name, [read_tree(arg, depth + 1) for arg in args], numbers)


def places(tree: Node) -> list[float]:
    """Where each constant lies in its range, in [0, 1], in the order of the walk."""
    return [
        range_.place(value)
        for _, each in tree.walk()
        for value, range_ in zip(each.constants, each.op.constants, strict=True)
    ]


def with_places(tree: Node, wanted: Sequence[float]) -> Node:
    """The tree with its constants at these places. Raises ValueError where their number is another."""
    left = list(wanted)

    def rebuild(each: Node) -> Node:
        own, left[:] = left[: len(each.constants)], left[len(each.constants) :]
        constants = tuple(r.at(place) for place, r in zip(own, each.op.constants, strict=True))
        return Node(each.name, tuple(rebuild(arg) for arg in each.args), constants)

    if len(left) != len(places(tree)):
        raise ValueError("the tree has another number of constants")
    return rebuild(tree)


def digest(tree: Node) -> str:
    """SHA-256 of the tree, in hex."""
    return json_digest(tree.document())


def simplify(tree: Node) -> Node:
    """The tree in short. Constants that leave their range are left as they were."""
    for _ in range(_ROUNDS):
        before = tree
        tree = _down(tree)
        while tree.name == "times":
            tree = tree.args[0]
        if tree == before:
            break
    return tree


def _down(tree: Node) -> Node:
    args = tuple(_down(arg) for arg in tree.args)
    if tree.op.swaps:
        args = tuple(sorted(args, key=lambda arg: (arg.skeleton, digest(arg))))
    tree = Node(tree.name, args, tree.constants)
    rule = _RULES.get(tree.name)
    return (rule(tree) if rule else None) or tree


def _add(tree: Node) -> Node | None:
    one, other = tree.args
    return Node("scale" if tree.name == "add" else "times", (one,), (2.0,)) if one == other else None


def _subtract(tree: Node) -> Node | None:
    margins = [arg.skeleton for arg in tree.args] == ["scaled(policy)", "scaled(reference)"]
    return Node("scaled", (Node("rho"),)) if margins else None


def _blend(tree: Node) -> Node | None:
    return tree.args[1] if tree.args[1] == tree.args[2] else None


def _average(tree: Node) -> Node | None:
    return tree.args[0] if tree.args[0].name == "average" else None


def _opposite(tree: Node) -> Node | None:
    inner = tree.args[0]
    if inner.name == "opposite":
        return inner.args[0]
    return _fitting("constant", (), 1.0 - inner.constants[0]) if inner.name == "constant" else None


def _both(tree: Node) -> Node | None:
    one, other = tree.args
    constants = one.name == other.name == "constant"
    return _fitting("constant", (), one.constants[0] * other.constants[0]) if constants else None


def _gated(tree: Node) -> Node | None:
    gate, inner = tree.args
    name = "scale" if tree.name == "gated" else "times"
    return _fitting(name, (inner,), gate.constants[0]) if gate.name == "constant" else None


def _factor(tree: Node) -> Node | None:
    inner = tree.args[0]
    if tree.constants == (1.0,):
        return inner
    merged = inner.name == tree.name
    return _fitting(tree.name, inner.args, tree.constants[0] * inner.constants[0]) if merged else None


def _shift(tree: Node) -> Node | None:
    inner = tree.args[0]
    if tree.constants == (0.0,):
        return inner
    merged = inner.name == "shift"
    return _fitting("shift", inner.args, tree.constants[0] + inner.constants[0]) if merged else None


def _offset(tree: Node) -> Node | None:
    inner = tree.args[0]
    merged = inner.name == "shift"
    return _fitting(tree.name, inner.args, tree.constants[0] - inner.constants[0]) if merged else None


def _clamp(tree: Node) -> Node | None:
    inner = tree.args[0]
    limits = (*tree.constants, *inner.constants)
    return Node("clamp", inner.args, (min(limits),)) if inner.name == "clamp" else None


def _fitting(name: str, args: tuple[Node, ...], value: float) -> Node | None:
    """A node with a constant, rounded as all are; None where it is out of range."""
    value = float(f"{value:.3g}")
    return Node(name, args, (value,)) if OPS[name].constants[0].takes(value) else None


#: What each operation may be written as; None from a rule leaves it as it is.
_RULES: dict[str, Callable[[Node], Node | None]] = {
    "add": _add,
    "sum": _add,
    "subtract": _subtract,
    "blend": _blend,
    "average": _average,
    "opposite": _opposite,
    "both": _both,
    "weighted": _gated,
    "gated": _gated,
    "scale": _factor,
    "times": _factor,
    "shift": _shift,
    "hinge": _offset,
    "square": _offset,
    "clamp": _clamp,
}
