"""Losses that are made and not written: by functools.partial, by a function that returns one, by a class."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.screen.text import Complaint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_CALLED = ("forward", "__call__")


def made(tree: ast.Module, functions: Collection[str]) -> dict[str, Complaint]:
    """What the top level binds to a function that no def or lambda of its own stands for, by name."""
    classes = {s.name: s for s in tree.body if isinstance(s, ast.ClassDef) and _method(s)}
    factories = {s.name for s in tree.body if isinstance(s, ast.FunctionDef) and factory(s)}
    factories |= {name for name, value, _ in _bound(tree) if isinstance(value, ast.Lambda) and factory(value)}
    partial = {"partial"} | {
        alias.asname or alias.name
        for s in tree.body
        if isinstance(s, ast.ImportFrom) and s.module == "functools"
        for alias in s.names
        if alias.name == "partial"
    }
    found: dict[str, Complaint] = {}
    for name, call, line in _bound_to_calls(tree):
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        base = call.args[0].id if call.args and isinstance(call.args[0], ast.Name) else ""
        if called in partial and base in functions:
            fix = f"Write it out: def {name}(...): return {base}(...), with the numbers in the call."
            found[name] = Complaint("S107", f"{name} is made by functools.partial of {base}.", line, 1, fix)
        elif called in factories or (isinstance(call.func, ast.Lambda) and factory(call.func)):
            maker, told = (called, f"{called}(...)") if called else ("the lambda", "a lambda")
            fix = f"Move the function that {maker} returns to the top level, and write its numbers into it."
            found[name] = Complaint("S107", f"{name} is what {told} returns: a closure.", line, 1, fix)
        elif called in classes:
            found[name] = of_class(
                classes[called], f"{name} is an object of the class {called}, and no function."
            )._replace(line=line)
    used = {name for s in tree.body if _inside(s) for name in _names(s)}
    return {name: complaint for name, complaint in found.items() if name not in used}


def factory(node: ast.FunctionDef | ast.Lambda) -> tuple[str, str] | None:
    """What to say of a function that returns one of its own making; None for any other."""
    # A lambda is as a function whose only statement returns.
    body: list[ast.stmt] = [ast.Return(node.body)] if isinstance(node, ast.Lambda) else node.body
    inner = {child.name for child in body if isinstance(child, ast.FunctionDef)}
    for child in _own(body):
        if not isinstance(child, ast.Return):
            continue
        if isinstance(child.value, ast.Lambda) or (isinstance(child.value, ast.Name) and child.value.id in inner):
            what = child.value.id if isinstance(child.value, ast.Name) else "a lambda"
            message = f"it returns the function {what}, and no values: a closure."
            fix = f"Move {what} to the top level; beta is one of its arguments, and other numbers are constants."
            return message, fix
    return None


def of_class(node: ast.ClassDef, message: str = "") -> Complaint:
    """What to say where a class stands in the place of the loss."""
    message = message or f"There is the class {node.name}, and no function at the top level."
    method = _method(node)
    if method:
        fix = (
            f"Take {method} out of the class: def {method.strip('_')}(self, ...) at the top level is a loss; "
            "self.beta is its only attribute, and other numbers are constants."
        )
        return Complaint("S107", f"{message} Its loss is the method {method}.", node.lineno, 1, fix)
    fix = "Write the loss as a plain function at the top level, beside the class or in its place."
    return Complaint("S107", message, node.lineno, 1, fix)


def is_reply(statement: ast.stmt) -> bool:
    """Say whether a statement holds a reply's object, written as a dictionary of Python's."""
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr) else None
    return isinstance(value, ast.Dict) and any(
        isinstance(key, ast.Constant) and key.value == "code" for key in value.keys
    )


def _method(node: ast.ClassDef) -> str:
    """The method that a class keeps its loss in, by its name or for want of another; an empty string for none."""
    methods = [child for child in node.body if isinstance(child, ast.FunctionDef)]
    named = [method.name for method in methods if method.name in _CALLED]
    wide = [m.name for m in methods if not m.name.startswith("_") and len(m.args.args) + len(m.args.kwonlyargs) > 2]
    return next(iter((*named, *wide)), "")


def _bound_to_calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call, int]]:
    for name, value, line in _bound(tree):
        called = value.value if isinstance(value, ast.Attribute) else value
        if isinstance(called, ast.Call):
            yield name, called, line


def _bound(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None, int]]:
    """What the top level gives names to, in order."""
    for statement in tree.body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value, statement.lineno


def _inside(statement: ast.stmt) -> bool:
    """Whether what a statement names is used by a function or a class."""
    return isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or (
        isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Lambda)
    )


def _names(statement: ast.stmt) -> set[str]:
    """Names that a statement uses, and does not give to functions of its own."""
    inner = list(ast.walk(statement))
    own = {node.name for node in inner[1:] if isinstance(node, ast.FunctionDef)}
    return {node.id for node in inner if isinstance(node, ast.Name)} - own


def _own(body: list[ast.stmt]) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(body)
    while waiting:
        child = waiting.pop()
        yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(child))
