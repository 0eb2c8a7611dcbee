"""Which argument each parameter of a loss is given: by the words in its name, or by its position."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from harness.core.program import NAMES, PARAMS
from harness.screen.binding import Meaning, computed, meaning, nearest

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.core.contract import Contract
    from harness.core.program import CallPlan

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Mismatch(NamedTuple):
    """Why a function cannot be called with the contract's arguments."""

    message: str
    fix: str | None = None


def pairs(node: Function, open_: Collection[str], contract: Contract, binding: str) -> dict[str, str] | Mismatch:
    """The arguments of parameters that have other names than those; `open_` are the declared ones, which have none."""
    positional = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    required = positional[: len(positional) - len(node.args.defaults)]
    if contract.methods and positional[:1] == ["self"]:
        required, positional = required[1:], positional[1:]
    required = [own for own in required if own not in open_]
    if binding == NAMES:
        return _by_words(node, required, contract)
    return _by_position(required, [own for own in positional if own not in open_], contract)


def unknown(own: list[str], taken: Collection[str], contract: Contract) -> Mismatch:
    """What to say of required parameters that nothing can be given to."""
    words = f"parameter {own[0]} is" if len(own) == 1 else f"parameters {', '.join(own)} are"
    made = {each: text for each in own if (text := computed(each, contract, taken))}
    closest = {each: nearest(each, contract) for each in own if each not in made}
    near = [f"{close} in place of {each}" for each, close in closest.items() if close and close not in taken]
    if made:
        text = " and ".join(f"{each} = {text}" for each, text in made.items())
        also = f" Did you mean {' and '.join(near)}?" if near else ""
        message = (
            f"the required {words} not in the contract, which gives log-probabilities and nothing computed of them."
        )
        return Mismatch(f"{message}{also}", f"Take log-probabilities, and compute {text} inside the loss.")
    if near:
        meant = " and ".join(near)
        return Mismatch(f"the required {words} not in the contract. Did you mean {meant}?", f"Write {meant}.")
    fix = f'Use the contract\'s names; give others a default, or a range: {PARAMS} = {{"{own[0]}": (0.1, 1.0)}}.'
    return Mismatch(f"the required {words} not in the contract, which offers {', '.join(contract.arguments)}.", fix)


def _by_position(required: list[str], positional: list[str], contract: Contract) -> dict[str, str]:
    """Give meaning to exactly as many leading required parameters as there are, where their names say nothing."""
    count = len(contract.leading)
    first = required[:count]
    if len(first) < count or any(contract.canonical(own) in contract.arguments for own in first):
        return {}
    if any(contract.canonical(own) in contract.leading for own in positional):
        return {}
    if len(required) > count and contract.canonical(required[count]) not in contract.arguments:
        return {}
    return dict(zip(first, contract.leading, strict=True))


def _by_words(node: Function, required: list[str], contract: Contract) -> dict[str, str] | Mismatch:
    """Give meaning to parameters by the words in their names; by position only where those do not say otherwise."""
    vectors = set(contract.leading)
    defaults = defaults_of(node)
    said = {own: said_by(own, parameter_names(node), contract) for own in parameter_names(node)}
    count = len(contract.leading)
    first = required[:count]
    settled = {
        own: said[own].argument for own in said if said[own].argument in vectors and _may_bind(own, defaults, contract)
    }
    unsettled = [own for own in required if not said[own].argument]
    if not unsettled or not any(own in first for own in unsettled):
        return settled
    exact = any(contract.canonical(own) in contract.arguments for own in first)
    others = settled.keys() - set(first)
    following = required[count : count + 1]
    fits = len(first) == count and not exact and not others
    if not fits or (following and contract.canonical(following[0]) not in contract.arguments):
        return settled
    for own, argument in zip(first, contract.leading, strict=True):
        if not said[own].possible:
            return settled
        if argument not in said[own].possible:
            means = said[own].argument or " or ".join(v for v in contract.leading if v in said[own].possible)
            unclear = ", ".join(o for o in first if not said[o].argument)
            message = f"{own} reads as {means}, stands where {argument} is expected, and {unclear} could be anything."
            return Mismatch(message, f"Name all of them: {', '.join(contract.leading)}.")
    return dict(zip(first, contract.leading, strict=True))


def said_by(own: str, names: list[str], contract: Contract) -> Meaning:
    """What a name says among the others: w and l alone mean something beside each other only."""
    if own.lower() in {"w", "l"} and not {"w", "l"} <= {name.lower() for name in names}:
        return Meaning("", frozenset(contract.leading))
    return meaning(own, contract)


def is_by_position(node: Function, plan: CallPlan, contract: Contract) -> bool:
    """Whether a plan gives any argument to a parameter whose name does not settle it."""
    names = parameter_names(node)
    own = zip(names[plan.dialect == "method" :], plan.positional, strict=False)
    return any(said_by(name, names, contract).argument != given for name, given in own)


def _may_bind(own: str, defaults: dict[str, ast.expr], contract: Contract) -> bool:
    """Whether words suffice: a parameter with a number for its default is more likely a number."""
    if own not in defaults or contract.canonical(own) in contract.arguments:
        return True
    default = defaults[own]
    return isinstance(default, ast.Constant) and default.value is None


def defaults_of(node: Function) -> dict[str, ast.expr]:
    """The parameters that have a default, and what it is."""
    positional = [*node.args.posonlyargs, *node.args.args]
    given = zip(positional[len(positional) - len(node.args.defaults) :], node.args.defaults, strict=True)
    named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return {a.arg: default for a, default in (*given, *named) if default is not None}


def parameter_names(node: Function) -> list[str]:
    """The names of a function's parameters, in the order in which they are written."""
    return [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
