"""What a report tells of how a candidate was read: the binding, what stays at its default, where pairs are crossed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.contract import Told
from harness.screen.pairing import defaults_of, is_by_position, parameter_names
from harness.screen.signature import functions_of

if TYPE_CHECKING:
    from harness.contract import CallPlan, Contract
    from harness.screen.parameters import Declared

_LONGEST_DEFAULT = 40
_MOST = 20
_CROSSING_CALLS = {"outer", "cdist", "cartesian_prod", "meshgrid"}


def told(tree: ast.Module, plan: CallPlan, declared: Declared, contract: Contract) -> Told:
    """Say how the chosen loss was read."""
    function = functions_of(tree, declared)[plan.entry]
    names = parameter_names(function.node)[plan.dialect == "method" :]
    bound = (*zip(names, plan.positional, strict=False), *plan.keyword)
    given = {own for own, _ in bound} | declared.lines.keys()
    fixed = [(own, ast.unparse(value)) for own, value in defaults_of(function.node).items() if own not in given]
    return Told(
        bound=bound,
        by_position=is_by_position(function.node, plan, contract),
        fixed=tuple((own, text[:_LONGEST_DEFAULT]) for own, text in fixed[:_MOST]),
        crossed=_crossed(tree),
    )


def is_sketch(tree: ast.Module, entry: str) -> bool:
    """Whether a function has no body worth the name: nothing but a text, pass and dots."""
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef) and node.name == entry:
            return all(
                isinstance(s, ast.Pass) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
                for s in node.body
            )
    return False


def _crossed(tree: ast.Module) -> tuple[int, ...]:
    """Lines inside functions in which a vector gets a second dimension, as one has to before (B, B) can arise."""
    lines = {
        inner.lineno
        for statement in tree.body
        if isinstance(statement, (ast.FunctionDef, ast.Assign, ast.AnnAssign))
        for inner in ast.walk(statement)
        if isinstance(inner, (ast.Subscript, ast.Call)) and _adds_dimension(inner)
    }
    return tuple(sorted(lines)[:_MOST])


def _adds_dimension(node: ast.Subscript | ast.Call) -> bool:
    if isinstance(node, ast.Subscript):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return any(isinstance(part, ast.Constant) and part.value is None for part in parts)
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called in {"view", "reshape"}:
        return len(node.args) > 1 and any(isinstance(a, ast.Constant) and a.value == 1 for a in node.args)
    return called == "unsqueeze" or called in _CROSSING_CALLS
