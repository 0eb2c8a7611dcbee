"""The policy for names, attributes and expressions.

RestrictedPython's transformer denies every node that it does not know, and rewrites attribute access into
guarded calls. Here an attribute also has to be on a list, an f-string becomes a call, and what gives
nothing away (subscripts, iteration, calls) stays as it was written.
"""

# ruff: noqa: N802, N815 - the visitor's method names are the library's

from __future__ import annotations

import ast
import builtins
from typing import TypeVar

from RestrictedPython.transformer import INSPECT_ATTRIBUTES, RestrictingNodeTransformer

from harness.sandbox.allowlist import ATTRIBUTES, CLASS_METHODS, MODULES, is_reserved, looks_up
from harness.screen import reasons
from harness.screen.names import ADMITTED_BUILTINS, Names, kind_of
from harness.screen.text import Complaint

_BUILTIN_NAMES = frozenset(vars(builtins))
#: Module-level names with double underscores that people set and nothing reads.
_METADATA = frozenset({"__all__", "__author__", "__version__", "__license__"})
_INTEGER_BITS = 4096
_STATEMENTS = {
    "Global": ("A global variable keeps state between calls.", "Compute everything from the arguments."),
    "AsyncFunctionDef": ("An async function has no place in a loss.", "Write def in place of async def."),
    "Await": ("Waiting has no place in a loss.", "Call the function plainly."),
    "AsyncFor": ("An async for has no place in a loss.", "Write for in place of async for."),
    "AsyncWith": ("An async with has no place in a loss.", "Write with in place of async with."),
    "TryStar": ("The statement except* is refused.", "Write except in place of except*."),
}

_Node = TypeVar("_Node", bound=ast.AST)


