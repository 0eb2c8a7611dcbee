"""The parameters that a candidate declares: a literal dictionary at the top level, read and never evaluated."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from harness.core.contract import PREFERENCE, Contract
from harness.core.program import MOST_PARAMETERS, PARAMS, Parameter
from harness.screen.text import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

_RULE = "S117"
_FORM = 'PARAMS = {"tau": (0.01, 1.0, "log")}'
_FIX = f"Declare each of them with numbers, as in {_FORM}."
_SCALES = {"linear": False, "log": True}


class Declared(NamedTuple):
    """What was read: the parameters that are sound, the line of every name, and what is wrong with the rest."""

    parameters: tuple[Parameter, ...] = ()
    lines: dict[str, int] = {}  # noqa: RUF012 - nobody writes into it
    complaints: tuple[Complaint, ...] = ()


class _Malformed(Exception):
    """A part of the declaration is not as it has to be."""

    def __init__(self, message: str, node: ast.AST) -> None:
        super().__init__(message)
        self.complaint = Complaint(_RULE, message, node.lineno, node.col_offset + 1, _FIX)  # type: ignore[attr-defined]


def read_parameters(tree: ast.Module, contract: Contract = PREFERENCE) -> Declared:
    """Read the declaration of a candidate; nothing where there is none."""
    bound = list(_bindings(tree))
    if not bound:
        return Declared()
    if not contract.tunable:
        message = f"{PARAMS} is declared, and the {contract.name} contract has no parameters that are tuned."
        fix = "Write the numbers into the body, or give it another name."
        return Declared(complaints=(Complaint(_RULE, message, bound[0].lineno, bound[0].col_offset + 1, fix),))
    complaints: list[Complaint] = []
    parameters: list[Parameter] = []
    lines: dict[str, int] = {}
    try:
        for key, value in _entries(bound):
            try:
                name = _name(key)
                if name in lines:
                    raise _Malformed(f"{name} is declared twice.", key)
                lines[name] = key.lineno
                parameters.append(_parameter(name, value, key))
            except _Malformed as malformed:
                complaints.append(malformed.complaint)
    except _Malformed as malformed:
        complaints.append(malformed.complaint)
    return Declared(tuple(parameters), lines, tuple(complaints))


def not_taken(declared: Declared, entry: str, taken: tuple[Parameter, ...]) -> list[Complaint]:
    """Complain about what is declared, and no parameter of the loss."""
    return [
        Complaint(
            _RULE,
            f"{p.name} is declared, and {entry} has no parameter of that name.",
            declared.lines[p.name],
            1,
            f"Add {p.name} to the parameters of {entry}, or take it out of {PARAMS}.",
        )
        for p in declared.parameters
        if p not in taken
    ]


def _bindings(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that bind the name at the top level, or write into what it stands for."""
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if _binds(node) and isinstance(node, ast.stmt):
            yield node
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            inner = ("body", "orelse", "finalbody", "handlers", "cases")
            waiting.extend(child for part in reversed(inner) for child in reversed(getattr(node, part, [])))


def _binds(node: ast.AST) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node.name == PARAMS
    if isinstance(node, ast.Import | ast.ImportFrom):
        return any((alias.asname or alias.name) == PARAMS for alias in node.names)
    targets: list[ast.AST] = []
    if isinstance(node, ast.Assign | ast.Delete):
        targets = list(node.targets)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For):
        targets = [node.target]
    elif isinstance(node, ast.With):
        targets = [item.optional_vars for item in node.items if item.optional_vars is not None]
    names = (inner for target in targets for inner in ast.walk(target))
    return any(isinstance(inner, ast.Name) and inner.id == PARAMS for inner in names)


def _entries(bound: list[ast.stmt]) -> list[tuple[ast.expr, ast.expr]]:
    """The pairs of the one dictionary."""
    first = bound[0]
    if len(bound) > 1:
        raise _Malformed(f"{PARAMS} is bound a second time; the first is in line {first.lineno}.", bound[1])
    target: ast.expr | None = first.target if isinstance(first, ast.AnnAssign) else None
    if isinstance(first, ast.Assign) and len(first.targets) == 1:
        target = first.targets[0]
    value = first.value if isinstance(first, ast.Assign | ast.AnnAssign) else None
    if not isinstance(target, ast.Name) or not isinstance(value, ast.Dict) or first.col_offset:
        raise _Malformed(f"{PARAMS} has to be one dictionary, written out at the top level.", first)
    if not value.keys:
        raise _Malformed(f"{PARAMS} declares nothing.", first)
    if len(value.keys) > MOST_PARAMETERS:
        raise _Malformed(f"{PARAMS} declares {len(value.keys)} parameters; {MOST_PARAMETERS} are the most.", first)
    for key, inner in zip(value.keys, value.values, strict=True):
        if key is None:
            raise _Malformed(f"{PARAMS} takes over another dictionary by **.", inner)
    return [(key, inner) for key, inner in zip(value.keys, value.values, strict=True) if key is not None]


def _name(key: ast.expr) -> str:
    if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
        raise _Malformed("A parameter's name is not written as a text.", key)
    return key.value


def _parameter(name: str, value: ast.expr, key: ast.expr) -> Parameter:
    shown = ascii(name[:60]) if not name.isidentifier() or not name.isascii() else name[:60]
    parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
    if not 2 <= len(parts) <= 3:
        raise _Malformed(f'{shown} is not given as (low, high) or (low, high, "log").', value)
    scale = parts[2] if len(parts) == 3 else ast.Constant("linear")
    if not isinstance(scale, ast.Constant) or not isinstance(scale.value, str) or scale.value not in _SCALES:
        raise _Malformed(f'The scale of {shown} is neither "linear" nor "log".', value)
    low, high = (_number(part, shown) for part in parts[:2])
    try:
        return Parameter(name, low, high, _SCALES[scale.value])
    except ValueError as error:
        told = str(error)
        raise _Malformed(told[0].upper() + told[1:] if told.startswith("the ") else told, key) from error


def _number(node: ast.expr, name: str) -> float:
    sign, inner = 1.0, node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        sign, inner = -1.0 if isinstance(node.op, ast.USub) else 1.0, node.operand
    if not isinstance(inner, ast.Constant) or type(inner.value) not in {int, float}:
        raise _Malformed(f"An end of the range of {name} is not written as a number.", node)
    try:
        return sign * float(inner.value)  # type: ignore[arg-type] # looked at just now
    except OverflowError:
        return sign * float("inf")  # refused, as 1e999 is
