"""The guards, without torch: a stand-in module takes its name."""

import ast
import math
import os
import sys
import types
from typing import Any

import pytest

from harness.sandbox import allowlist, guards
from harness.screen.names import Names
from harness.screen.policy import Policy


@pytest.fixture
def torch(monkeypatch):
    module: Any = types.ModuleType("torch")
    module.os, module.sys, module.exp, module.load = os, sys, math.exp, open
    module.nn = types.ModuleType("torch.nn")
    module.nn.functional = types.ModuleType("torch.nn.functional")
    module.nn.functional.torch = module
    module.nn.functional.relu = abs
    for each in (module, module.nn, module.nn.functional):
        monkeypatch.setitem(sys.modules, each.__name__, each)
    return module


def run(source, **given):
    """Run a text transformed but not judged, as if the screen had overlooked everything."""
    tree = ast.parse(source)
    Policy(Names(tree)).visit(tree)
    namespace = guards.namespace(guarded=True)
    namespace.update(given)
    exec(compile(ast.unparse(ast.fix_missing_locations(tree)), "<candidate>", "exec", dont_inherit=True), namespace)  # noqa: S102 - what the sandbox does
    return namespace.get("result")


class Foreign:
    """Something from outside the candidate, with a part of each kind."""

    beta = 0.1
    secret = 7
    _hidden = 8


FOREIGN = Foreign()


@pytest.mark.parametrize(
    "source",
    [
        "thing.secret",
        "thing._hidden",
        "thing.__class__",
        "thing.__dict__",
        "thing.beta = 1",
        "thing.beta += 1",
        "del thing.beta",
        "kind.beta = 1",
        "kind.__subclasses__()",
        "len.__self__",
        "f = lambda: 0\nf.__globals__",
        "f = lambda: 0\nf.state = 1",
        "'{0.__class__}'.format(thing)",
        "'{0.beta}'.format(thing)",
        "'{0[0]}'.format([1])",
        "'{:{0.beta}}'.format(thing)",
        "t = '{0.' + 'beta}'\nt.format(thing)",
        "f = 'a'.format\nt = str.format",
        "'{a}'.format_map({'a': 1})",
        "class S(str):\n    pass\nS('{0.beta}').format(thing)",
        "from enum import Enum\nclass S(str, Enum):\n    A = '{0.beta}'\nS.A.format(thing)",
        "import os",
        "import os.path",
        "import torch.os",
        "from torch import os",
        "from torch import *",
        "from torch import exp, load",
        "from . import x",
        "from functools import wraps",
        "import functools\nfunctools.wraps",
        "torch.os",
        "torch.sys.modules",
        "torch.load",
        "torch.nn.functional.torch",
        "F.torch.os",
        "hidden = [torch]\nhidden[0].os",
        "torch.exp = 1",
        "del torch.exp",
        "class T(kind):\n    pass",
        "class T(metaclass=type):\n    pass",
        "class T(dict):\n    pass",
        "class A:\n    n = 1\nA.n = 2",
        "class A:\n    def f(self):\n        return self.__dict__\nA().f()",
        "hasattr(torch, 'os')",
        "hasattr(thing, '__class__')",
    ],
)
@pytest.mark.usefixtures("torch")
def test_refused_where_the_screen_was_blind(source):
    with pytest.raises(guards.Forbidden) as refusal:
        run(source, thing=FOREIGN, kind=Foreign)
    assert str(refusal.value)
    assert Foreign.beta == 0.1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import torch\nresult = torch.exp(0.0)", 1.0),
        ("import torch.nn.functional as F\nresult = F.relu(-1)", 1),
        ("from torch.nn import functional\nresult = functional.relu(-1)", 1),
        ("import torch.nn.functional\nresult = torch.nn.functional.relu(-1)", 1),
        ("result = F.relu(-2) + torch.exp(0.0)", 3.0),
        ("result = thing.beta", 0.1),
        ("result = hasattr(thing, 'beta') and not hasattr([], 'beta')", True),
        ("x = [1]\nx[0] = 2\nd = {}\nd['a'] = x\nresult = d", {"a": [2]}),
        ("class A:\n    _n = 1\na = A()\na._n = 2\na._n += 1\nresult = a._n", 3),
        ("result = type(1) is int", True),
    ],
)
@pytest.mark.usefixtures("torch")
def test_admitted(source, expected):
    assert run(source, thing=FOREIGN) == expected


@pytest.mark.parametrize(
    "name",
    [
        "eval",
        "exec",
        "compile",
        "open",
        "getattr",
        "setattr",
        "vars",
        "globals",
        "BaseException",
        "SystemExit",
        "super",
    ],
)
def test_builtins_that_are_not_there(name):
    with pytest.raises(NameError):
        run(f"result = {name}")


def test_type_makes_no_classes():
    with pytest.raises(TypeError):
        run("make = type\nmake('X', (), {})")


def test_native_code_that_imports_gets_the_importer_it_expects(monkeypatch):
    # C code imports through the builtins of the frame that called it, with a list where a statement has a tuple.
    monkeypatch.setitem(sys.modules, "torch.storage", types.ModuleType("torch.storage"))
    namespace: dict[str, Any] = guards.namespace(guarded=True)
    importer = namespace["__builtins__"]["__import__"]
    assert importer("torch.storage", {}, {}, ["__doc__"], 0) is sys.modules["torch.storage"]
    with pytest.raises(guards.Forbidden):
        importer("torch.storage", {}, {}, ("__doc__",), 0)
    with pytest.raises(guards.Forbidden):
        importer("never.imported", {}, {}, ["__doc__"], 0)


def test_without_guards_nothing_is_in_the_way(torch):
    namespace = guards.namespace(guarded=False)
    exec("import os\nresult = (torch.os is os, F is torch.nn.functional, __name__)", namespace)  # noqa: S102 - what the sandbox does
    assert namespace["result"] == (True, True, "candidate")
    assert namespace["torch"] is torch


@pytest.mark.parametrize("guarded", [True, False])
def test_each_namespace_is_new(guarded):
    first = guards.namespace(guarded)
    first["left"] = 1
    assert "left" not in guards.namespace(guarded)


def test_nothing_on_the_list_looks_up_by_string():
    names = set().union(*allowlist.MODULES.values()) | allowlist.BUILTINS | allowlist.ATTRIBUTES
    dangerous = {"attrgetter", "methodcaller", "wraps", "update_wrapper", "get_type_hints", "make_dataclass", "getattr"}
    dangerous |= {"setattr", "vars", "eval", "exec", "data", "numpy", "register_hook", "grad_fn", "empty", "load"}
    assert not names & dangerous
    assert not [name for name in names if name.startswith("_")]


def test_modules_lead_to_admitted_modules_only():
    for path, names in allowlist.MODULES.items():
        if path.partition(".")[0] != "torch":
            module = __import__(path, fromlist=["x"])
            for name in names:
                value = getattr(module, name)
                assert not isinstance(value, types.ModuleType) or value.__name__ in allowlist.MODULES


@pytest.mark.parametrize(
    ("name", "reserved"),
    [("__x", True), ("_x_", True), ("__x__", True), ("_getattr_", True), ("_", False), ("_x", False), ("x_", False)],
)
def test_reserved_names(name, reserved):
    assert allowlist.is_reserved(name) is reserved
