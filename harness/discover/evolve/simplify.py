"""Writing a tree shorter without changing what trains: sums of constants, double signs, equal branches.

A constant factor at the root is dropped too: it scales every gradient alike, which Adam takes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.discover.evolve.grammar import OPS
from harness.discover.evolve.tree import Node, digest

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = 8


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


def _weighted(tree: Node) -> Node | None:
    gate, loss = tree.args
    return _fitting("times", (loss,), gate.constants[0]) if gate.name == "constant" else None


def _gated(tree: Node) -> Node | None:
    gate, number = tree.args
    return _fitting("scale", (number,), gate.constants[0]) if gate.name == "constant" else None


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
    "weighted": _weighted,
    "gated": _gated,
    "scale": _factor,
    "times": _factor,
    "shift": _shift,
    "hinge": _offset,
    "square": _offset,
    "clamp": _clamp,
}
