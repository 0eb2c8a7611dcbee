"""What the names of a candidate stand for, as far as reading tells."""

from __future__ import annotations

import ast
import builtins
import re

from harness.sandbox.allowlist import BUILTINS, INJECTED, MODULES, REPLACED_BUILTINS

#: Builtin exceptions that do not end the process.
EXCEPTIONS = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)
)
#: Builtins that a candidate may use without defining them.
ADMITTED_BUILTINS = BUILTINS | REPLACED_BUILTINS | EXCEPTIONS

_BUILTIN_NAMES = frozenset(vars(builtins))
_NAMED_FIELDS = {"namedtuple", "NamedTuple", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "TypedDict"}


class Names(ast.NodeVisitor):
    """Collects imports, other bindings, classes, and the attributes that the candidate defines itself."""

    def __init__(self, tree: ast.Module) -> None:
        """Read the whole tree."""
        self.imports: dict[str, str] = {}
        self.bound: set[str] = set()
        self.stored: set[str] = set()
        self.classes: set[str] = set()
        self.attributes: set[str] = set()
        self._in_class = 0
        self.visit(tree)

    def path(self, node: ast.expr) -> str | None:
        """Give the dotted path of a module, or of something in one, that an expression names."""
        if isinstance(node, ast.Attribute):
            base = self.path(node.value)
            return None if base is None else f"{base}.{node.attr}"
        if not isinstance(node, ast.Name) or node.id in self.bound:
            return None
        return self.imports.get(node.id) or INJECTED.get(node.id)

    def is_bound(self, name: str) -> bool:
        """Say whether the candidate binds a name, or finds it bound."""
        return name in self.bound or name in self.imports or name in INJECTED

    def visit_Import(self, node: ast.Import) -> None:
        """Note what each name stands for."""
        for alias in node.names:
            if alias.asname:
                self._imported(alias.asname, alias.name)
            else:
                top = alias.name.partition(".")[0]
                self._imported(top, top)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Note what each name stands for."""
        for alias in node.names:
            self._imported(alias.asname or alias.name, f"{node.module}.{alias.name}")

    def visit_Name(self, node: ast.Name) -> None:
        """Note assignments, loop variables and deletions."""
        if not isinstance(node.ctx, ast.Load):
            self._store(node.id)

    def visit_arg(self, node: ast.arg) -> None:
        """Note a parameter."""
        self._store(node.arg)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Note a function."""
        self._defined(node.name)
        inside, self._in_class = self._in_class, 0
        # Methods may set attributes of their first parameter: those are the class's own.
        if inside and (parameters := [*node.args.posonlyargs, *node.args.args]):
            first = parameters[0].arg
            for child in ast.walk(node):
                if not isinstance(child, ast.Attribute) or not isinstance(child.ctx, ast.Store):
                    continue
                if isinstance(child.value, ast.Name) and child.value.id == first:
                    self.attributes.add(child.attr)
        self.generic_visit(node)
        self._in_class = inside

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Note a class, and the names in its body."""
        self._defined(node.name)
        self.classes.add(node.name)
        self.attributes |= {"name", "value"}
        for statement in node.body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            if isinstance(statement, ast.AnnAssign):
                targets = [statement.target]
            self.attributes.update(target.id for target in targets if isinstance(target, ast.Name))
        self._in_class += 1
        self.generic_visit(node)
        self._in_class -= 1

    def visit_Call(self, node: ast.Call) -> None:
        """Note the fields of a named tuple or enumeration that is made by a call."""
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in _NAMED_FIELDS:
            self.attributes |= {"name", "value"}
            for child in ast.walk(node):
                if isinstance(child, ast.Constant) and isinstance(child.value, str):
                    self.attributes.update(re.findall(r"\w+", child.value))
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar) -> None:
        """Note the name of a caught exception, or a captured name or rest."""
        if node.name:
            self._store(node.name)
        self.generic_visit(node)

    visit_MatchAs = visit_MatchStar = visit_ExceptHandler  # noqa: N815 - the library's names

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        """Note a captured rest."""
        if node.rest:
            self._store(node.rest)
        self.generic_visit(node)

    def is_own_class(self, name: str) -> bool:
        """Say whether a name can stand for nothing but a class that the candidate defines."""
        return name in self.classes and name not in self.stored | self.imports.keys() | _BUILTIN_NAMES

    def _store(self, name: str) -> None:
        self.stored.add(name)
        self.bound.add(name)

    def _defined(self, name: str) -> None:
        self.bound.add(name)
        if self._in_class:
            self.attributes.add(name)

    def _imported(self, name: str, path: str) -> None:
        # Two meanings for one name: reading cannot tell which, so the guards are left to.
        if self.imports.setdefault(name, path) != path:
            self.bound.add(name)


def kind_of(path: str) -> str:
    """Give what a path is: "module", "object" (something admitted, or inside it), or "refused"."""
    module, rest = "", path
    while rest:
        part, _, rest = rest.partition(".")
        if not module:
            if part not in MODULES:
                return "refused"
            module = part
        elif part not in MODULES[module]:
            return "refused"
        elif f"{module}.{part}" in MODULES:
            module = f"{module}.{part}"
        else:
            return "object"
    return "module"
