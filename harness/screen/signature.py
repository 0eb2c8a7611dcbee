"""Which function is the loss, and how it is to be called.

Losses that are made and not written are told of: by functools.partial, by a function that returns one, by a class.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from harness.core.contract import PREFERENCE, Contract
from harness.core.program import NAMES, CallPlan
from harness.screen.binding import Function, Mismatch, is_by_position, paired, parameter_names, unknown_parameters
from harness.screen.text import Complaint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from harness.screen.parameters import Declared

_CALLED = ("forward", "__call__")


class Definition(NamedTuple):
    """A function at the top level of a candidate, under the name by which it is found, and what the text declares.

    `binding` says how its parameters are paired with arguments.
    """

    name: str
    node: Function
    line: int
    declared: Declared
    binding: str


def find_plan(
    tree: ast.Module, entry: str | None, declared: Declared, contract: Contract = PREFERENCE, binding: str = NAMES
) -> CallPlan | Complaint:
    """Find the loss and its call plan, or say what is missing."""
    functions = functions_of(tree, declared, binding)
    made = made_functions(tree, functions.keys())
    if entry is not None and entry in functions:
        return _plan_or_complaint(functions[entry], contract)
    if entry is not None and entry in made:
        return made[entry]
    if not functions:
        return next(iter(made.values()), None) or _nothing(tree)
    if entry is not None:
        names = ", ".join(sorted(functions))
        return Complaint("S107", f"There is no top-level function {entry}; there are: {names}.")
    chosen = _choose(functions, contract)
    public = [complaint for name, complaint in made.items() if not name.startswith("_")]
    if public and (binding == NAMES or isinstance(chosen, Complaint)):
        # Which of the two was meant to be the loss is anyone's guess.
        return public[-1]
    return chosen


def _choose(functions: dict[str, Definition], contract: Contract) -> CallPlan | Complaint:
    """Find the loss where nobody named it."""
    public = [f for name, f in functions.items() if not name.startswith("_")]
    if not public:
        fix = "Take the underscore off the loss's name, or choose it with --entry NAME."
        return Complaint(
            "S107", "Every function's name begins with an underscore.", functions.popitem()[1].line, 1, fix
        )
    plans = {f.name: plan for f in public if isinstance(plan := _plan(f, contract), CallPlan)}
    if not plans:
        return _none_fits(public, contract)
    # A function that names the arguments outranks one that could take them by position.
    named = {name: plan for name, plan in plans.items() if _names_vectors(functions[name].node, contract)} or plans
    chosen = _root(named, functions)
    if chosen is None and named is plans:
        # One whose names say what they are in other words outranks the rest, unless it serves them.
        worded = {name: p for name, p in plans.items() if not is_by_position(functions[name].node, p, contract)}
        chosen = _root(worded, functions) if worded else None
    if chosen is None:
        lines = ", ".join(f"{name} (line {functions[name].line})" for name in named)
        first = functions[next(iter(named))]
        return Complaint("S108", f"Any of these could be the loss: {lines}.", first.line, 1)
    return plans[chosen]


def functions_of(tree: ast.Module, declared: Declared, binding: str = NAMES) -> dict[str, Definition]:
    """Give the functions at the top level, the last one where a name is defined twice."""
    found: dict[str, Definition] = {}
    for name, value, line in _bound(tree):
        if isinstance(value, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            found.pop(name, None)
            found[name] = Definition(name, value, line, declared, binding)
    return found


def _nothing(tree: ast.Module) -> Complaint:
    if not tree.body:
        return Complaint("S101", "The file holds comments and blank lines only.")
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            return of_class(statement)
        if is_reply(statement):
            message = "There is a dictionary with a key code, and no function: this is a reply, written as Python."
            fix = "Answer with one JSON object, or with the function alone."
            return Complaint("S107", message, statement.lineno, 1, fix)
    return Complaint("S107", "There is no function at the top level.", tree.body[0].lineno, 1)


def _none_fits(public: list[Definition], contract: Contract) -> Complaint:
    named = set(contract.arguments)
    # The function that comes nearest to the contract is the one to explain.
    nearest = max(public, key=lambda f: len({contract.canonical(own) for own in parameter_names(f.node)} & named))
    if len(public) == 1 or _names_vectors(nearest.node, contract):
        return _plan_or_complaint(nearest, contract)  # type: ignore[return-value]
    names = ", ".join(f.name for f in public)
    return Complaint("S107", f"None of {names} takes {contract.wanted}.", public[0].line, 1)


def _root(plans: dict[str, CallPlan], functions: dict[str, Definition]) -> str | None:
    """Give the one function that is left when the others are its helpers."""
    if len(plans) == 1:
        return next(iter(plans))
    uses = {name: _mentioned(functions[name].node) & functions.keys() for name in functions}
    for name in plans:
        reached: set[str] = set()
        waiting = [name]
        while waiting:
            more = uses[waiting.pop()] - reached
            reached |= more
            waiting.extend(more)
        if name not in reached and plans.keys() - {name} <= reached:
            return name
    return None


def _mentioned(node: Function) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def _plan_or_complaint(function: Definition, contract: Contract) -> CallPlan | Complaint:
    plan = _plan(function, contract)
    if isinstance(plan, CallPlan):
        return plan
    return Complaint("S109", f"{function.name}: {plan.message}", function.line, 1, plan.fix)


def _plan(function: Definition, contract: Contract) -> CallPlan | Mismatch:
    node = function.node
    if isinstance(node, ast.AsyncFunctionDef):
        return Mismatch("it is an async function.", "Write def in place of async def.")
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    if any(isinstance(child, (ast.Yield, ast.YieldFrom)) for child in _own(body)):
        return Mismatch("it is a generator.", "Return one tensor in place of yield.")
    if isinstance(node, ast.FunctionDef) and any("no_grad" in ast.unparse(d) for d in node.decorator_list):
        return Mismatch("its decorator switches the gradient off.", "Delete the decorator.")
    if told := factory(node):
        return Mismatch(*told)
    bound = paired(node, function.declared.lines, contract, function.binding)
    return bound if isinstance(bound, Mismatch) else _bind(function, bound, contract)


def _bind(function: Definition, bound: dict[str, str], contract: Contract) -> CallPlan | Mismatch:
    """Pair parameters with arguments: leading ones by position, the rest by name, as the declared ones are."""
    name, node, declared = function.name, function.node, function.declared
    positional = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    dialect = "method" if contract.methods and positional[:1] == ["self"] else "function"
    positional = positional[dialect == "method" :]
    required = positional[: max(0, len(positional) - len(node.args.defaults))]
    open_ = declared.lines.keys()
    only = {a.arg for a in node.args.posonlyargs}
    needed = {*required} | {
        a.arg for a, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default is None
    }
    leading: list[str] = []
    keyword: list[tuple[str, str]] = []
    taken: dict[str, str] = {}
    unknown: list[str] = []
    for own in (*positional, *(a.arg for a in node.args.kwonlyargs)):
        argument = bound.get(own) or contract.canonical(own)
        if own in open_:
            if own in only:
                return Mismatch(f"the parameter {own} cannot be given by name.", "Delete the / among its parameters.")
        elif argument not in contract.arguments:
            unknown += [own] if own in needed else []
        elif argument in taken:
            return Mismatch(f"the parameters {taken[argument]} and {own} both mean {argument}.", "Keep one of them.")
        elif own in positional and positional.index(own) == len(leading):
            taken[argument] = own
            leading.append(argument)
        elif own in only:
            return Mismatch(f"the parameter {own} cannot be given by name.", "Delete the / among its parameters.")
        else:
            taken[argument] = own
            keyword.append((own, argument))
    if unknown:
        return unknown_parameters(unknown, taken, contract)
    missing = [argument for argument in contract.required if argument not in taken]
    if missing:
        return Mismatch(f"it does not take {' and '.join(missing)}.")
    own_names = set(parameter_names(node))
    parameters = tuple(p for p in declared.parameters if p.name in own_names)
    return CallPlan(name, dialect, tuple(leading), tuple(keyword), parameters)


def _names_vectors(node: Function, contract: Contract) -> bool:
    return any(contract.canonical(own) in contract.leading for own in parameter_names(node))


def made_functions(tree: ast.Module, functions: Collection[str]) -> dict[str, Complaint]:
    """What the top level binds to a function that no def or lambda of its own stands for, by name."""
    classes = {s.name: s for s in tree.body if isinstance(s, ast.ClassDef) and _method(s)}
    made = ((name, value) for name, value, _ in _bound(tree) if isinstance(value, ast.FunctionDef | ast.Lambda))
    factories = {name for name, value in made if factory(value)}
    partial = {"partial"} | {
        alias.asname or alias.name
        for s in tree.body
        if isinstance(s, ast.ImportFrom) and s.module == "functools"
        for alias in s.names
        if alias.name == "partial"
    }
    found: dict[str, Complaint] = {}
    for name, value, line in _bound(tree):
        call = value.value if isinstance(value, ast.Attribute) else value
        if not isinstance(call, ast.Call):
            continue
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


def _bound(tree: ast.Module) -> Iterator[tuple[str, ast.AST | None, int]]:
    """What the top level gives names to, in order: functions and values."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement.name, statement, statement.lineno
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
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


def _own(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Walk a function's body without the functions and classes inside it."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        child = waiting.pop()
        yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(child))
