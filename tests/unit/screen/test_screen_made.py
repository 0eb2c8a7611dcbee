"""Losses that are made and not written: each has a sentence about itself, and the next step."""

import pytest
from screening import LOSS, VECTORS, candidate, faults, plan, read

from harness.core.errors import CandidateFault
from harness.core.program import POSITION
from harness.screen import screen

BASE = f"def {{}}({VECTORS}, beta, smoothing=0.0):\n    return beta * policy_chosen_logps * smoothing\n"
CLOSURE = f"def make(beta):\n    def loss({VECTORS}):\n        return beta * policy_chosen_logps\n    return loss\n"
MODULE = (
    "class DPOLoss(nn.Module):\n"
    "    def __init__(self, beta=0.1):\n        super().__init__()\n        self.beta = beta\n"
    f"    def forward(self, {VECTORS}):\n        return self.beta * policy_chosen_logps\n"
)


def told(source, **options):
    """The first finding's rule, message and fix."""
    with pytest.raises(CandidateFault) as fault:
        screen(candidate(source), **options)
    first = next(f for f in fault.value.findings if f.rule in {"S107", "S108", "S109"})
    return first.rule, first.message, first.fix


@pytest.mark.parametrize(
    ("source", "entry"),
    [
        ("import functools\n" + BASE.format("dpo") + "cdpo = functools.partial(dpo, smoothing=0.1)\n", None),
        ("from functools import partial\n" + BASE.format("_dpo") + "cdpo = partial(_dpo, smoothing=0.1)\n", None),
        ("from functools import partial as p\n" + BASE.format("_dpo") + "cdpo: object = p(_dpo, beta=1)\n", None),
        ("from functools import partial\n" + BASE.format("dpo") + "cdpo = partial(dpo, smoothing=0.1)\n", "cdpo"),
    ],
)
def test_partial(source, entry):
    rule, message, fix = told(source, entry=entry)
    assert rule == "S107"
    assert "cdpo is made by functools.partial of" in message
    assert "def cdpo(...): return" in fix


def test_a_partial_of_a_helper_is_a_helper():
    used = f"import functools\ndef _f(x, k): return x * k\nsoft = functools.partial(_f, k=2)\n{LOSS}    soft\n"
    assert plan(used)[0] == "loss"
    torchs = f"import functools\nsoft = functools.partial(F.softplus, beta=2)\n{LOSS}"
    assert plan(torchs)[0] == "loss"
    private = "import functools\n" + BASE.format("dpo") + "_other = functools.partial(dpo, smoothing=0.1)\n"
    assert plan(private)[0] == "dpo"
    chosen = "import functools\n" + BASE.format("dpo") + "other = functools.partial(dpo, smoothing=0.1)\n"
    assert plan(chosen, "dpo")[0] == "dpo"


def test_the_older_profile_takes_the_function_beside_a_partial():
    source = "import functools\n" + BASE.format("dpo") + "cdpo = functools.partial(dpo, smoothing=0.1)\n"
    assert screen(candidate(source), binding=POSITION).plan.entry == "dpo"


@pytest.mark.parametrize(
    "source",
    [
        CLOSURE,
        CLOSURE.replace("return loss", "inner = loss\n    return loss"),
        f"def make(beta):\n    return lambda {VECTORS}: beta * policy_chosen_logps\n",
        f"def make({VECTORS}, beta):\n    def inner(): return beta\n    return inner\n",
        f"make = lambda tau: (lambda {VECTORS}, beta: tau * beta * policy_chosen_logps)\n",
    ],
)
def test_closures(source):
    rule, message, fix = told(source)
    assert rule == "S109"
    assert "make: it returns the function" in message
    assert "to the top level" in fix


@pytest.mark.parametrize("entry", [None, "loss"])
def test_a_closure_that_is_made(entry):
    rule, message, fix = told(CLOSURE + "loss = make(0.1)\n", entry=entry)
    assert (rule, "loss is what make(...) returns" in message, "top level" in fix) == ("S107", True, True)


@pytest.mark.parametrize("entry", [None, "loss"])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("make = lambda tau: ({})\nloss = make(0.1)\n", "loss is what make(...) returns: a closure."),
        ("make = lambda tau: ({})\nloss: object = make(0.1)\n", "loss is what make(...) returns: a closure."),
        ("loss = (lambda tau: ({}))(1.0)\n", "loss is what a lambda returns: a closure."),
    ],
)
def test_a_closure_that_a_lambda_makes(source, message, entry):
    inner = f"lambda {VECTORS}, beta: tau * beta * policy_chosen_logps"
    rule, told_, fix = told(source.format(inner), entry=entry)
    assert (rule, told_) == ("S107", message)
    assert "returns to the top level, and write its numbers into it" in fix


def test_a_lambda_that_returns_values_is_no_maker():
    assert plan(f"half = lambda x: x / 2.0\nHALF = half(1.0)\n{LOSS}    HALF\n")[0] == "loss"
    assert plan(f"loss = lambda {VECTORS}, beta: (lambda x: x * beta)(policy_chosen_logps)\n")[0] == "loss"


def test_a_loss_that_returns_values_of_an_inner_function_is_none_of_these():
    source = (
        f"def loss({VECTORS}, beta):\n    def inner():\n        return policy_chosen_logps\n    return inner() * beta\n"
    )
    assert plan(source)[0] == "loss"
    decorated = f"def twice(f):\n    def inner(*a):\n        return f(*a) * 2\n    return inner\n@twice\n{LOSS}"
    assert plan(decorated)[0] == "loss"


@pytest.mark.parametrize(
    ("source", "method"),
    [
        (MODULE, "forward"),
        (MODULE.replace("forward", "__call__"), "__call__"),
        (MODULE.replace("forward", "dpo_loss").replace("(nn.Module)", ""), "dpo_loss"),
        (MODULE + "loss_fn = DPOLoss(0.1)\n", "forward"),
        (MODULE + "loss_fn = DPOLoss(0.1).forward\n", "forward"),
        (MODULE + "def _helper(x): return x\nloss_fn = DPOLoss()\n", "forward"),
        (MODULE + f"def dpo({VECTORS}, beta): return beta\nloss_fn = DPOLoss()\n", "forward"),
    ],
)
def test_classes(source, method):
    rule, message, fix = told(source, policy=False)
    assert rule == "S107"
    assert "DPOLoss" in message
    assert f"Take {method} out of the class" in fix


def test_the_next_step_for_a_class_is_one():
    method = f"def forward(self, {VECTORS}):\n    return self.beta * policy_chosen_logps\n"
    assert plan(method)[:2] == ["forward", "method"]


def test_an_object_that_is_used_is_no_loss():
    source = (
        "class Gate:\n    def __call__(self, x):\n        return x\n"
        f"gate = Gate()\ndef loss({VECTORS}, beta):\n    return gate(beta * policy_chosen_logps)\n"
    )
    assert plan(source)[0] == "loss"
    assert faults("class Config:\n    tau = 1.0\nCONFIG = Config()\n" + LOSS) == []


def test_a_class_without_a_loss_keeps_its_sentence():
    (fault,) = [f for f in read("class A:\n    x = 1\n")["faults"] if f[0] == "S107"]
    assert fault[1] == "There is the class A, and no function at the top level."
