"""Leave out, while torch is imported, what no computation on numbers needs; it loads at its first use.

Covered: a module named here is in `sys.modules` under its own name and with its own place, and becomes what it is as
soon as anything is asked of it; so who needs one pays for it, and gets the right one. What torch takes out of one by
name gets a stand-in for as long as the import lasts. Not covered: CUDA's builds, which are imported whole, since there
torch registers kernels in what is left out here.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Whole families, which torch itself or something that it imports names, and asks nothing of.
_NAMES = """
asyncio importlib.metadata torch._native torch.ao torch.compiler torch.distributed.config
torch.distributions torch.export torch.fx torch.fx.experimental torch.fx.experimental.sym_node
torch.fx.traceback torch.hub torch.masked torch.nested torch.nn.intrinsic torch.nn.qat
torch.nn.quantizable torch.nn.quantized torch.optim torch.profiler torch.quantization
torch.utils.data torchgen.model unittest unittest.mock
"""
MODULES = frozenset(_NAMES.split())
#: Those that need nothing of the others.
_ALONE = ("torch.distributions",)
#: Any other that is needed has all of these loaded first, as torch does: its imports run in circles, and break where a
#: circle is entered at another place.
_IN_ORDER = (
    "torch.nested",
    "torch.export",
    "torch.func",
    "torch._higher_order_ops",
    "torch.distributed._meta_registrations",
    "torch._meta_registrations",
    "torch.compiler",
    "torch._native",
)
#: What lies in a package and is there without being imported by those who ask for it, since torch imports all of it.
_INSIDE = {
    "torch": "_custom_op _custom_ops _decomp _dispatch _export _higher_order_ops _prims _refs _subclasses "
    "_tensor_iterator func",
    "torch._functorch": "_aot_autograd batch_norm_replacement eager_transforms einops functional_call",
    "torch._library": "fake_profile",
    "torch._prims_common": "wrappers",
    "torch.testing": "_internal",
    "torch.utils": "_appending_byte_serializer _config_module _content_store _debug_mode _dtype_abbrs _import_utils "
    "_inspect _mode_utils _stats _thunk checkpoint",
}
#: What is told of a module without loading it: the import system asks for it.
_TOLD = frozenset(
    {"__class__", "__dict__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"}
)


class Late(types.ModuleType):
    """A module that was imported and not run yet."""

    def __getattribute__(self, name: str) -> Any:
        """Run it, unless only the import system asks."""
        if name in _TOLD:
            return super().__getattribute__(name)
        run(self)
        return getattr(self, name)

    def __delattr__(self, name: str) -> None:
        """Run it first: what is not there yet cannot be taken away."""
        run(self)
        delattr(self, name)


class _Later:
    """The loader of a late module."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """The module as its own loader makes it."""
        made: types.ModuleType | None = self.real.create_module(spec)
        return made

    def exec_module(self, module: types.ModuleType) -> None:
        """Not yet."""
        module.__class__ = Late


class _Loaded:
    """The loader of a module that was loaded by what had to be loaded before it."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, _spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """The module that is there."""
        return self._module

    def exec_module(self, module: types.ModuleType) -> None:
        """It has run; it gets its own account of where it is from back."""
        module.__spec__ = self._spec


class _Finder:
    """Finds the modules above before the usual finders do."""

    def __init__(self) -> None:
        #: Whether torch is there and none of its late modules was needed yet.
        self.waiting = False

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Say how a module is loaded; None leaves it to the usual finders, as does one that is loaded again."""
        if target is not None:
            return None
        self.complete(name)
        parent = sys.modules.get(name.rpartition(".")[0])
        if type(parent) is Late and name not in MODULES:
            # A package runs before what lies in it, as usual.
            run(parent)
        if name in sys.modules:
            # Taken out, since the import system would run a module again that has come to be there meanwhile.
            return importlib.machinery.ModuleSpec(name, _Loaded(sys.modules.pop(name)))  # type: ignore[arg-type]
        if name not in MODULES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Later(spec.loader)  # type: ignore[assignment]
        return spec

    def complete(self, name: str) -> None:
        """Load all in torch's order before one of torch's is."""
        if self.waiting and name.startswith("torch.") and not name.startswith(_ALONE):
            self.waiting = False
            for each in _IN_ORDER:
                run(importlib.import_module(each))


_FINDER = _Finder()


def run(module: types.ModuleType) -> None:
    """Run a late module; one that has run is left alone."""
    _FINDER.complete(module.__name__)
    if type(module) is Late:
        object.__setattr__(module, "__class__", types.ModuleType)
        loader: Any = module.__spec__.loader  # type: ignore[union-attr]
        module.__loader__ = module.__spec__.loader = loader.real  # type: ignore[union-attr]
        loader.real.exec_module(module)


def _function(module: str, name: str) -> Callable[..., Any]:
    def late(*args: Any, **keywords: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*args, **keywords)

    return late


def import_torch() -> types.ModuleType:
    """Import torch without them. Whoever needs one from then on gets it, as if torch had been imported whole."""
    sys.meta_path.insert(0, _FINDER)  # it stays: what lies in a late package is found through it
    instead = _stand_ins()
    sys.modules.update(instead)
    torch = importlib.import_module("torch")
    for name, module in instead.items():
        del sys.modules[name]
        package, _, own = name.rpartition(".")
        if vars(sys.modules[package]).get(own) is module:
            delattr(sys.modules[package], own)
    for name, inside in _INSIDE.items():
        _offer(sys.modules[name], frozenset(inside.split()))
    # A slice asks for a class of this one, from inside an initialisation that may happen once only.
    run(sys.modules["torch.fx.experimental.sym_node"])
    _FINDER.waiting = True
    return torch


def _offer(package: types.ModuleType, inside: frozenset[str]) -> None:
    """Import what lies in a package when it is asked for."""
    otherwise = vars(package).get("__getattr__")

    def at(name: str) -> Any:
        if name in inside:
            return importlib.import_module(f"{package.__name__}.{name}")
        if otherwise is not None:
            return otherwise(name)
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")

    package.__dict__["__getattr__"] = at


def _stand_ins() -> dict[str, types.ModuleType]:
    """What stands in the place of a module out of which torch takes a name, until torch is there."""
    names: dict[str, dict[str, object]] = {
        # Shape inference for tensors without data, with torch's whole table of decompositions.
        "torch._meta_registrations": {},
        "torch.distributed._meta_registrations": {},
        "torch._higher_order_ops": {n: _function("torch._higher_order_ops", n) for n in ("cond", "while_loop")},
        "torch.func": {"vmap": _function("torch.func", "vmap")},
        # Where a library of operations that is taken down forgets what it had kept: nothing.
        "torch.fx.operator_schemas": {"_SCHEMA_TO_SIGNATURE_CACHE": {}},
    }
    made = {}
    for name, inside in names.items():
        made[name] = types.ModuleType(name)
        made[name].__dict__.update(inside)
    return made
