"""What the screen calls pointwise or stateless is that; of what keeps something it says neither."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np
import pytest
import torch
from in_process import oracle_of

from harness.core.candidate import Candidate
from harness.core.contract import CLASSIFICATION, PREFERENCE, Contract
from harness.core.program import CallPlan
from harness.losses import CATALOGUE, source_text
from harness.oracle.joined import Joined
from harness.screen import operations, pointwise, screen
from harness.screen.pointwise import Known
from harness.subject.realistic import realistic

HEAD = """
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from math import log

SCALE = 2 * math.log(2)
LISTED = [0.5]


def margin(pc, pr, rc, rr):
    return (pc - pr) - (rc - rr)


def both(a, b):
    return a - b, a + b


def loss(
    policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta, chosen_lengths
):
    z = beta * margin(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps)
    y = policy_chosen_logps
"""
POINTWISE = (
    "return -F.logsigmoid(z)",
    "return z.exp() + torch.clamp(z, min=-1.0, max=2) + z.clamp(max=y)",
    "return F.softplus(-z, beta=2.0) / chosen_lengths",
    "return torch.where(z > 0, z, z * SCALE)",
    "return z.where(y < -3, y)",
    "d, s = both(z, y)\n    return d * s",
    "return both(z, y)[1]",
    "return z if beta > 0.1 else -z",
    "if beta > 0.1 and SCALE < 3:\n        z = z + 1\n    else:\n        z = z - 1\n    return z",
    "for k in range(3):\n        z = z + k * torch.tanh(z)\n    return z",
    "z += 1\n    z *= -0.5\n    return z ** 2",
    "return F.mse_loss(z, torch.ones_like(z), reduction='none')",
    "return (z.detach() * y).to(z.dtype) + torch.tensor(0.5, device=z.device)",
    "return max(beta, 0.1) * abs(z) + log(2) - math.sqrt(beta) * (~(z > 0)).float()",
    "del y, chosen_lengths\n    return -z",
    "if beta > 0.1:\n        w = z\n        del w\n    return -z",
    "return torch.max(z, y) + torch.special.expit(z) + torch.logaddexp(z, y)",
    "w: float = 1 / (2 * beta)\n    return (z - w) ** 2 if w is not None else z",
)
#: What mixes rows, or tells how many they are, and keeps nothing.
MIXED = (
    "return -F.logsigmoid(z).mean()",
    "return z - z.mean()",
    "return z / z.std()",
    "return z * z.shape[0]",
    "return z * len(z)",
    "return z * z.numel()",
    "return z * z.size(0)",
    "return torch.max(z) - z",
    "return z.max() - z",
    "return z.flip(0)",
    "return torch.softmax(z, 0)",
    "return F.softmax(z, dim=0) * z",
    "return torch.cumsum(z, 0)",
    "return z.roll(1)",
    "return F.mse_loss(z, y)",
    "return F.mse_loss(z, y, reduction='mean') + z",
    "return F.normalize(z, dim=0)",
    "for k in range(len(z)):\n        z = z + k\n    return z",
    "m = z.mean()\n    s = z.std(unbiased=False)\n    return -F.logsigmoid((z - m) / (s + 1e-6))",
    "return -F.logsigmoid(z).sum() / z.shape[0]",
    "w = torch.softmax(-z, dim=0).detach()\n    return -(w * F.logsigmoid(z)).sum()",
    "return torch.quantile(z, 0.5) - z + z.median() + z.logsumexp(0)",
    "return z.mean() if z.shape[0] > 1 else z",
    "return F.binary_cross_entropy_with_logits(z, torch.ones_like(z))",
    "return torch.stack([z, y]).mean(dim=0)",
    "return torch.stack([z, y]).sum(0)",
    "return torch.cat((z, y)).mean() + z",
    "return (torch.sigmoid(z.unsqueeze(1) - y.unsqueeze(0))).mean(dim=1)",
)
#: Nothing is known of these.
NOT = (
    "return z if z.sum() > 0 else -z",
    "return z if bool((z > 0).any()) else -z",
    "if torch.all(z > 0):\n        z = -z\n    return z",
    "return z if z > 0 else -z",
    "return z if 0 < z < 1 else -z",
    "return z if not z else -z",
    "return z * float(z)",
    "return z * z.item()",
    "return torch.max(z, 0)[0] - z",
    "return max(z, y)",
    "return torch.sort(z)[0]",
    "return z[::2].repeat(2)",
    "return z[0] + z",
    "return torch.where(z > 0)[0] + z",
    "return z @ z + z",
    "return z.matmul(y) + z",
    "return F.mse_loss(z, y, reduction='none' if beta > 1 else 'sum') + z",
    "LISTED.append(1.0)\n    return z * len(LISTED)",
    "LISTED[0] += 1.0\n    return z * LISTED[0]",
    "return z * LISTED[0]",
    "return sum([z, y])",
    "return z.reshape(-1, 1) - y",
    "return z[:, None].sum(1)",
    "return nn.LogSigmoid()(z)",
    "return nn.BatchNorm1d(1)(z[:, None])[:, 0]",
    "return F.layer_norm(z, z.shape)",
    "try:\n        return z\n    except ValueError:\n        return -z",
    "while beta > 0.5:\n        return -z\n    return z",
    "g = lambda x: x\n    return g(z)",
    "def inner(x):\n        return x\n    return inner(z)",
    "return z if (w := beta) > 0.1 else -z",
    "return [a for a in (z,)][0]",
    "z, *rest = both(z, y)\n    return z",
    "if beta > 0.1:\n        w = z\n    else:\n        w = 1.0\n    return torch.max(w, 0)[0] + z",
    "for k in range(3):\n        w = z\n    return w",
    "if beta > 0.1:\n        return z",
    "return loss(policy_chosen_logps, y, y, y, beta, y)",
    "return margin(*[z, z, y, y])",
    "return torch.clamp(z, out=y)",
    "return z.clamp_(min=0)",
    "return F.relu(z, inplace=True)",
    "return z.data",
    "return z.T",
    "print(z)\n    return z",
    "z.add_(1)\n    return z",
    "beta.x = 1\n    return z",
    "return torch.rand_like(z)",
    "return z if z is y else -z",
    "return z if str(z) else -z",
    "return z == y == y",
    "return f'{z}'",
    "return z, y",
    "return",
    "return beta",
    "range = both\n    for k in range(3):\n        z = z + k\n    return z",
    "return z.max(0)[0] - z",
    "del z\n    return z",
    "del SCALE\n    return z",
    "del z.grad\n    return z",
    "if beta > 0.1:\n        del y\n    return z * y",
    "w = [z, y]\n    w.append(z)\n    return w[0]",
    "return torch.stack([z, beta]).mean(dim=0)",
    "return torch.stack(z)",
    "return torch.max(z, 0)",
    "return torch.max(z, 1.0) + z",
    "return torch.max(z, y, out=y)",
    "return z.median(0)[0] - z",
    "return torch.mean(z, 0, out=y)",
    "return F.mse_loss(z, y, True, True, reduction='none')",
    "return z.mean(*[0])",
    "return F.dropout(z)",
    "return z.size()[0] * z",
    "return z.shape[-1] * z",
)
#: Whole modules: what is at the top of them may keep something, or be something else than it looks like.
MODULES = (
    "import torch\nSEEN = torch.zeros(1)\ndef loss({a}):\n    return pc * SEEN",
    "import torch\nSEEN = torch.tensor(0.0)\ndef loss({a}):\n    x = SEEN\n    x += 1\n    return pc * x",
    "import torch\ndef loss({a}, seen=torch.tensor(0.0)):\n    seen += 1\n    return pc * seen",
    "def loss({a}, seen=[]):\n    seen.append(1)\n    return pc * len(seen)",
    "K = 1.0\nK = 2.0\ndef loss({a}):\n    return pc * K",
    "def half(x):\n    return x / 2\ndef half(x):\n    return x - x.mean()\ndef loss({a}):\n    return half(pc)",
    "import functools\n@functools.cache\ndef k():\n    return 1.0\ndef loss({a}):\n    return pc * k()",
    "def step(n=[0.0]):\n    return 1.0\ndef loss({a}):\n    return pc * step()",
    "class C:\n    n = 0\ndef loss({a}):\n    return pc * C.n",
    "def loss({a}):\n    abs = pc\n    return abs(pc)",
    "import torch\nif True:\n    SIGN = 1.0\ndef loss({a}):\n    return pc * SIGN",
    "def loss({a}, *more):\n    return pc",
    "def loop(x):\n    return loop(x)\ndef loss({a}):\n    return loop(pc)",
    "import torch.nn.functional as F\nF = 3\ndef loss({a}):\n    return F.relu(pc)",
)
#: What these call is no operation that goes by element, whatever its name.
UNDER_A_NAME = (
    "def abs(x):\n    return x - x.mean()\ndef loss({a}):\n    return abs(pc)",
    "import torch as math\ndef loss({a}):\n    return pc * math.mean(pc)",
)
ARGUMENTS = "pc, pr, rc, rr, beta"


def screened(text: str) -> Known:
    program = screen(Candidate("loss.py", text.encode(), "0" * 64))
    return Known(program.stateless, program.pointwise)


def read(text: str, contract: Contract = PREFERENCE) -> Known:
    """What is read off a text, whatever else the screen would say of it."""
    tree = ast.parse(text)
    takes = next(f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == "loss")
    names = [*PREFERENCE.arguments[:4], "beta", "chosen_lengths"][: len(takes.args.args)]
    return pointwise.read_off(tree, CallPlan("loss", "function", tuple(names)), contract)


@pytest.mark.parametrize("body", POINTWISE)
def test_it_is_pointwise(body: str) -> None:
    assert screened(f"{HEAD}    {body}\n") == Known(stateless=True, pointwise=True)


@pytest.mark.parametrize("body", POINTWISE)
def test_and_so_it_is_when_it_runs(body: str) -> None:
    """Rows alone and in company have the same answers."""
    Joined(oracle_of(f"{HEAD}    {body}\n")).establish([realistic(seed, 154) for seed in range(3)])


@pytest.mark.parametrize("body", MIXED)
def test_it_keeps_nothing_and_is_not_pointwise(body: str) -> None:
    assert screened(f"{HEAD}    {body}\n") == Known(stateless=True)


@pytest.mark.parametrize("body", MIXED)
def test_and_so_its_answers_are_the_same_in_any_order(body: str) -> None:
    batches = [realistic(seed, pairs) for seed, pairs in enumerate((2, 3, 64, 7, 2, 200))]
    first, later = oracle_of(f"{HEAD}    {body}\n"), oracle_of(f"{HEAD}    {body}\n")
    answers = first.answers(batches)
    later.answers(batches[3:])
    for one, other in zip(answers, reversed(later.answers(batches[::-1])), strict=True):
        assert one.values.tobytes() == other.values.tobytes()
        assert [g.tobytes() for g in one.gradients] == [g.tobytes() for g in other.gradients]


@pytest.mark.parametrize("body", NOT)
def test_nothing_is_known_of_it(body: str) -> None:
    assert read(f"{HEAD}    {body}\n") == Known()


@pytest.mark.parametrize("text", MODULES)
def test_nor_is_what_may_keep_something_or_is_not_what_it_looks_like(text: str) -> None:
    assert read(text.format(a=ARGUMENTS)) == Known()


@pytest.mark.parametrize("text", UNDER_A_NAME)
def test_nor_is_what_has_the_name_of_another_operation(text: str) -> None:
    assert read(text.format(a=ARGUMENTS)) == Known(stateless=True)


def test_only_where_the_screen_is_on() -> None:
    candidate = Candidate("loss.py", f"{HEAD}    {POINTWISE[0]}\n".encode(), "0" * 64)
    assert screen(candidate).pointwise
    program = screen(candidate, policy=False)
    assert not program.pointwise
    assert not program.stateless


def test_only_for_a_contract_whose_rows_are_single_numbers() -> None:
    text = f"{HEAD}    {POINTWISE[0]}\n"
    assert read(text).pointwise
    assert read(text, CLASSIFICATION) == Known()


def test_most_of_the_catalogue_is_pointwise_and_what_mixes_pairs_is_not() -> None:
    known = {loss.name: screened(source_text(loss.name)).pointwise for loss in CATALOGUE}
    assert {"dpo", "ipo", "lrml", "robust", "slic", "aipo", "rpo"} <= {name for name, so in known.items() if so}
    assert not any(known[loss.name] for loss in CATALOGUE if loss.kind == "batch")


def test_each_operation_of_the_lists_works_row_by_row() -> None:
    """Every one is called with rows of its own and with all of them at once: the values are the same."""
    draw = torch.Generator().manual_seed(5)
    rows = [torch.rand(97, generator=draw, dtype=torch.float64) * 0.9 + 0.05 for _ in range(3)]
    called = set()
    for module, names in operations.FUNCTIONS.items():
        home = {"torch": torch, "torch.nn.functional": torch.nn.functional, "torch.special": torch.special}[module]
        for name in names:
            whole = first_that_works(getattr(home, name), rows)
            if whole is None:
                continue
            call, answer = whole
            called.add(name)
            parts = torch.cat([call([r[i : i + 7] for r in rows]) for i in range(0, 97, 7)])
            assert answer.shape == (97,), name
            np.testing.assert_allclose(
                answer.double().numpy(), parts.double().numpy(), rtol=1e-12, atol=1e-15, err_msg=name
            )
    missed = {n for names in operations.FUNCTIONS.values() for n in names} - called
    assert missed <= {
        "bitwise_and",
        "bitwise_not",
        "bitwise_or",
        "bitwise_xor",
        "full_like",
        "threshold",
        "clamp",
        "clip",
    }


def test_each_operation_that_mixes_rows_gives_the_same_twice_and_one_tensor() -> None:
    rows = torch.rand(97, generator=torch.Generator().manual_seed(5), dtype=torch.float64) + 0.05
    arguments = {
        "quantile": (0.3,),
        "nanquantile": (0.3,),
        "flip": ((0,),),
        "unsqueeze": (0,),
        "roll": (1,),
        "normalize": (2.0, 0),
    }
    for name in operations.MIXING | operations.MIXING_WHOLE:
        home = torch if hasattr(torch, name) else torch.nn.functional
        along = (0,) if "soft" in name or name.startswith(("cum", "log")) else ()
        given = arguments.get(name, along)
        one, other = (getattr(home, name)(rows, *given) for _ in range(2))
        assert isinstance(one, torch.Tensor), name
        assert one.numpy().tobytes() == other.numpy().tobytes(), name


Call = Callable[[list[torch.Tensor]], torch.Tensor]


def first_that_works(
    function: Callable[..., torch.Tensor], rows: list[torch.Tensor]
) -> tuple[Call, torch.Tensor] | None:
    """The function with as many tensors as it takes, and what it gives for all rows."""
    for count in (1, 2, 3):

        def call(several: list[torch.Tensor], count: int = count) -> torch.Tensor:
            return function(*several[:count])

        try:
            answer = call(rows)
        except (TypeError, RuntimeError, ValueError):
            continue
        return call, answer
    return None
