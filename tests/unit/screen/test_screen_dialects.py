"""Which function is the loss and how it is called: S107 to S109, and every accepted way to write one."""

import pytest
from screening import LOSS, VECTORS, faults, plan, read

NAMES = VECTORS.split(", ")


def test_canonical_names():
    assert plan(LOSS) == ["loss", "function", [*NAMES, "beta"], []]


def test_order_is_free_where_names_are_known():
    source = "def loss(beta, rr, rc, pr, pc): return pc"
    assert plan(source)[2] == ["beta", NAMES[3], NAMES[2], NAMES[1], NAMES[0]]


def test_position_where_four_names_say_nothing():
    assert plan("def loss(a, b, c, d, beta=0.1): return a")[2] == [*NAMES, "beta"]
    assert plan("def loss(a, b, c, d): return a")[2] == NAMES


def test_keyword_only_and_defaults():
    source = "def loss(*, pc, pr, rc=None, rr=None, beta: float = 0.1, tau=0.05, **rest): return pc"
    assert plan(source)[2:] == [
        [],
        [["pc", NAMES[0]], ["pr", NAMES[1]], ["rc", NAMES[2]], ["rr", NAMES[3]], ["beta", "beta"]],
    ]


def test_a_default_in_between_is_stepped_over():
    source = "def loss(pc, pr, rc, rr, eps=0.1, beta=0.1): return pc"
    assert plan(source)[2:] == [NAMES, [["beta", "beta"]]]


def test_positional_only():
    assert plan("def loss(a, b, c, d, /, beta): return a")[2] == [*NAMES, "beta"]


def test_reference_free():
    assert plan("def loss(policy_chosen_logps, policy_rejected_logps, beta): return beta")[2] == [*NAMES[:2], "beta"]


def test_optional_inputs_by_name():
    source = f"def loss({VECTORS}, chosen_lengths, rejected_lengths, beta, progress=0.0): return beta"
    assert plan(source)[2] == [*NAMES, "chosen_lengths", "rejected_lengths", "beta", "progress"]


def test_method():
    assert plan(f"def loss(self, {VECTORS}): return self.beta * policy_chosen_logps") == ["loss", "method", NAMES, []]
    assert plan("def loss(self, a, b, c, d): return self.beta * a")[1:3] == ["method", NAMES]


def test_lambda():
    assert plan("loss = lambda pc, pr, rc, rr, beta=0.1: pc")[0] == "loss"
    assert plan("loss: object = lambda pc, pr, beta: pc")[2] == [*NAMES[:2], "beta"]


def test_helpers_are_not_candidates():
    source = f"def _rho(pc, pr, rc, rr): return pc\ndef margin(x): return x\n{LOSS}"
    assert plan(source)[0] == "loss"


def test_names_outrank_positions():
    assert plan(f"def mix(a, b, c, d): return a\n{LOSS}")[0] == "loss"


def test_a_function_that_the_others_serve_is_the_loss():
    source = (
        "def rho(pc, pr, rc, rr): return pc\n"
        "def dpo(pc, pr, rc, rr, beta): return rho(pc, pr, rc, rr)\n"
        "def total(pc, pr, rc, rr, beta): return dpo(pc, pr, rc, rr, beta)\n"
    )
    assert plan(source)[0] == "total"
    assert plan(source, "dpo")[0] == "dpo"


def test_the_last_definition_counts():
    assert plan("def loss(x): return x\n" + LOSS)[2] == [*NAMES, "beta"]


@pytest.mark.parametrize(
    ("source", "entry", "line"),
    [
        ("x = 1\n", None, 1),
        ("import torch\n\nclass Loss:\n    def forward(self, pc, pr): return pc\n", None, 3),
        ("def _loss(pc, pr, rc, rr): return pc\n", None, 1),
        ("\ndef a(x): return x\ndef b(y): return y\n", None, 2),
        (LOSS, "other", 0),
        ("class A:\n    def loss(self): pass\n", "loss", 1),
    ],
)
def test_no_loss_function(source, entry, line):
    assert faults(source, entry) == [("S107", line)]


@pytest.mark.parametrize(
    "source",
    [
        "def a(pc, pr, rc, rr): return pc\ndef b(pc, pr, rc, rr): return pc\n",
        "def a(w, x, y, z): return w\ndef b(w, x, y, z): return w\n",
        "def a(pc, pr): return b(pc, pr)\ndef b(pc, pr): return a(pc, pr)\n",
    ],
)
def test_ambiguous(source):
    assert faults(source) == [("S108", 1)]
    assert plan(source, "b")[0] == "b"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\ndef loss(logits, labels): return logits\n", "logits, labels"),
        ("\ndef loss(): return 1\n", "policy_chosen_logps and policy_rejected_logps"),
        ("\ndef loss(pc, rc, rr): return pc\n", "policy_rejected_logps"),
        ("\ndef loss(pc, pr, rc, rr, weights): return pc\n", "weights"),
        ("\ndef loss(pc, pr, *, weights): return pc\n", "weights"),
        ("\ndef loss(a, b, c, d, e): return a\n", "a, b, c, d, e"),
        ("\ndef loss(a, b, c): return a\n", "a, b, c"),
        ("\ndef loss(pc, policy_chosen_logps, pr): return pc\n", "both mean policy_chosen_logps"),
        ("\ndef loss(pc, pr, x=1, beta=0.1, /): return pc\n", "beta cannot be given by name"),
        ("\ndef loss(*args): return args\n", "does not take"),
        ("\nasync def loss(pc, pr, rc, rr): return pc\n", "async"),
        ("\ndef loss(pc, pr, rc, rr):\n    yield pc\n", "generator"),
        ("\ndef loss(pc, pr, rc, rr):\n    x = yield from pc\n", "generator"),
        ("@torch.no_grad()\ndef loss(pc, pr, rc, rr): return pc\n", "gradient off"),
    ],
)
def test_bad_signature(source, words):
    fault = next(f for f in read(source)["faults"] if f[0] == "S109")
    assert words in fault[1]
    assert fault[2] == 2


def test_a_generator_inside_is_no_generator():
    source = "def loss(pc, pr, rc, rr):\n    def each():\n        yield pc\n    return sum(each())\n"
    assert plan(source)[0] == "loss"


def test_the_chosen_function_is_judged_even_if_private():
    assert plan("def _a(pc, pr): return pc\n" + LOSS, "_a")[0] == "_a"
    assert faults("def a(x): return x\n" + LOSS, "a") == [("S109", 1)]
