"""What the policy refuses, each with its line and a way out: S106 and S112 to S115."""

import pytest
from screening import LOSS, body, candidate, faults, findings, read

from harness.core.errors import UserError
from harness.screen import screen

REFUSED = [
    # Known ways out of RestrictedPython with the real torch in reach.
    ("torch.os.system('x')", "S114"),
    ("torch.sys.modules['os']", "S114"),
    ("torch.ctypes.CDLL(None)", "S114"),
    ("torch.builtins.open('x')", "S114"),
    ("torch.ops.load_library('x')", "S114"),
    ("torch.utils.cpp_extension", "S114"),
    ("torch._C._jit_set_profiling_mode", "S114"),
    ("torch.hub.load('x', 'y')", "S114"),
    ("F.torch.os", "S114"),
    ("nn.functional.torch.os", "S114"),
    ("torch.nn.functional.torch", "S114"),
    ("torch.special.torch.os", "S114"),
    ("torch.distributions.utils", "S114"),
    # Files, settings, compilers, devices, autograd's internals, noise, stale memory.
    ("torch.load('x')", "S114"),
    ("torch.save(x, 'x')", "S114"),
    ("torch.from_file('x')", "S114"),
    ("torch.set_default_dtype(torch.float64)", "S114"),
    ("torch.set_num_threads(8)", "S114"),
    ("torch.set_grad_enabled(False)", "S114"),
    ("torch.jit.script(x)", "S114"),
    ("torch.compile(x)", "S114"),
    ("torch.cuda.is_available()", "S114"),
    ("torch.autograd.grad(x, x)", "S114"),
    ("torch.library.define('a', 'b')", "S114"),
    ("torch.overrides", "S114"),
    ("torch.manual_seed(0)", "S114"),
    ("torch.randn(3)", "S114"),
    ("torch.rand_like(x)", "S114"),
    ("torch.normal(0.0, 1.0, (3,))", "S114"),
    ("F.dropout(x)", "S114"),
    ("F.gumbel_softmax(x)", "S114"),
    ("torch.empty(3)", "S114"),
    ("torch.empty_like(x)", "S114"),
    ("torch.FloatTensor(3)", "S114"),
    ("torch.Tensor(2, 3)", "S114"),
    ("nn.Linear(1, 1)", "S114"),
    ("nn.Parameter(x)", "S114"),
    ("torch.no_such_operation(x)", "S114"),
    # Attributes.
    ("x.data", "S113"),
    ("x.numpy()", "S113"),
    ("x.backward()", "S113"),
    ("x.register_hook(print)", "S113"),
    ("x.grad_fn.next_functions", "S113"),
    ("x.uniform_()", "S113"),
    ("x.storage()", "S113"),
    ("x.set_(x)", "S113"),
    ("x.__class__", "S113"),
    ("x.__class__.__bases__", "S113"),
    ("x._base", "S113"),
    ("torch.Tensor.register_hook(x, print)", "S113"),
    ("print.__self__", "S113"),
    ("(lambda: 0).__globals__", "S113"),
    ("(i for i in x).gi_frame", "S113"),
    ("x.tb_frame", "S113"),
    ("x.func_that_nothing_has", "S113"),
    ("f'{x.__class__}'", "S113"),
    ("f'{1:{x.__class__}}'", "S113"),
    ("f'{x!r:>{x.__class__}}'", "S113"),
    ("[i for i in x if i.__class__]", "S113"),
    ("{i.__class__: 1 for i in x}", "S113"),
    ("x[x.__class__]", "S113"),
    ("lambda y=x.__class__: y", "S113"),
    ("'{0.__class__}'.format(x)", "S113"),
    ("'{0[0]}'.format(x)", "S113"),
    ("'{0:{1.real}}'.format(x, 1)", "S113"),
    ("'{x}'.format_map(x)", "S113"),
    ("str.format('{}', x)", "S113"),
    ("f = str.format", "S113"),
    # Names.
    ("eval('1')", "S113"),
    ("exec('1')", "S113"),
    ("compile('1', '', 'eval')", "S113"),
    ("open('x')", "S113"),
    ("input()", "S113"),
    ("getattr(x, 'data')", "S113"),
    ("setattr(x, 'data', x)", "S113"),
    ("globals()", "S113"),
    ("vars(x)", "S113"),
    ("dir(x)", "S113"),
    ("breakpoint()", "S113"),
    ("memoryview(b'')", "S113"),
    ("super()", "S113"),
    ("type('X', (), {})", "S113"),
    ("type(*x)", "S113"),
    ("__import__('os')", "S113"),
    ("(y := __builtins__)", "S113"),
    ("__file__", "S113"),
    ("_getattr_(x, 'data')", "S113"),
    ("_getattr_ = 1", "S113"),
    ("__x = 1", "S113"),
    ("raise SystemExit", "S113"),
    ("raise BaseException", "S113"),
    ("np.exp(x)", "S113"),
    ("os.system('x')", "S113"),
    ("functools = 1; functools.wraps", "S113"),
    # Writes.
    ("x.requires_grad = False", "S113"),
    ("x.data = x", "S113"),
    ("x.real += 1", "S113"),
    ("loss.count = 1", "S113"),
    ("torch.exp = 1", "S113"),
    ("del torch.exp", "S113"),
    ("for torch.exp in x: pass", "S113"),
    ("with x as torch.exp: pass", "S113"),
    ("(torch.exp, y) = x", "S113"),
    ("[torch.exp for torch.exp in x]", "S113"),
    # Imports.
    ("import os", "S112"),
    ("import os as math", "S112"),
    ("import torch.utils.cpp_extension", "S112"),
    ("import numpy as np", "S112"),
    ("import random", "S112"),
    ("from os import *", "S112"),
    ("from torch.nn import *", "S112"),
    ("from . import x", "S112"),
    ("from torch.autograd import Function", "S112"),
    ("from operator import attrgetter", "S112"),
    ("from functools import wraps", "S112"),
    ("from typing import get_type_hints", "S112"),
    ("from dataclasses import make_dataclass", "S112"),
    ("from torch import os", "S114"),
    ("from torch import randn as r", "S114"),
    ("from torch.nn import Module", "S114"),
    ("import math as __builtins__", "S113"),
    ("from math import exp as _getattr_", "S113"),
    # Statements.
    ("global y", "S115"),
    ("async def f(): pass", "S115"),
    ("class L(torch.Tensor): pass", "S115"),
    ("class L(nn.Identity): pass", "S115"),
    ("class L(metaclass=type): pass", "S115"),
    ("class L(dict): pass", "S115"),
    ("class L(torch.autograd.Function): pass", "S114"),
    ("class L(nn.Module): pass", "S114"),
    ("x = 0x" + "f" * 2000, "S106"),
]


