"""Whether a loss is stateless, and whether it is pointwise as well, read off its text.

Stateless: what it answers comes of what it is given in that call, and of nothing else. Pointwise: each row's value
comes of that row's numbers. A stateless one may be asked in any order (`harness.checks.together`), a pointwise one for
the rows of several batches at once (`harness.oracle.joined`). What is not known here is neither: the loss is then asked
for one batch after the other, as it always may be.

Covered: straight arithmetic with operations that work element by element or mix the rows of a batch
(`harness.screen.operations`), branches and loops over numbers, helpers of the same file. Such a text cannot keep
anything from one call to the next: what a module holds has to be numbers. Not covered: everything that looks at a
tensor's content to decide what to do, changes something in its place, or is met for the first time.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeAlias, cast

from harness.screen import operations
from harness.screen.names import Names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.core.contract import Contract
    from harness.core.program import CallPlan

#: What an expression stands for: a number that is the same for every row, a tensor with one number for each row (or one
#: for all), None, a word, a dtype or device, the `self` of the method dialect, a name that was deleted; or a tuple of
#: such, as a list stands for too.
NUMBER, ROWS, NONE, WORD, KIND, SELF, GONE = "number", "rows", "none", "word", "kind", "self", "gone"
Stands: TypeAlias = "str | tuple[Stands, ...]"

_NODES = (
    *(ast.Module, ast.Import, ast.ImportFrom, ast.alias, ast.FunctionDef, ast.arguments, ast.arg, ast.Return),
    *(
        ast.Assign,
        ast.AnnAssign,
        ast.AugAssign,
        ast.If,
        ast.For,
        ast.Expr,
        ast.Pass,
        ast.Delete,
        ast.Constant,
        ast.Name,
    ),
    *(ast.Attribute, ast.Call, ast.keyword, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple),
    *(ast.Subscript, ast.Dict, ast.List, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)
_LITERAL = (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp, ast.unaryop, ast.expr_context)
_OF_TENSORS = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.FloorDiv),
    *(ast.BitAnd, ast.BitOr, ast.BitXor),
)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
#: Builtins that give a number for numbers; the first two do for every row what they do for a number.
_OF_EACH = frozenset({"abs", "pow"})
_OF_NUMBERS = _OF_EACH | {"float", "int", "bool", "round", "max", "min"}
#: Methods that tell how many rows there are, each with what stands in its brackets.
_SIZES: dict[str, list[Stands]] = {"size": [NUMBER], "numel": [], "nelement": []}
#: Statements that are gone through, helpers and rounds of loops counted each time.
_MOST_STEPS = 20_000


class _UnknownError(Exception):
    """Something is met of which nothing is known."""


class Known(NamedTuple):
    """What is known of a loss; what is pointwise is stateless."""

    stateless: bool = False
    pointwise: bool = False


def read_off(tree: ast.Module, plan: CallPlan, contract: Contract) -> Known:
    """What is known of the loss that `plan` calls."""
    rows = contract.tensors[0].dimensions
    if len(rows) != 1 or any(tensor.dimensions != rows for tensor in contract.tensors):
        return Known()
    if not all(isinstance(node, _NODES) for node in ast.walk(tree)):
        return Known()
    numbers = {scalar.name for scalar in contract.scalars}
    given: dict[str, Stands] = {own: NUMBER if of in numbers else ROWS for own, of in plan.keyword}
    given |= dict.fromkeys((p.name for p in plan.parameters), NUMBER)
    places: list[Stands] = [SELF] if plan.dialect == "method" else []
    places += [NUMBER if name in numbers else ROWS for name in plan.positional]
    try:
        module = _Module(tree)
        stateless = module.called(plan.entry, places, given) == ROWS
    except (_UnknownError, RecursionError):
        return Known()
    return Known(stateless, stateless and not module.mixes)


class _Module:
    """What the names at the top of a text stand for, and what comes of calling its functions."""

    def __init__(self, tree: ast.Module) -> None:
        self.names = Names(tree)
        self.values: dict[str, Stands] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        self.steps = 0
        #: Whether something was met that mixes the rows of a batch, or tells how many they are.
        self.mixes = False
        self._open: set[str] = set()
        taken: set[str] = set()
        for statement in tree.body:
            for name in _bound_by(statement):
                # What is bound twice stands for the one thing or the other.
                if name in taken:
                    raise _UnknownError
                taken.add(name)
            self._read(statement)

    def _read(self, statement: ast.stmt) -> None:
        match statement:
            case ast.FunctionDef(decorator_list=[]):
                self.functions[statement.name] = statement
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                # A list or a dict that is written out does nothing; nothing is known of its name.
                if isinstance(value, ast.Constant) or not all(isinstance(each, _LITERAL) for each in ast.walk(value)):
                    stands = _Expressions(self, {}).visit(value)
                    self.values[name] = stands if stands in {NUMBER, WORD, NONE} else _unknown()
                elif isinstance(value, ast.UnaryOp):
                    self.values[name] = _Expressions(self, {}).number(value)
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                _unknown()

    def called(self, name: str, places: Sequence[Stands], given: Mapping[str, Stands]) -> Stands:
        """What a function of the module gives. Raises _UnknownError."""
        function = self.functions.get(name)
        if function is None or name in self._open:
            _unknown()
        local = self._arguments(function.args, places, given)
        self._open.add(name)
        body = _Statements(self, local)
        if body.go_through(function.body) or not body.returned or len(set(body.returned)) > 1:
            _unknown()
        self._open.remove(name)
        return body.returned[0]

    def _arguments(
        self, declared: ast.arguments, places: Sequence[Stands], given: Mapping[str, Stands]
    ) -> dict[str, Stands]:
        """What the parameters of a function stand for, defaults included: one is made once, and lasts."""
        by_place, by_name = (
            [p.arg for p in (*declared.posonlyargs, *declared.args)],
            [p.arg for p in declared.kwonlyargs],
        )
        only_by_place = {p.arg for p in declared.posonlyargs}
        if declared.vararg or declared.kwarg or len(places) > len(by_place):
            _unknown()
        defaults = dict(zip(reversed(by_place), reversed(declared.defaults), strict=False))
        defaults |= {n: d for n, d in zip(by_name, declared.kw_defaults, strict=True) if d is not None}
        local = {name: _Expressions(self, {}).visit(default) for name, default in defaults.items()}
        if not set(local.values()) <= {NUMBER, NONE, WORD, KIND}:
            _unknown()
        local |= dict(zip(by_place, places, strict=False)) | dict(given)
        if set(local) != {*by_place, *by_name} or only_by_place & set(given):
            _unknown()
        return local


class _Statements(ast.NodeVisitor):
    """The body of a function: each visit says whether what stands behind the statement is reached."""

    def __init__(self, module: _Module, local: dict[str, Stands]) -> None:
        self._module = module
        self.local = local
        self.returned: list[Stands] = []

    def generic_visit(self, node: ast.AST) -> NoReturn:
        """Nothing is known of any other statement."""
        del node
        _unknown()

    def go_through(self, body: Sequence[ast.stmt]) -> bool:
        """Whether the end is reached."""
        for statement in body:
            self._module.steps += 1
            if self._module.steps > _MOST_STEPS:
                _unknown()
            if not self.visit(statement):
                return False
        return True

    def visit_Return(self, node: ast.Return) -> bool:
        self.returned.append(self._stands(node.value) if node.value is not None else _unknown())
        return False

    def visit_Assign(self, node: ast.Assign) -> bool:
        stands = self._stands(node.value)
        for target in node.targets:
            self._bind(target, stands)
        return True

    def visit_AnnAssign(self, node: ast.AnnAssign) -> bool:
        self._bind(node.target, self._stands(node.value) if node.value is not None else _unknown())
        return True

    def visit_AugAssign(self, node: ast.AugAssign) -> bool:
        if not isinstance(node.target, ast.Name) or node.target.id not in self.local:
            _unknown()
        self._bind(node.target, _combined(node.op, self.local[node.target.id], self._stands(node.value)))
        return True

    def visit_If(self, node: ast.If) -> bool:
        _Expressions(self._module, self.local).number(node.test)
        reached = []
        for part in (node.body, node.orelse):
            branch = _Statements(self._module, dict(self.local))
            if branch.go_through(part):
                reached.append(branch.local)
            self.returned += branch.returned
        if reached:
            self.local = {n: s for n, s in reached[0].items() if all(one.get(n) == s for one in reached)}
        return bool(reached)

    def visit_For(self, node: ast.For) -> bool:
        """Go round until that changes nothing of what the names stand for: there may be any number of rounds."""
        match node:
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=args, keywords=[])):
                if self._module.names.is_bound("range") or node.orelse:
                    _unknown()
                for each in args:
                    _Expressions(self._module, self.local).number(each)
            case _:
                _unknown()
        while True:
            round_ = _Statements(self._module, {**self.local, name: NUMBER})
            if not round_.go_through(node.body) or round_.returned:
                _unknown()
            common = {n: s for n, s in self.local.items() if round_.local.get(n) == s}
            if common == self.local:
                return True
            self.local = common

    def visit_Delete(self, node: ast.Delete) -> bool:
        for target in node.targets:
            if not isinstance(target, ast.Name) or target.id not in self.local:
                _unknown()
            self.local[target.id] = GONE
        return True

    def visit_Pass(self, node: ast.Pass) -> bool:
        del node
        return True

    def visit_Expr(self, node: ast.Expr) -> bool:
        return isinstance(node.value, ast.Constant) or _unknown()

    def _stands(self, node: ast.expr) -> Stands:
        return _Expressions(self._module, self.local).visit(node)

    def _bind(self, target: ast.expr, stands: Stands) -> None:
        if isinstance(target, ast.Name):
            self.local[target.id] = stands
        elif isinstance(target, ast.Tuple) and isinstance(stands, tuple) and len(target.elts) == len(stands):
            for one, of_it in zip(target.elts, stands, strict=True):
                self._bind(one, of_it)
        else:
            _unknown()


class _Expressions(ast.NodeVisitor):
    """What expressions stand for, where the names of a function stand for `local`. Each visit raises _UnknownError."""

    def __init__(self, module: _Module, local: Mapping[str, Stands]) -> None:
        self._module = module
        self._local = local

    def visit(self, node: ast.AST) -> Stands:
        """What it stands for."""
        stands: Stands = super().visit(node)
        return stands

    def generic_visit(self, node: ast.AST) -> NoReturn:
        """Nothing is known of any other expression."""
        del node
        _unknown()

    def number(self, node: ast.expr) -> Stands:
        """A number, the same for all rows: what may be asked about, or counted to."""
        return _all_numbers([self.visit(node)])

    def visit_Constant(self, node: ast.Constant) -> Stands:
        if isinstance(node.value, bool | int | float):
            return NUMBER
        return NONE if node.value is None else WORD if isinstance(node.value, str) else _unknown()

    def visit_Name(self, node: ast.Name) -> Stands:
        if node.id in self._local:
            stands = self._local[node.id]
            return stands if stands != GONE else _unknown()
        if (path := self._module.names.path(node)) is not None:
            return _of_path(path)
        return self._module.values.get(node.id) or _unknown()

    def visit_Attribute(self, node: ast.Attribute) -> Stands:
        if (path := self._path(node)) is not None:
            return _of_path(path)
        base = self.visit(node.value)
        if base == SELF and node.attr == "beta":
            return NUMBER
        return KIND if base == ROWS and node.attr in {"dtype", "device"} else _unknown()

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Stands:
        inner = self.visit(node.operand)
        return inner if inner == NUMBER or (inner == ROWS and not isinstance(node.op, ast.Not)) else _unknown()

    def visit_BinOp(self, node: ast.BinOp) -> Stands:
        return _combined(node.op, self.visit(node.left), self.visit(node.right))

    def visit_BoolOp(self, node: ast.BoolOp) -> Stands:
        return _all_numbers([self.visit(value) for value in node.values])

    def visit_Compare(self, node: ast.Compare) -> Stands:
        several = [self.visit(each) for each in (node.left, *node.comparators)]
        if all(stands == NUMBER for stands in several):
            return NUMBER
        if len(node.ops) > 1:
            _unknown()  # it looks into what the first comparison gave
        if isinstance(node.ops[0], ast.Is | ast.IsNot) and several[1] == NONE:
            return NUMBER  # whether an argument was given
        return ROWS if isinstance(node.ops[0], _COMPARISONS) and set(several) <= {NUMBER, ROWS} else _unknown()

    def visit_IfExp(self, node: ast.IfExp) -> Stands:
        self.number(node.test)
        one, other = self.visit(node.body), self.visit(node.orelse)
        return one if one == other else _unknown()

    def visit_Tuple(self, node: ast.Tuple) -> Stands:
        return tuple(self.visit(each) for each in node.elts)

    def visit_List(self, node: ast.List) -> Stands:
        return tuple(self.visit(each) for each in node.elts)

    def visit_Subscript(self, node: ast.Subscript) -> Stands:
        match node:
            case ast.Subscript(value=ast.Attribute(value=of, attr="shape"), slice=ast.Constant(value=0)):
                return self._mixed(NUMBER) if self.visit(of) == ROWS else _unknown()
        several = self.visit(node.value)
        match node.slice:
            case ast.Constant(value=int(place)) if isinstance(several, tuple) and 0 <= place < len(several):
                return several[place]
        return _unknown()

    def _mixed(self, stands: Stands) -> Stands:
        """The same, made of all rows of a batch."""
        self._module.mixes = True
        return stands

    def visit_Call(self, node: ast.Call) -> Stands:
        places = [self.visit(each) for each in node.args]
        if any(k.arg is None for k in node.keywords):
            _unknown()
        given = {cast("str", k.arg): self.visit(k.value) for k in node.keywords}
        if (path := self._path(node.func)) is not None:
            return self._of_function(path, places, given, node.keywords)
        match node.func:
            case ast.Name(id=name) if name not in self._local:
                return self._of_name(name, places, given)
            case ast.Attribute(value=value, attr=name) if self.visit(value) == ROWS:
                return self._of_method(name, places, given)
        return _unknown()

    def _of_method(self, name: str, places: Sequence[Stands], given: Mapping[str, Stands]) -> Stands:
        """What a method of a tensor gives."""
        if name in operations.METHODS or (name == "where" and len(places) == 2):
            return _each(ROWS, *places, **given)
        if list(places) == _SIZES.get(name) and not given:
            return self._mixed(NUMBER)
        if _mixes(name, [ROWS, *places], given):
            return self._mixed(ROWS)
        return _unknown()

    def _path(self, node: ast.expr) -> str | None:
        """The dotted path of something in a module, unless the function has a name of its own in its place."""
        path = self._module.names.path(node)
        return path if not isinstance(node, ast.Name) or node.id not in self._local else None

    def _of_name(self, name: str, places: Sequence[Stands], given: Mapping[str, Stands]) -> Stands:
        if name in self._module.functions:
            return self._module.called(name, places, given)
        if name == "len" and list(places) == [ROWS] and not given and not self._module.names.is_bound(name):
            return self._mixed(NUMBER)
        if name not in _OF_NUMBERS or self._module.names.is_bound(name) or given:
            _unknown()
        return _each(*places) if name in _OF_EACH and ROWS in places else _all_numbers(places)

    def _of_function(
        self, path: str, places: Sequence[Stands], given: Mapping[str, Stands], keywords: Sequence[ast.keyword]
    ) -> Stands:
        """What a function of a module gives."""
        module, _, name = path.rpartition(".")
        if module == "math" and name not in operations.NOT_OF_MATH and not given:
            return _all_numbers(places)
        if path in operations.OF_ONE and list(places) == [NUMBER] and set(given) <= {"dtype", "device"}:
            return ROWS
        if path in {"torch.max", "torch.min"} and not given:
            # Of one tensor it is the largest of all rows.
            of_two = list(places) == [ROWS, ROWS]
            return ROWS if of_two else self._mixed(ROWS) if list(places) == [ROWS] else _unknown()
        if module == "torch.nn.functional" and name in operations.REDUCED_UNLESS_TOLD:
            return self._reduced(places, given, keywords)
        if path == "torch.where" and len(places) != 3:
            _unknown()
        if path == "torch.where" or name in operations.FUNCTIONS.get(module, ()):
            return _each(*places, **given)
        one = module in operations.FUNCTIONS and _mixes(name, places, given)
        return self._mixed(ROWS) if one or _puts_together(path, places, given) else _unknown()

    def _reduced(
        self, places: Sequence[Stands], given: Mapping[str, Stands], keywords: Sequence[ast.keyword]
    ) -> Stands:
        """What a loss of torch gives, which takes the mean of all rows where it is not told to leave that."""
        told = next((k.value for k in keywords if k.arg == "reduction"), ast.Constant("mean"))
        # Behind the two tensors stand arguments of old that say the same in another way.
        if len(places) > 2 or not isinstance(told, ast.Constant):
            _unknown()
        each = _each(*places, **given)
        return each if told.value == "none" else self._mixed(each)


def _of_path(path: str) -> Stands:
    return NUMBER if path in operations.NUMBERS else KIND if path in operations.KINDS else _unknown()


def _mixes(name: str, places: Sequence[Stands], given: Mapping[str, Stands]) -> bool:
    """Whether this is an operation on one tensor that mixes its rows, and gives one tensor."""
    if name in operations.MIXING_WHOLE:
        return list(places) == [ROWS] and not given
    return name in operations.MIXING and places[:1] == [ROWS] and _are_said(places[1:], given)


def _puts_together(path: str, places: Sequence[Stands], given: Mapping[str, Stands]) -> bool:
    """Whether this makes one tensor of several."""
    several = places[0] if places else ()
    together = isinstance(several, tuple) and {*several} == {ROWS}
    return path in operations.OF_SEVERAL and together and _are_said(places[1:], given)


def _are_said(places: Sequence[Stands], given: Mapping[str, Stands]) -> bool:
    """Whether arguments are nothing but numbers, words and kinds."""
    return {*places, *given.values()} <= {NUMBER, NONE, WORD, KIND} and set(given) <= operations.NAMED_OF_MIXING


def _bound_by(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top binds."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name.partition(".")[0] for alias in names]
    return []


def _combined(op: ast.operator, left: Stands, right: Stands) -> Stands:
    if {left, right} <= {NUMBER, ROWS} and isinstance(op, _OF_TENSORS):
        return ROWS if ROWS in {left, right} else NUMBER
    return _unknown()


def _each(*places: Stands, **given: Stands) -> Stands:
    """What an operation gives that works element by element on tensors and numbers."""
    several = [*places, *given.values()]
    if ROWS not in several or not set(given) <= operations.NAMED:
        _unknown()
    return ROWS if all(isinstance(stands, str) and stands != SELF for stands in several) else _unknown()


def _all_numbers(several: Sequence[Stands]) -> Stands:
    return NUMBER if several and all(stands == NUMBER for stands in several) else _unknown()


def _unknown() -> NoReturn:
    raise _UnknownError