class Expressions(RestrictingNodeTransformer):
    """Rewrites expressions in place and collects complaints."""

    def __init__(self, names: Names) -> None:
        """Start with what is known about the candidate's names."""
        super().__init__()
        self.names = names
        self.complaints: list[Complaint] = []
        # Attributes in patterns, and in annotations that nothing evaluates, are checked and not rewritten.
        self.as_written = 0
        self.postponed = False
        self.classes = 0
        self.functions = 0
        self.method = False

    def complain(self, rule: str, node: ast.AST, message: str, fix: str | None = None) -> None:
        """Note a complaint about a place."""
        line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", -1) + 1
        complaint = Complaint(rule, message, line, column, fix)
        if complaint not in self.complaints:
            self.complaints.append(complaint)

    def error(self, node: ast.AST, info: str) -> None:
        """Take what the base class has to say."""
        self.complain("S115", node, info)

    def not_allowed(self, node: ast.AST) -> None:
        """Refuse a kind of statement or expression."""
        kind = type(node).__name__
        message, fix = _STATEMENTS.get(kind, (f"{kind} is refused.", None))
        self.complain("S115", node, message, fix)

    def contents(self, node: _Node) -> _Node:
        """Visit what is inside a node."""
        visited: _Node = self.node_contents_visit(node)
        return visited

    # Names

    def check_name(self, node: ast.AST, name: str | None, allow_magic_methods: bool = False) -> None:  # noqa: FBT001, FBT002 - as in the base class
        """Refuse names that are Python's or the guards' own."""
        if name is None or not is_reserved(name):
            return
        if allow_magic_methods and self.classes and name in CLASS_METHODS:
            return
        self.complain("S113", node, f"The name {name} is reserved.", reasons.for_name(name))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Check a name."""
        name = node.id
        if isinstance(node.ctx, ast.Load):
            if name == "__name__" or self.names.is_bound(name):
                if name != "__name__":
                    self.check_name(node, name)
            elif name in _BUILTIN_NAMES and name not in ADMITTED_BUILTINS:
                self.complain("S113", node, f"The name {name} is refused.", reasons.for_name(name))
            elif self._is_missing(name):
                self.complain("S113", node, f"The name {name} is not defined here.", reasons.for_name(name))
            else:
                self.check_name(node, name)
        elif not (name in _METADATA and not self.functions and not self.classes):
            self.check_name(node, name)
        return node

    def _is_missing(self, name: str) -> bool:
        return name in reasons.USUAL_MODULES and not self.names.is_bound(name)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        """Admit it: a closure's variables are made anew in each call."""
        for name in node.names:
            self.check_name(node, name)
        return node

    # Attributes and subscripts

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Check an attribute, and have it guarded."""
        load = isinstance(node.ctx, ast.Load)
        if load:
            self._check_attribute(node)
        else:
            self._check_attribute_store(node)
        node = self.contents(node)
        if self.as_written:
            return node
        if load:
            return _call("_getattr_", node.value, ast.Constant(node.attr))
        node.value = _call("_write_", node.value)
        return node

    def _check_attribute(self, node: ast.Attribute) -> None:
        name = node.attr
        if self.method and isinstance(node.value, ast.Name) and node.value.id == "self":
            if name != "beta":
                fix = "The only attribute is beta; other hyper-parameters are constants in the body."
                self.complain("S113", node, f"self has no attribute {name}.", fix)
            return
        if isinstance(node.value, ast.Name) and self._is_missing(node.value.id):
            return  # said where the name is visited
        base = self.names.path(node.value)
        if base is not None and kind_of(base) == "refused":
            return  # said already, about the part that is refused
        if base in MODULES:
            if name not in MODULES[base]:
                rule = "S114" if base.startswith("torch") else "S113"
                message = f"{base}.{name} is not among the operations that a loss may use."
                self.complain(rule, node, message, reasons.for_member(base, name))
            return
        if name == "format":
            self._check_format(node)
        self.check_plain(node, name)

    def _check_format(self, node: ast.Attribute) -> None:
        """Refuse str.format where it is plain that a field looks something up; the guards see the rest."""
        value = node.value
        if isinstance(value, ast.Name) and value.id == "str" and not self.names.is_bound("str"):
            self.complain("S113", node, "str.format may be called on a string only.", "Use an f-string.")
        elif isinstance(value, ast.Constant) and isinstance(value.value, str) and looks_up(value.value):
            message = "A field of this format string looks something up inside its argument."
            self.complain("S113", node, message, "Use an f-string.")

    def check_plain(self, node: ast.AST, name: str) -> None:
        """Check an attribute of something that reading tells nothing about."""
        if is_reserved(name) or name in INSPECT_ATTRIBUTES:
            self.complain("S113", node, f"The attribute {name} is reserved.", reasons.for_attribute(name))
        elif name not in ATTRIBUTES and name not in self.names.attributes:
            message = f"The attribute {name} is not among those that a loss may use."
            self.complain("S113", node, message, reasons.for_attribute(name))

    def _check_attribute_store(self, node: ast.Attribute) -> None:
        name = node.attr
        if self.method and isinstance(node.value, ast.Name) and node.value.id == "self":
            fix = "A loss keeps no state on self; use a local variable."
            self.complain("S113", node, f"The attribute {name} of self may not be set.", fix)
        elif is_reserved(name) or name not in self.names.attributes or self.names.path(node.value):
            fix = "Keep the value in a variable, or in an instance of a class of your own."
            self.complain("S113", node, f"The attribute {name} may not be set here.", fix)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Have writes guarded; reading an item gives nothing away."""
        node = self.contents(node)
        if not isinstance(node.ctx, ast.Load):
            node.value = _call("_store_", node.value)
        return node

    # Expressions

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Refuse integers too long to be written out again."""
        if isinstance(node.value, int) and node.value.bit_length() > _INTEGER_BITS:
            self.complain("S106", node, "An integer literal has more than a thousand digits.", "Write a float.")
            return ast.Constant(0)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Refuse the form of `type` that makes classes, and tensors of a given size without content."""
        func = node.func
        is_type = isinstance(func, ast.Name) and func.id == "type" and not self.names.is_bound("type")
        if is_type and (len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred)):
            message = "type may be called with one argument only."
            self.complain("S113", node, message, "Use a class statement.")
        if (self.names.path(func) or "").endswith("Tensor") and not _has_content(node):
            message = "A tensor class that is called with sizes gives uninitialised memory."
            self.complain("S114", node, message, "Use torch.tensor([...]) or torch.zeros(n).")
        return self.contents(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Write an f-string as a call: no quotes have to be nested when the tree is written out again."""
        node = self.contents(node)
        if self.as_written:
            return node
        return _text(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        """Write a replacement field as a call, inside that of its f-string."""
        node = self.contents(node)
        if self.as_written:
            return node
        conversion = "" if node.conversion < 0 else chr(node.conversion)
        return _call("_shown_", node.value, ast.Constant(conversion), node.format_spec or ast.Constant(""))

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        """Admit it as it stands."""
        if node.is_async:
            self.complain("S115", node.target, "An async comprehension has no place in a loss.", "Leave async out.")
        return self.contents(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Refuse what this policy does not know."""
        self.not_allowed(node)
        return node

    visit_Global = generic_visit


def _call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(func=ast.Name(function, ast.Load()), args=list(arguments), keywords=[])


def _has_content(node: ast.Call) -> bool:
    return len(node.args) == 1 and isinstance(node.args[0], (ast.List, ast.Tuple, ast.ListComp))


def _text(node: ast.JoinedStr) -> ast.expr:
    if not node.values:
        return ast.Constant("")
    if all(isinstance(part, ast.Constant) for part in node.values):
        return ast.Constant("".join(str(part.value) for part in node.values if isinstance(part, ast.Constant)))
    return _call("_text_", *node.values)
