"""The policy: RestrictedPython's transformer, extended to ordinary Python and narrowed to torch's operations.

RestrictedPython denies every node that it does not know, rewrites attribute access into guarded calls, and
refuses ordinary Python on the way: annotated and augmented assignment, helpers with a leading underscore,
`match`, `nonlocal`. Here those are admitted, and an attribute has to be on a list. Statements stay one to
one, so that a line of the transformed text can be led back to the candidate's own.
"""

from __future__ import annotations

import ast
from typing import TypeVar

from RestrictedPython.transformer import INSPECT_ATTRIBUTES, RestrictingNodeTransformer

from harness.screen import reasons
from harness.screen.names import ADMITTED_BUILTINS, EXCEPTIONS, Names, kind_of
from harness.screen.text import Complaint
from sandbox.allowlist import ATTRIBUTES, CLASS_METHODS, MODULES, is_reserved

_BUILTIN_NAMES = frozenset(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)
#: Module-level names with double underscores that people set and nothing reads.
_METADATA = frozenset({"__all__", "__author__", "__version__", "__license__"})
_BASES = frozenset({"object", "str", "int", "float"}) | EXCEPTIONS
_BASE_PATHS = frozenset(
    {
        *(f"enum.{name}" for name in ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")),
        *(f"typing.{name}" for name in ("NamedTuple", "Protocol", "Generic", "TypedDict")),
    }
)
_INTEGER_BITS = 4096
_STATEMENTS = {
    "Global": ("global keeps state between calls.", "Compute everything from the arguments."),
    "AsyncFunctionDef": ("async functions have no place in a loss.", "Write def in place of async def."),
    "Await": ("await has no place in a loss.", "Call the function plainly."),
    "AsyncFor": ("async for has no place in a loss.", "Write for in place of async for."),
    "AsyncWith": ("async with has no place in a loss.", "Write with in place of async with."),
    "TryStar": ("except* is refused.", "Write except in place of except*."),
}

_Node = TypeVar("_Node", bound=ast.AST)


class Policy(RestrictingNodeTransformer):  # type: ignore[misc]
    """Rewrites a tree in place and collects complaints."""

    def __init__(self, names: Names) -> None:
        """Start with what is known about the candidate's names."""
        super().__init__()
        self.names = names
        self.complaints: list[Complaint] = []
        # Attributes in patterns, and in annotations that nothing evaluates, are checked and not rewritten.
        self._as_written = 0
        self._postponed = False
        self._classes = 0
        self._functions = 0
        self._method = False

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
        self.complain("S115", node, message[0].upper() + message[1:], fix)

    def _contents(self, node: _Node) -> _Node:
        visited: _Node = self.node_contents_visit(node)
        return visited

    # Names

    def check_name(self, node: ast.AST, name: str | None, allow_magic_methods: bool = False) -> None:  # noqa: FBT001, FBT002 - as in the base class
        """Refuse names that are Python's or the guards' own."""
        if name is None or not is_reserved(name):
            return
        if allow_magic_methods and self._classes and name in CLASS_METHODS:
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
            elif name in reasons.USUAL_MODULES:
                self.complain("S113", node, f"The name {name} is not defined here.", reasons.for_name(name))
            else:
                self.check_name(node, name)
        elif not (name in _METADATA and not self._functions and not self._classes):
            self.check_name(node, name)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        """Admit it: a closure's variables are made anew in each call."""
        for name in node.names:
            self.check_name(node, name)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        """Refuse it."""
        self.not_allowed(node)
        return node

    # Attributes and subscripts

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Check an attribute, and have it guarded."""
        load = isinstance(node.ctx, ast.Load)
        if load:
            self._check_attribute(node)
        else:
            self._check_attribute_store(node)
        node = self._contents(node)
        if self._as_written:
            return node
        if load:
            return _call("_getattr_", node.value, ast.Constant(node.attr))
        node.value = _call("_write_", node.value)
        return node

    def _check_attribute(self, node: ast.Attribute) -> None:
        name = node.attr
        if self._method and isinstance(node.value, ast.Name) and node.value.id == "self":
            if name != "beta":
                fix = "The only attribute is beta; other hyper-parameters are constants in the body."
                self.complain("S113", node, f"self has no attribute {name}.", fix)
            return
        base = self.names.path(node.value)
        if base is not None and kind_of(base) == "refused":
            return  # said already, about the part that is refused
        if base in MODULES:
            if name not in MODULES[base]:
                rule = "S114" if base.startswith("torch") else "S113"
                message = f"{base}.{name} is not among the operations that a loss may use."
                self.complain(rule, node, message, reasons.for_member(base, name))
            return
        self._check_plain(node, name)

    def _check_plain(self, node: ast.AST, name: str) -> None:
        if is_reserved(name) or name in INSPECT_ATTRIBUTES:
            self.complain("S113", node, f"The attribute {name} is reserved.", reasons.for_attribute(name))
        elif name not in ATTRIBUTES and name not in self.names.attributes:
            message = f"The attribute {name} is not among those that a loss may use."
            self.complain("S113", node, message, reasons.for_attribute(name))

    def _check_attribute_store(self, node: ast.Attribute) -> None:
        name = node.attr
        if self._method and isinstance(node.value, ast.Name) and node.value.id == "self":
            fix = "A loss keeps no state on self; use a local variable."
            self.complain("S113", node, f"The attribute {name} of self may not be set.", fix)
        elif is_reserved(name) or name not in self.names.attributes or self.names.path(node.value):
            fix = "Keep the value in a variable, or in an instance of a class of your own."
            self.complain("S113", node, f"The attribute {name} may not be set here.", fix)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Have writes guarded; reading an item gives nothing away."""
        node = self._contents(node)
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
        if isinstance(func, ast.Name) and func.id == "type" and not self.names.is_bound("type"):
            if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
                self.complain("S113", node, "type may be called with one argument only.", "Use a class statement.")
        if (self.names.path(func) or "").endswith("Tensor") and not _has_content(node):
            message = "A tensor class that is called with sizes gives uninitialised memory."
            self.complain("S114", node, message, "Use torch.tensor([...]) or torch.zeros(n).")
        return self._contents(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Write an f-string as a call: no quotes have to be nested when the tree is written out again."""
        node = self._contents(node)
        if self._as_written:
            return node
        return _text(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        """Write a replacement field as a call, inside that of its f-string."""
        node = self._contents(node)
        if self._as_written:
            return node
        conversion = "" if node.conversion < 0 else chr(node.conversion)
        return _call("_shown_", node.value, ast.Constant(conversion), node.format_spec or ast.Constant(""))

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        """Admit it as it stands."""
        if node.is_async:
            self.complain("S115", node.target, "An async comprehension has no place in a loss.", "Leave async out.")
        return self._contents(node)

    # Statements

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Visit everything."""
        self._postponed = any(
            isinstance(child, ast.ImportFrom)
            and child.module == "__future__"
            and any(alias.name == "annotations" for alias in child.names)
            for child in node.body
        )
        return self._contents(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Admit it as it stands, tuples and chains included."""
        return self._contents(node)

    visit_For = visit_While = visit_With = visit_Assign

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """Admit it, with the target guarded like that of an assignment."""
        return self._contents(node)

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
        self._as_written += self._postponed
        visited: ast.expr = self.visit(node)
        self._as_written -= self._postponed
        return visited

    def visit_If(self, node: ast.If) -> ast.AST:
        """Take out what runs only where a file is started as a program: it never is."""
        if _is_main_guard(node.test):
            node.test = ast.Constant(value=False)
            node.body = [ast.Pass(lineno=node.lineno, col_offset=node.col_offset)]
        return self._contents(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """Refuse to catch everything."""
        if node.type is None:
            self.complain("S115", node, "A bare except hides every error.", "Name the exception that you expect.")
        self.check_name(node, node.name)
        return self._contents(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Check a function's name and parameters, and look inside."""
        self.check_name(node, node.name, allow_magic_methods=True)
        parameters = [*node.args.posonlyargs, *node.args.args]
        outer = self._functions, self._classes, self._method
        if not self._functions and not self._classes:
            self._method = bool(parameters) and parameters[0].arg == "self"
        self._functions, self._classes = self._functions + 1, 0
        if node.returns is not None:
            returns, node.returns = self._annotation(node.returns), None
            node = self._contents(node)
            node.returns = returns
        else:
            node = self._contents(node)
        self._functions, self._classes, self._method = outer
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """Look inside; the parameters are checked as such."""
        return self._contents(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Admit small helper classes."""
        self.check_name(node, node.name)
        for base in node.bases:
            self._check_base(node, base)
        for keyword in node.keywords:
            if keyword.arg != "total":
                self.complain("S115", node, f"The class {node.name} has keywords.", "Leave them out.")
        outer = self._classes, self._method
        self._classes, self._method = self._classes + 1, False
        node = self._contents(node)
        self._classes, self._method = outer
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

    def visit_Match(self, node: ast.Match) -> ast.AST:
        """Admit it."""
        return self._contents(node)

    visit_match_case = visit_MatchSingleton = visit_MatchSequence = visit_MatchOr = visit_Match

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
                self._check_plain(node, name)
            else:
                # No guard stands between a pattern and its subject: a name that only the candidate defines
                # would otherwise be read from anything, a module included.
                fix = "Match on the type, and read the attribute in the case's body."
                self.complain("S113", node, f"The attribute {name} is read by a pattern.", fix)
        return self._pattern(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.AST:
        """Check the captured name."""
        self.check_name(node, node.name)
        return self._contents(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.AST:
        """Check the captured name."""
        self.check_name(node, node.name)
        return node

    def _pattern(self, node: _Node) -> _Node:
        self._as_written += 1
        node = self._contents(node)
        self._as_written -= 1
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Refuse what this policy does not know."""
        self.not_allowed(node)
        return node


def _call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(func=ast.Name(function, ast.Load()), args=list(arguments), keywords=[])


def _has_content(node: ast.Call) -> bool:
    return len(node.args) == 1 and isinstance(node.args[0], (ast.List, ast.Tuple, ast.ListComp))


def _text(node: ast.JoinedStr) -> ast.expr:
    if not node.values:
        return ast.Constant("")
    if all(isinstance(part, ast.Constant) for part in node.values):
        return ast.Constant("".join(part.value for part in node.values if isinstance(part, ast.Constant)))
    return _call("_text_", *node.values)


def _is_main_guard(test: ast.expr) -> bool:
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = test.left, test.comparators[0]
    return any(isinstance(s, ast.Name) and s.id == "__name__" for s in sides) and any(
        isinstance(s, ast.Constant) and s.value == "__main__" for s in sides
    )
