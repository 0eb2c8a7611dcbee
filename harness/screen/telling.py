"""What a report tells of how a candidate was read: the binding, what stays at its default, where pairs are crossed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from harness.core.program import Told
from harness.screen.binding import defaults_of, is_by_position, parameter_names
from harness.screen.signature import functions_of

if TYPE_CHECKING:
    from harness.core.contract import Contract
    from harness.core.program import CallPlan
    from harness.screen.parameters import Declared

_LONGEST_DEFAULT = 40
_MOST = 20
_CROSSING_CALLS = {"outer", "cdist", "cartesian_prod", "meshgrid"}
#: Calls that look places up: those need as many dimensions as what they are looked up in.
_PICKING_CALLS = {"gather", "scatter", "scatter_", "scatter_add", "scatter_add_", "take_along_dim", "index_select"}
#: What stands for a new dimension, between the brackets or among the arguments.
_NEW = {"[]": None, "view": 1, "reshape": 1}


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
        crossed=_crossed(tree) if all(len(tensor.dimensions) == 1 for tensor in contract.tensors) else (),
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
    lines: set[int] = set()
    waiting: list[ast.AST] = [s for s in tree.body if isinstance(s, (ast.FunctionDef, ast.Assign, ast.AnnAssign))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Subscript, ast.Call)):
            done = _done(node)
            if _adds_dimension(done):
                lines.add(node.lineno)
            within = _done(done.to) if isinstance(done.to, (ast.Subscript, ast.Call)) else None
            if done.name in _PICKING_CALLS:
                waiting += [done.to] if done.to else []
                continue
            if within and within.to and _takes_away(done, within):
                waiting.append(within.to)
                continue
        waiting.extend(ast.iter_child_nodes(node))
    return tuple(sorted(lines)[:_MOST])


class _Done(NamedTuple):
    """What an expression does, to what, and with which arguments: constants are given as they are."""

    name: str
    to: ast.expr | None
    given: list[object]


def _done(node: ast.Subscript | ast.Call) -> _Done:
    """Read x[0] as [] of x, and torch.f(x, 0) as x.f(0)."""
    if isinstance(node, ast.Subscript):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _Done("[]", node.value, [_constant(part) for part in parts])
    parts = [*node.args, *(keyword.value for keyword in node.keywords)]
    if isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") != "torch":
        return _Done(node.func.attr, node.func.value, [_constant(part) for part in parts])
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return _Done(name, parts[0] if parts else None, [_constant(part) for part in parts[1:]])


def _constant(node: ast.expr) -> object:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand)
        return -value if isinstance(value, int) else node
    return node.value if isinstance(node, ast.Constant) else node


def _adds_dimension(done: _Done) -> bool:
    if done.name in _NEW:
        return _NEW[done.name] in done.given and (done.name == "[]" or len(done.given) > 1)
    return done.name == "unsqueeze" or done.name in _CROSSING_CALLS


def _takes_away(done: _Done, before: _Done) -> bool:
    """Whether [:, 0] or squeeze takes away the one dimension that was added just before."""
    places = before.given
    if before.name in _NEW:
        places = [i for i, each in enumerate(before.given) if each == _NEW[before.name]]
    place = places[0] if len(places) == 1 and _adds_dimension(before) else None
    if not isinstance(place, int) or before.name in _CROSSING_CALLS:
        return False
    if done.name == "[]":
        return -len(done.given) <= place < len(done.given) and isinstance(done.given[place], int)
    # Of two dimensions, -1 is the same as 1.
    return done.name == "squeeze" and (not done.given or done.given[0] in {place - 2, place, place + 2})
