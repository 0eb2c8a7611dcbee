"""From the lines of the transformed text back to the candidate's own."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def line_map(transformed: ast.Module, text: str) -> tuple[int, ...]:
    """Give, for each line of `text`, the line in the candidate's own source.

    `transformed` is the tree that `text` was written from: its statements still carry the lines that they
    had. Both trees have the same statements in the same order. A line on which no statement begins belongs
    to the statement before it. ValueError says that the two do not agree.
    """
    begins: dict[int, int] = {}
    written, own = _places(ast.parse(text)), _places(transformed)
    for place, origin in zip(written, own, strict=True):
        if type(place) is not type(origin):
            raise ValueError("the transformed text has other statements than its tree")
        begins.setdefault(_line(place), _line(origin))
    lines = []
    current = 1
    for number in range(1, text.count("\n") + 2):
        current = begins.get(number, current)
        lines.append(current)
    return tuple(lines)


def _places(tree: ast.Module) -> Iterator[ast.AST]:
    """Walk everything that begins a line when a tree is written out, in the order of the text."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.stmt, ast.excepthandler, ast.match_case)):
            yield node
        inner: list[ast.AST] = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from node.decorator_list
        for field in ("body", "handlers", "cases", "orelse", "finalbody"):
            children = getattr(node, field, ())
            if isinstance(children, list):
                inner.extend(children)
        waiting.extend(reversed(inner))


def _line(node: ast.AST) -> int:
    # A case has no place of its own; its pattern has.
    place = node.pattern if isinstance(node, ast.match_case) else node
    return int(getattr(place, "lineno", 1))
