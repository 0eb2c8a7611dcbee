"""The policy for statements, imports and patterns: ordinary Python passes.

RestrictedPython by itself refuses annotated and augmented assignment, `match` and `nonlocal`, and takes
assignments apart. Here they are admitted, and statements stay one to one, so that a line of the
transformed text can be led back to the candidate's own (`line_map`).
"""

# ruff: noqa: N802, N815 - the visitor's method names are the library's

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeVar

from harness.sandbox.allowlist import ATTRIBUTES, MODULES
from harness.screen import reasons
from harness.screen.expressions import Expressions
from harness.screen.names import EXCEPTIONS, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_BASES = frozenset({"object", "str", "int", "float"}) | EXCEPTIONS
_BASE_PATHS = frozenset(
    {
        *(f"enum.{name}" for name in ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")),
        *(f"typing.{name}" for name in ("NamedTuple", "Protocol", "Generic", "TypedDict")),
    }
)

_Node = TypeVar("_Node", bound=ast.AST)


class Policy(Expressions):
    """Rewrites a tree in place and collects complaints."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Visit everything."""
        self.postponed = any(
            isinstance(child, ast.ImportFrom)
            and child.module == "__future__"
            and any(alias.name == "annotations" for alias in child.names)
            for child in node.body
        )
        return self.contents(node)

    # Admitted as they stand, tuples and chains included, with what is inside checked and guarded: the target of an
    # augmented assignment like that of an assignment, the parameters of a lambda as such.
    visit_Assign = visit_For = visit_With = visit_AugAssign = visit_Lambda = Expressions.contents

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Admit it."""
        node.target = self.visit(node.target)
        node.annotation = self._annotation(node.annotation)
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Check a parameter."""
        self.check_name(node, node.arg)
        if node.annotation is not None:
            node.annotation = self._annotation(node.annotation)
        return node

    def _annotation(self, node: ast.expr) -> ast.expr:
        self.as_written += self.postponed
        visited: ast.expr = self.visit(node)
        self.as_written -= self.postponed
        return visited

    def visit_If(self, node: ast.If) -> ast.AST:
        """Take out what runs only where a file is started as a program: it never is."""
        if _is_main_guard(node.test):
            node.test = ast.Constant(value=False)
            node.body = [ast.Pass(lineno=node.lineno, col_offset=node.col_offset)]
        return self.contents(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """Refuse to catch everything."""
        if node.type is None:
            self.complain("S115", node, "A bare except hides every error.", "Name the exception that you expect.")
        self.check_name(node, node.name)
        return self.contents(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Check a function's name and parameters, and look inside."""
        self.check_name(node, node.name, allow_magic_methods=True)
        parameters = [*node.args.posonlyargs, *node.args.args]
        outer = self.functions, self.classes, self.method
        if not self.functions and not self.classes:
            self.method = bool(parameters) and parameters[0].arg == "self"
        self.functions, self.classes = self.functions + 1, 0
        if node.returns is not None:
            returns, node.returns = self._annotation(node.returns), None
            node = self.contents(node)
            node.returns = returns
        else:
            node = self.contents(node)
        self.functions, self.classes, self.method = outer
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Admit small helper classes."""
        self.check_name(node, node.name)
        for base in node.bases:
            self._check_base(node, base)
        for keyword in node.keywords:
            if keyword.arg != "total":
                self.complain("S115", node, f"The class {node.name} has keywords.", "Leave them out.")
        outer = self.classes, self.method
        self.classes, self.method = self.classes + 1, False
        node = self.contents(node)
        self.classes, self.method = outer
        return node

    def _check_base(self, node: ast.ClassDef, base: ast.expr) -> None:
        if isinstance(base, ast.Subscript):
            base = base.value
        path = self.names.path(base)
        if path is not None and (path in _BASE_PATHS or kind_of(path) == "refused"):
            return  # a refused path is complained about where it is visited
        known = isinstance(base, ast.Name) and (
            base.id in self.names.classes or (base.id in _BASES and not self.names.is_bound(base.id))
        )
        if not known:
            fix = "Write a plain function, or a class without a base."
            self.complain("S115", node, f"The class {node.name} has a base that is refused.", fix)

    # Imports

    def visit_Import(self, node: ast.Import) -> ast.AST:
        """Check the modules against the list."""
        for alias in node.names:
            self._check_module(alias, alias.name)
            self.check_name(alias, alias.asname)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        """Check the module and what is taken from it against the list."""
        module = "." * node.level + (node.module or "")
        if node.level or module not in MODULES:
            # `from torch import nn` and `from torch.nn import functional` are both usual.
            self._check_module(node, module)
            return node
        for alias in node.names:
            self.check_name(alias, alias.asname)
            if alias.name == "*":
                fix = f"Name what you need: from {module} import ..."
                self.complain("S112", alias, f"Everything is imported from {module}.", fix)
            elif alias.name not in MODULES[module]:
                rule = "S114" if module.startswith("torch") else "S112"
                message = f"{module}.{alias.name} is not among the operations that a loss may use."
                self.complain(rule, alias, message, reasons.for_member(module, alias.name))
        return node

    def _check_module(self, node: ast.AST, module: str) -> None:
        if module not in MODULES:
            message = f"The module {module} may not be imported."
            fix = "Put everything in one file." if module.startswith(".") else reasons.for_module(module)
            self.complain("S112", node, message, fix)

    # Patterns: their dotted names have to stay as they are, and are checked all the same.

    # Admitted; what is inside is looked at.
    visit_Match = visit_match_case = visit_MatchSequence = visit_MatchOr = visit_MatchSingleton = Expressions.contents

    def visit_MatchValue(self, node: ast.MatchValue) -> ast.AST:
        """Check a constant or a dotted name."""
        return self._pattern(node)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.AST:
        """Check the keys and the name of the rest."""
        self.check_name(node, node.rest)
        return self._pattern(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> ast.AST:
        """Check the class and the attributes that are read from the subject."""
        own = isinstance(node.cls, ast.Name) and self.names.is_own_class(node.cls.id)
        for name in node.kwd_attrs:
            if own or name in ATTRIBUTES:
                self.check_plain(node, name)
            else:
                # No guard stands between a pattern and its subject: a name that only the candidate defines
                # would otherwise be read from anything, a module included.
                fix = "Match on the type, and read the attribute in the case's body."
                self.complain("S113", node, f"The attribute {name} is read by a pattern.", fix)
        return self._pattern(node)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> ast.AST:
        """Check the captured name."""
        self.check_name(node, node.name)
        return self.contents(node)

    visit_MatchStar = visit_MatchAs

    def _pattern(self, node: _Node) -> _Node:
        self.as_written += 1
        node = self.contents(node)
        self.as_written -= 1
        return node


def _is_main_guard(test: ast.expr) -> bool:
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = test.left, test.comparators[0]
    return any(isinstance(s, ast.Name) and s.id == "__name__" for s in sides) and any(
        isinstance(s, ast.Constant) and s.value == "__main__" for s in sides
    )


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
