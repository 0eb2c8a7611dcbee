"""Every operation of the allow-list, called with inputs of many shapes from guarded code: what came of each, as JSON.

`python -m every_operation trimmed|whole` imports torch as the sandbox does, or all of it, in a process of its own.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import operator
import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CALLER = "def call(function, args):\n    return function(*args)\n"
#: These tell an address, or print.
_NO_ANSWER = {"hash", "print"}
#: MKL rounds these by where its working memory lies, so their numbers are compared to twelve places.
_BY_MEMORY = {"torch.linalg.lstsq"}


def inputs() -> list[tuple[Any, ...]]:
    """Arguments to try, one tuple for each call; new ones for each operation, as some write to theirs."""
    import torch

    def leaf(*numbers: float) -> Any:
        return torch.tensor(numbers, dtype=torch.float64, requires_grad=True).clone()

    v, w, u = leaf(0.3, 0.7, 0.9), leaf(0.5, 0.2, 0.8), leaf(1.5, 2.5, 4.0)
    m = (torch.outer(w, w) + torch.eye(3, dtype=torch.float64)).requires_grad_() * 1.0
    lower, one, square = torch.tril(m), m.unsqueeze(0), m[:2, :2]
    i, j, b = torch.tensor([2, 0, 1]), torch.tensor([1, 1, 2]), torch.tensor([True, False, True])
    signs, c = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64), torch.complex(v.detach(), w.detach())
    cube = m.expand(2, 3, 3)
    return [
        (), (v,), (m,), (i,), (b,), (c,), (cube,), (square,), (leaf(0.4),), (0.4,), (3,), ("cpu",), (torch.float64,),
        (v, w), (m, m), (m, v), (lower, m), (one, one), (i, j), (b, b), (v, i), (v, b), (c, c), (square, square),
        (m, lower), (m, i), (signs, i), (m, signs), (v, signs), (i, v), (v, torch.float64),
        (torch.float64, torch.int64), (v, 0), (v, 1), (v, 2), (v, 0.4), (m, 0), (m, 1), (m, 2), (m, -1), (m, (0, 1)),
        (m, (1,)), (2, v), (2, 3), (0.5, v), (i, 1), (i, 3), (i, torch.float64), (cube, 2), (c, 0), ((3,), 0.5),
        ((3,), (3,)), (v, (3,)), (v, (1, 3)), ((v, w),), ((m, m),), ((m, m, m),), ([0.1, 0.2],), ((2, 3),),
        ([1, 2],), (((v, w)), 0), ((i, i, i), v), (v, w, u), (m, m, m), (one, one, one), (m, one, one), (v, m, w),
        (v, w, signs), (m, v, w), (m, m, i), (v, v, w), (v, b, w), (v, b, 0.5), (b, v, w), (v, i, w), (v, (i,), w),
        (v, 0, i), (m, 0, i), (m, 1, i), (v, 0, 1), (m, 0, 1), (m, 0, 0), (v, 0, 2), (v, 0.2, 0.8), (v, w, 0.5),
        (v, 1.0, 2.0), (0, 3, 4), (1, 4, 3), (0, 4, 1), (m, 1, 2), (v, (1, 1)), (m, 1, (0, 1)), (m, (3, 1)),
        (2, v, w), (m, v, 0), (m, v, 0, 0), (m, (0, 1), (1, 0)), (v, "sum"), (v, 0, i, w), (v, 0, i, 0.5),
        (m, 0, i, m), (m, v, 0, 1), (m, 2, 0, 1), (m, 0, 0, 2), (v, 2, 1), (v, 0, 2, 1), (v, 0, i, w, "sum"),
        (v, 0, i, w, "mean"), (v, w, "i"), ("i,i->", v, w), ("ij,j->i", m, v), ("sum", v), (v, 0, True), (m, (3,)),
        (m, (3,), w), (m, (3,), w, v), (m, w, v), (v, w, None, None), (one, 2), (one, 2, 1), (cube, (1, 2)),
        (m, 0, (3, 1)), (m, 0, (1, 3)), (v, 0, (1, 3)), (v, lambda x: x), (v, -1, 0), (m, 1.0, 0, 1), (m, 2, 0, 0.5),
    ]  # fmt: skip


def operations() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each operation with its name; a tensor's method takes the tensor first, a layer is made and then called."""
    import torch

    from harness.sandbox.allowlist import ATTRIBUTES, BUILTINS, MODULES

    __import__("torch.distributions")
    for module in sorted(m for m in MODULES if m.partition(".")[0] == "torch"):
        for name in sorted(MODULES[module]):
            thing = getattr(sys.modules[module], name, None)
            if callable(thing):
                yield f"{module}.{name}", _usable(module, name, thing)
    yield from ((f"Tensor.{name}", _method(name)) for name in sorted(ATTRIBUTES) if hasattr(torch.Tensor, name))
    yield from ((f"operator.{name}", getattr(operator, name)) for name in sorted(MODULES["operator"]))
    given = ((name, getattr(builtins, name)) for name in sorted(BUILTINS - _NO_ANSWER))
    yield from ((name, thing) for name, thing in given if callable(thing))