@pytest.mark.parametrize(("line", "rule"), REFUSED)
def test_refused_on_its_line(line, rule):
    found = read(body("x = policy_chosen_logps", line))["faults"]
    assert {fault[2] for fault in found} == {3}
    assert rule in {fault[0] for fault in found}
    assert all(fault[1].endswith(".") for fault in found)


MULTILINE = [
    ("match x:\n    case object(os=o): pass", "S113", 3),
    ("match x:\n    case y if y.__class__: pass", "S113", 3),
    ("match x:\n    case torch.os.environ: pass", "S114", 3),
    ("match x:\n    case {'a': __b}: pass", "S113", 3),
    ("match x:\n    case {'a': 1, **__b}: pass", "S113", 3),
    ("match x:\n    case [*__b]: pass", "S113", 3),
    ("match x:\n    case _getattr_: pass", "S113", 3),
    ("try: pass\nexcept: pass", "S115", 3),
    ("try: pass\nexcept* ValueError: pass", "S115", 2),
    ("try: pass\nexcept ValueError as __e: pass", "S113", 3),
    ("try: pass\nexcept BaseException: pass", "S113", 3),
    ("class A:\n    def __getattr__(self, name): return name", "S113", 3),
    ("class A:\n    __slots__ = ()", "S113", 3),
    ("class A:\n    __match_args__ = ('os',)", "S113", 3),
    ("class A:\n    def f(self): return self.__dict__", "S113", 3),
    ("@torch.jit.script\ndef f(x): return x", "S114", 2),
    ("import functools\n@functools.wraps(torch, assigned=('os',))\ndef f(x): return x", "S113", 3),
    ("async def f():\n    await g()", "S115", 2),
    ("async def f():\n    return [i async for i in x]", "S115", 2),
    ("def f(__x): return __x", "S113", 2),
    ("def f(*_args_): return 1", "S113", 2),
    ("lambda __x: 1", "S113", 2),
]


