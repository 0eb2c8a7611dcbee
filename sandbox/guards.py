"""The namespace in which a candidate runs, and the guards that its transformed text calls.

Covered: an honest candidate that reaches for something a loss does not need is stopped with a sentence,
also where the screen could not see it: imports, attributes of modules, attributes of anything else, writes
to anything that the candidate did not make itself, format strings that look attributes up. Not covered:
safety. The guards live in the candidate's own process; what they refuse, the container must withstand.
With `guarded` false nothing here is in the way.

The transformed text differs from the candidate's own in these calls only:

    a.b            ->  _getattr_(a, "b")
    a.b = c        ->  _write_(a).b = c            (also del and augmented assignment)
    a[b] = c       ->  _store_(a)[b] = c           (also del and augmented assignment)
    f"{a!r:>{n}}"  ->  _text_(_shown_(a, "r", _text_(">", _shown_(n, "", ""))))

Everything else runs as it was written: iteration, subscripts and unpacking give objects, and an object
gives nothing away except through its attributes.
"""

from __future__ import annotations

import builtins
import contextlib
import enum
import importlib
import sys
import types
import typing

from .allowlist import ATTRIBUTES, BUILTINS, CANDIDATE, INJECTED, MODULES, is_reserved, looks_up

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CONVERSIONS: dict[str, Callable[[object], object]] = {"r": repr, "s": str, "a": ascii}
#: What a helper class may be made from, beside exceptions and the candidate's own classes.
_ENUMS = (enum.Enum, enum.Flag, enum.IntEnum, enum.IntFlag, enum.StrEnum)
_TYPING = (typing.Generic, typing.NamedTuple, typing.Protocol, typing.TypedDict)
_BASES = (object, str, int, float, *_ENUMS, *_TYPING)


class Forbidden(Exception):
    """The candidate asked for something outside the policy."""


def namespace(guarded: bool) -> dict[str, object]:  # noqa: FBT001 - the one argument, and its name says it
    """Make the globals for one candidate, in a module of its own that replaces the one before.

    torch, F, nn and math are bound beforehand, because the paper's dialect does not import them.
    """
    module = types.ModuleType(CANDIDATE)
    # Data classes look their own module up by name.
    sys.modules[CANDIDATE] = module
    scope: dict[str, object] = module.__dict__
    for name, path in INJECTED.items():
        # A machine without torch can still read a candidate of pure Python: that is what tests do.
        with contextlib.suppress(ImportError):
            scope[name] = importlib.import_module(path)
    if guarded:
        scope.update(
            __builtins__=_builtins(),
            _getattr_=_getattr,
            _write_=_write,
            _store_=_store,
            _text_=_text,
            _shown_=_shown,
        )
    else:
        scope["__builtins__"] = builtins
    return scope


def _builtins() -> dict[str, object]:
    every = vars(builtins)
    admitted = {name: every[name] for name in BUILTINS}
    # Those that end the process are no subclasses of Exception, and are left out.
    admitted |= {n: v for n, v in every.items() if isinstance(v, type) and issubclass(v, Exception)}
    admitted.update(
        __import__=_import,
        __build_class__=_build_class,
        hasattr=_hasattr,
        type=_type,
        __name__=CANDIDATE,
    )
    return admitted


def _import(
    name: str,
    _globals: object = None,
    _locals: object = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> types.ModuleType:
    """Import as the statement does, from the admitted modules only."""
    if type(fromlist) is list and name in sys.modules:
        # Not a statement, which would give a tuple: torch's own native code, called by the candidate,
        # finds the importer of its caller. It gets what it would have got.
        return sys.modules[name]
    if level or name not in MODULES:
        raise Forbidden(f"the module {'.' * level}{name} may not be imported")
    for wanted in fromlist or ():
        if wanted not in MODULES[name]:
            raise Forbidden(f"{name}.{wanted} may not be imported")
    module = importlib.import_module(name)
    return module if fromlist else sys.modules[name.partition(".")[0]]


def _getattr(thing: object, name: str) -> object:
    """Stand for `thing.name`."""
    _check(thing, name)
    if name == "format" and isinstance(thing, str):
        return _formatter(thing)
    value: object = getattr(thing, name)
    if isinstance(value, types.ModuleType) and value.__name__ not in MODULES:
        raise Forbidden(f"the module {value.__name__} may not be reached")
    return value


def _check(thing: object, name: str) -> None:
    if is_reserved(name):
        raise Forbidden(f"the attribute {name} is reserved")
    if isinstance(thing, types.ModuleType):
        if name not in MODULES.get(thing.__name__, ()):
            raise Forbidden(f"{thing.__name__}.{name} is not among the operations that a loss may use")
        return
    if name in {"format", "format_map"} and _is_text_type(thing):
        raise Forbidden(f"str.{name} may be called on a string only")
    if name == "format_map" and isinstance(thing, str):
        raise Forbidden("format_map looks attributes up; use an f-string")
    if not _is_own(thing) and name not in ATTRIBUTES:
        raise Forbidden(f"the attribute {name} is not among those that a loss may use")


def _is_text_type(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, str)


def _is_own(thing: object) -> bool:
    """Say whether a thing is a class that the candidate made, or an instance of one."""
    kind = thing if isinstance(thing, type) else type(thing)
    return kind.__module__ == CANDIDATE


def _write(thing: object) -> object:
    """Stand for `thing` in `thing.name = value`: state belongs in the candidate's own classes."""
    if isinstance(thing, type) or not _is_own(thing):
        raise Forbidden(f"an attribute of {_describe(thing)} may not be set")
    return thing


def _store(thing: object) -> object:
    """Stand for `thing` in `thing[index] = value`."""
    if isinstance(thing, (types.ModuleType, types.FunctionType, types.MappingProxyType, type)):
        raise Forbidden(f"an item of {_describe(thing)} may not be set")
    return thing


def _describe(thing: object) -> str:
    if isinstance(thing, types.ModuleType):
        return f"the module {thing.__name__}"
    if isinstance(thing, type):
        return "a class"
    return f"an object of type {type(thing).__name__}"


def _hasattr(thing: object, name: str) -> bool:
    try:
        _getattr(thing, str(name))
    except AttributeError:
        return False
    return True


def _type(thing: object, /) -> type:
    """Stand for `type` with one argument; the form that makes classes is not offered."""
    return type(thing)


def _build_class(body: Callable[..., object], name: str, /, *bases: object, **keywords: object) -> object:
    for base in bases:
        if not _may_be_base(base):
            raise Forbidden(f"the class {name} may not be derived from {getattr(base, '__name__', base)}")
    if "metaclass" in keywords:
        raise Forbidden(f"the class {name} may not choose a metaclass")
    return builtins.__build_class__(body, name, *bases, **keywords)


def _may_be_base(base: object) -> bool:
    origin = typing.get_origin(base) or base
    if isinstance(origin, type) and (issubclass(origin, Exception) or origin.__module__ == CANDIDATE):
        return True
    return any(origin is allowed for allowed in _BASES)


def _formatter(template: str) -> Callable[..., str]:
    """Stand for `template.format`, without fields that look attributes or items up."""

    def formatted(*args: object, **keywords: object) -> str:
        if looks_up(template):
            raise Forbidden("a format field names an argument, and nothing inside it; use an f-string")
        return template.format(*args, **keywords)

    return formatted


def _text(*parts: str) -> str:
    """Stand for an f-string."""
    return "".join(parts)


def _shown(value: object, conversion: str, spec: str) -> str:
    """Stand for one replacement field of an f-string."""
    return format(_CONVERSIONS[conversion](value) if conversion else value, spec)