def _usable(module: str, name: str, thing: Any) -> Callable[..., Any]:
    import torch

    if isinstance(thing, type) and issubclass(thing, torch.nn.Module):
        return _layer(thing)
    if isinstance(thing, type) and module == "torch.distributions":
        return _distribution(thing)
    if isinstance(thing, type) and name.endswith("Tensor"):
        return _constructor(thing)
    return cast("Callable[..., Any]", thing)


def _layer(kind: Any) -> Callable[..., Any]:
    def made(*args: Any) -> Any:
        return kind(2, 0.5)(*args) if kind.__name__ == "Threshold" else kind()(*args)

    return made


def _constructor(kind: Any) -> Callable[..., Any]:
    def made(*args: Any) -> Any:
        sizes = args and all(isinstance(each, int) for each in args)
        return "memory as it is" if sizes else kind(*args)

    return made


def _distribution(kind: Any) -> Callable[..., Any]:
    def made(*args: Any) -> Any:
        it = kind(*args)
        return [it.log_prob(args[0].new_ones(3)), it.mean, it.variance]

    return made


def _method(name: str) -> Callable[..., Any]:
    def called(*args: Any) -> Any:
        method = getattr(args[0], name)
        return method(*args[1:]) if callable(method) else method

    return called


def outcome(call: Callable[..., Any], function: Callable[..., Any], arguments: tuple[Any, ...], places: int) -> str:
    """What one call gave: a digest of every value, shape and gradient, or the exception in words.

    `places`: decimals to which numbers are told; 0 for all.
    """
    from harness.sandbox.guards import Forbidden

    try:
        return _digest(call(function, arguments), places)
    except Forbidden as error:
        return f"forbidden {error}"
    except Exception as error:  # noqa: BLE001 - whatever torch raises for arguments that do not fit
        return f"raised {type(error).__name__} {hashlib.sha256(str(error).encode()).hexdigest()[:8]}"


def _digest(value: Any, places: int) -> str:
    import torch

    if isinstance(value, torch.Tensor):
        plain = value.detach().resolve_conj().resolve_neg()
        numbers = [plain, *(_gradients(value) if value.requires_grad and value.is_floating_point() else ())]
        parts = [str(value.dtype), str(tuple(value.shape)), *(_told(each, places) for each in numbers)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    if isinstance(value, (tuple, list)):
        return f"({' '.join(_digest(each, places) for each in value)})"
    if isinstance(value, str) and " at 0x" in value:
        return "a text with an address"
    if isinstance(value, (bool, int, float, complex, str, torch.dtype, torch.Size, torch.device)):
        return repr(value)
    return type(value).__name__


def _told(numbers: Any, places: int) -> str:
    if places and numbers is not None and numbers.is_floating_point():
        numbers = numbers.round(decimals=places) + 0.0  # without the sign of a zero
    return str(None if numbers is None else numbers.tolist())


def _gradients(value: Any) -> list[Any]:
    """The gradient of its sum at all leaves that it was computed from, in the graph's own order."""
    import torch

    leaves, seen, waiting = [], set(), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        waiting += [parent for parent, _ in node.next_functions]
    engine = torch.autograd.Variable._execution_engine
    ones = (torch.ones_like(value),)
    keep, create, unused = True, False, True
    return list(engine.run_backward((value,), ones, keep, create, tuple(leaves), unused, accumulate_grad=False))


def main(way: str) -> None:
    """Import torch one way, call everything, and print what came of it and which late modules were needed."""
    from harness.sandbox import guards, late, preload

    preload.load_torch(trimmed=way == "trimmed")
    namespace = guards.namespace(guarded=True)
    exec(compile(_CALLER, "<candidate>", "exec", dont_inherit=True), namespace)  # noqa: S102 - as the worker does
    call: Any = namespace["call"]
    waiting = {name for name in late.MODULES if type(sys.modules.get(name)) is late.Late}
    came: dict[str, list[str]] = {}
    loaded: dict[str, list[str]] = {}
    for name, function in operations():
        places = 12 if name in _BY_MEMORY else 0
        came[name] = [outcome(call, function, arguments, places) for arguments in inputs()]
        still = {each for each in waiting if type(sys.modules.get(each)) is late.Late}
        if still != waiting:
            loaded[name] = sorted(waiting - still)
        waiting = still
    sys.stdout.write(json.dumps({"came": came, "loaded": loaded, "late": sorted(waiting)}))


if __name__ == "__main__":
    main(sys.argv[1])
