"""Ordinary Python passes, and behaves under the guards as it does without them."""

import ast
import contextlib
import io
import re
from pathlib import Path

import pytest
from screening import LOSS, faults, read

from harness.sandbox import guards

SNIPPETS = dict(
    re.findall(
        r"^=== ([^\n]*)\n(.*?)\n(?=\n=== |\Z)",
        (Path(__file__).parent / "ordinary.txt").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)


def run(text, *, guarded):
    namespace = guards.namespace(guarded)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, "<candidate>", "exec", dont_inherit=True), namespace)  # noqa: S102 - snippets of our own
    return repr(namespace["result"]), out.getvalue()


@pytest.mark.parametrize("name", SNIPPETS)
def test_behaves_as_written(name):
    source = f"{SNIPPETS[name]}\n\n{LOSS}"
    answer = read(source)
    assert "faults" not in answer, answer["faults"]
    assert run(answer["text"], guarded=True) == run(source, guarded=False)


def test_the_snippets_are_really_transformed():
    assert sum("_getattr_(" in read(f"{code}\n{LOSS}")["text"] for code in SNIPPETS.values()) > 15


TORCH = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.functional
from torch import Tensor, nn as layers, linalg
from torch.nn.functional import logsigmoid, softplus as sp
from torch.special import expit

TAU: Tensor | None = None

def _weights(x: torch.FloatTensor, /) -> torch.Tensor:
    with torch.no_grad():
        return torch.softmax(x.detach() / 2, dim=0)

def loss(pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor, beta: float = 0.1) -> Tensor:
    rho = (pc - pr) - (rc - rr).to(pc.device, dtype=pc.dtype)
    x = (beta * rho).clamp(min=-50.0, max=torch.finfo(pc.dtype).max)
    y = torch.zeros_like(x)
    y[x > 0] += 1.0
    y[..., 0] = 2.0
    y = y.clone().mul_(0.5)
    hinge = torch.where(rho >= 0, torch.tensor(0.9), torch.ones(1, dtype=torch.float32) * 0.45)
    values, indices = x.sort(descending=True)
    top = torch.topk(x, k=1).values
    norm = torch.linalg.vector_norm(x) + linalg.norm(x)
    dist = torch.distributions.Normal(0.0, 1.0).cdf(x)
    parts = [F.relu(1 - x), nn.Softplus(beta=2)(x), layers.LogSigmoid()(x), sp(-x), expit(x), torch.special.ndtr(x)]
    total = torch.stack(parts).mean(dim=0) + torch.cat([x[:1], x[1:]]) * 0
    if x.shape[0] > 1 and not torch.isnan(x).any().item():
        total = total + x.std(unbiased=False) * 0 + torch.var(x) * 0
    total = total + torch.einsum("i,i->i", x, x) * 0 + torch.cumsum(x, dim=-1) * 0 + x.size(0) * 0 + x.numel() * 0
    return -logsigmoid(x) * hinge + total * 0 + _weights(x) * 0 + (top + norm + dist + values + y).sum() * 0
"""


def test_ordinary_torch_passes():
    answer = read(TORCH)
    assert "faults" not in answer, answer["faults"]
    assert "torch.zeros_like" not in answer["text"]


def test_torch_is_there_without_an_import():
    source = (
        "def loss(self, policy_chosen_logps: torch.FloatTensor, policy_rejected_logps: torch.FloatTensor,\n"
        "         reference_chosen_logps, reference_rejected_logps) -> torch.FloatTensor:\n"
        "    x = self.beta * (policy_chosen_logps - policy_rejected_logps)\n"
        "    return -F.logsigmoid(x) + nn.Softplus()(x) * math.exp(-1) * 0\n"
    )
    assert faults(source) == []


def test_the_main_block_is_not_judged():
    source = f"{LOSS}\nif '__main__' == __name__:\n    import numpy\n    loss(torch.randn(3))\n"
    answer = read(source)
    assert "numpy" not in answer["text"]
    assert faults(source.replace("'__main__'", "'main'"))[0] == ("S112", 5)


def spread(source):
    """Put blank lines and comments between the lines of a source, so that every line moves."""
    out = []
    for number, line in enumerate(ast.unparse(ast.parse(source)).split("\n")):
        out += ["", f"# {number}"][: number % 3] if '"""' not in source else []
        out.append(line)
    return "\n".join(out)


def statements(tree):
    """Give the first statement on each line, found in another way than by the module under test."""
    first: dict[int, ast.stmt | ast.excepthandler] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.stmt, ast.excepthandler)):
            first.setdefault(node.lineno, node)
    return first


def names(node):
    return sorted(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not n.id.endswith("_"))


def test_every_line_leads_back():
    snippets = [code for code in SNIPPETS.values() if "__future__" not in code and "'''" not in code]
    source = spread("\n".join([*snippets, TORCH]))
    answer = read(source)
    assert "faults" not in answer, answer["faults"]
    text, lines = answer["text"].split("\n"), answer["lines"]
    assert len(text) == len(lines)
    theirs, ours = statements(ast.parse(source)), statements(ast.parse(answer["text"]))
    assert len(ours) > 250
    assert sum(line > number for number, line in enumerate(lines, 1)) > 250
    for number, node in ours.items():
        own = theirs[lines[number - 1]]
        if isinstance(own, ast.If):
            continue  # a main guard is emptied
        assert type(own) is type(node), text[number - 1]
        assert names(own) == names(node), text[number - 1]


def test_lines_of_a_layout_that_is_written_out_differently():
    source = (
        "import torch; import math\n"  # 1
        "\n"
        "@(\n"
        "    staticmethod)\n"  # the decorator begins on 4
        "def loss(\n"  # 5
        "    pc, pr,\n"
        "    rc, rr,\n"
        "):\n"
        '    """Doc\n'  # 9
        "\n"
        '    string."""\n'
        "    x = (\n"  # 12
        "        pc\n"
        "        - pr\n"
        "    )\n"
        "    if x is None: y = 1; z = 2\n"  # 16
        "    elif x: pass\n"  # 17
        "    else:\n"
        "        z = 3\n"  # 19
        "    try:\n"  # 20
        "        z = 4\n"
        "    except ValueError: z = 5\n"  # 22
        "    match z:\n"
        "        case 1: z = 6\n"  # 24
        "        case _:\n"
        "            z = 7\n"
        "    return x"  # 27
    )
    answer = read(source)
    pairs = dict(zip([line.strip() for line in answer["text"].split("\n")], answer["lines"], strict=True))
    expected = {
        "import torch": 1,
        "import math": 1,
        "@staticmethod": 4,
        "def loss(pc, pr, rc, rr):": 5,
        '"""Doc': 9,
        "x = pc - pr": 12,
        "if x is None:": 16,
        "y = 1": 16,
        "z = 2": 16,
        "elif x:": 17,
        "pass": 17,
        "z = 3": 19,
        "try:": 20,
        "z = 4": 21,
        "except ValueError:": 22,
        "z = 5": 22,
        "match z:": 23,
        "case 1:": 24,
        "z = 6": 24,
        "case _:": 25,
        "z = 7": 26,
        "return x": 27,
    }
    assert {key: pairs[key] for key in expected} == expected