@pytest.mark.parametrize(("lines", "rule", "line"), MULTILINE)
def test_refused_over_several_lines(lines, rule, line):
    assert (rule, line) in faults(body(*lines.split("\n")))


def test_patterns_read_what_the_candidate_defines_from_its_own_classes_only():
    # Patterns are not guarded: a class that only lends its attributes' names must not open modules.
    lend = "class K:\n    os: int = 0\n    system: int = 1\n"
    attack = "    match torch:\n        case {}(os=o): return o\n"
    loss = "def loss(pc, pr, rc, rr):\n"
    assert faults(lend + loss + attack.format("object")) == [("S113", 6)]
    assert faults(lend + "K = object\n" + loss + attack.format("K")) == [("S113", 7)]
    assert faults("if 0:\n    class object:\n        os = 1\n" + loss + attack.format("object")) == [("S113", 6)]
    assert faults(lend + loss + attack.format("K")) == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [("self.tau", "S113"), ("self.n = 1", "S113"), ("self.beta = 1", "S113"), ("self.beta += 1", "S113")],
)
def test_self_has_beta_and_nothing_else(line, rule):
    source = f"def loss(self, pc, pr, rc, rr):\n    {line}\n    return self.beta * pc\n"
    assert faults(source) == [(rule, 2)]


def test_self_in_a_class_is_another():
    source = "class A:\n    def __init__(self): self.tau = 1\n    def f(self): return self.tau\n" + LOSS
    assert faults(source) == []


@pytest.mark.parametrize(
    ("line", "way_out"),
    [
        ("torch.logsigmoid(x)", "F.logsigmoid"),
        ("x.logsigmoid()", "F.logsigmoid(x)"),
        ("x.expm()", "expm1"),
        ("F.sigmod(x)", "F.sigmoid"),
        ("import numpy", "no numpy"),
        ("x.numpy()", "no numpy"),
        ("x.data", "detach()"),
        ("torch.randn(3)", "Randomness"),
        ("torch.cuda.is_available()", "policy_chosen_logps.device"),
        ("import time", "progress"),
        ("torch.empty(3)", "torch.zeros"),
        ("getattr(x, 'y')", "after a dot"),
    ],
)
def test_the_way_out(line, way_out):
    (fault,) = read(body("x = policy_chosen_logps", line))["faults"]
    assert way_out in fault[4]


def test_all_findings_come_at_once_in_order():
    source = "import os\nimport torch\n\ndef loss(pc, pr, rc, rr):\n    torch.load('x')\n    return eval('pc').data\n"
    found = findings(source)
    assert [(f.rule, f.location.line) for f in found] == [("S112", 1), ("S114", 5), ("S113", 6), ("S113", 6)]
    assert all(f.fix for f in found)


def test_columns_are_counted_in_characters():
    (finding,) = findings(body("x = 'é', eval('1')"))
    assert finding.location.column == 14


def test_each_place_is_reported_once_and_a_flood_is_cut():
    assert faults(body("x = np.exp(np.log(1))")) == [("S113", 2), ("S113", 2)]
    assert len(faults(body(*["eval('1')"] * 500))) == 50


@pytest.mark.parametrize("source", ["import os\n" + LOSS, LOSS.replace("beta *", "eval('1') *"), "bеta = 1\n" + LOSS])
def test_without_the_policy_the_rest_is_still_checked(source):
    program = screen(candidate(source), policy=False)
    assert (program.guarded, program.text, program.lines) == (False, source, ())
    assert program.line(2) == 2
    assert faults(source)


@pytest.mark.parametrize(
    ("source", "rule"), [("def f(:", "S105"), ("x = 1", "S107"), ("def f(x): pass", "S109"), ("x\u200b = 1", "S111")]
)
def test_without_the_policy_text_and_signature_still_count(source, rule):
    assert [f.rule for f in findings(source, policy=False)] == [rule]


def test_an_entry_that_is_no_name_is_the_users_mistake():
    with pytest.raises(UserError):
        screen(candidate(LOSS), entry="not a name")
