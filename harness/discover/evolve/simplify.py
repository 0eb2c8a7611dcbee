"""Writing a tree shorter without changing what trains: sums of constants, double signs, equal branches.

A constant factor at the root is dropped too: it scales every gradient alike, which Adam takes out.
"""

from __future__ import annotations

from harness.discover.evolve.grammar import OPS
from harness.discover.evolve.tree import Node, digest

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
    return _step(Node(tree.name, args, tree.constants))


def _step(tree: Node) -> Node:
    """One rule, or the tree as it is."""
    name, args = tree.name, tree.args
    if name in {"add", "subtract", "both", "blend", "average", "opposite", "weighted"}:
        return _structure(tree)
    if name in {"scale", "times", "shift", "hinge", "square", "clamp", "scaled", "tanh"} and args:
        return _constants(tree)
    return tree


def _structure(tree: Node) -> Node:
    name, args = tree.name, tree.args
    first = args[0]
    if name == "add" and first == args[1]:
        return Node("scale", (first,), (2.0,))
    if name == "subtract" and [arg.skeleton for arg in args] == ["scaled(policy)", "scaled(reference)"]:
        return Node("scaled", (Node("rho"),))
    if name == "blend" and args[1] == args[2]:
        return args[1]
    if name == "average" and first.name == "average":
        return first
    if name == "opposite" and first.name == "opposite":
        return first.args[0]
    if name == "opposite" and first.name == "constant":
        return _fitting("constant", (), 1.0 - first.constants[0]) or tree
    if name == "both" and all(arg.name == "constant" for arg in args):
        return _fitting("constant", (), args[0].constants[0] * args[1].constants[0]) or tree
    if name == "weighted" and first.name == "constant":
        return _fitting("times", (args[1],), first.constants[0]) or tree
    return tree


def _constants(tree: Node) -> Node:
    name, inner = tree.name, tree.args[0]
    if name in {"scale", "times"} and tree.constants == (1.0,):
        return inner
    if name == "shift" and tree.constants == (0.0,):
        return inner
    if name in {"scale", "times"} and inner.name == name:
        return _fitting(name, inner.args, tree.constants[0] * inner.constants[0]) or tree
    if name == "shift" and inner.name == "shift":
        return _fitting(name, inner.args, tree.constants[0] + inner.constants[0]) or tree
    if name in {"hinge", "square"} and inner.name == "shift":
        return _fitting(name, inner.args, tree.constants[0] - inner.constants[0]) or tree
    if name == "clamp" and inner.name == "clamp":
        return Node(name, inner.args, (min(tree.constants[0], inner.constants[0]),))
    return tree


def _fitting(name: str, args: tuple[Node, ...], value: float) -> Node | None:
    """A node with a constant, rounded as all are; None where it is out of range."""
    value = float(f"{value:.3g}")
    return Node(name, args, (value,)) if OPS[name].constants[0].takes(value) else None
