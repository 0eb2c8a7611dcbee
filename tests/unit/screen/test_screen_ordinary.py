"""Ordinary Python passes, and behaves under the guards as it does without them."""

import ast
import contextlib
import io

import pytest
from ordinary import SNIPPETS
from screening import LOSS, faults, read

from sandbox import guards


def run(text, *, guarded):
    namespace = guards.namespace(guarded)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, "<candidate>", "exec", dont_inherit=True), namespace)
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


def places(tree):
    """Walk the statements of a tree in another way than the module under test."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.stmt, ast.excepthandler)):
            yield (type(node).__name__, node)


LONG = "\n\n# a comment\n".join(code for code in SNIPPETS.values() if "__future__" not in code)


def test_every_line_leads_back():
    # Each statement of the original carries a marker with its own line number: a string constant.
    original = ast.parse(f"{LONG}\n\n{TORCH}")

    class Mark(ast.NodeTransformer):
        def visit_Constant(self, node):
            return node

    marked_lines = []
    source_lines = ast.unparse(Mark().visit(original)).split("\n")
    spread = []
    for line in source_lines:
        spread.append(line)
        code = line.strip()
        if code and not code.endswith((":", ",", "(")) and "'''" not in code and '"""' not in code:
            spread.extend([""] * (len(marked_lines) % 3))
            marked_lines.append(line)
    source = "\n".join(spread)
    answer = read(source)
    assert "faults" not in answer, answer["faults"]
    text, lines = answer["text"].split("\n"), answer["lines"]
    assert len(text) == len(lines)
    tree = ast.parse(source)
    starts = {}
    for _, node in places(tree):
        starts.setdefault(node.lineno, node)
    transformed = {node.lineno: node for _, node in reversed(list(places(ast.parse(answer["text"]))))}
    checked = 0
    for number, node in transformed.items():
        assert lines[number - 1] in starts, (number, text[number - 1])
        own = starts[lines[number - 1]]
        assert type(own) is type(node)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            assert own.name == node.name
        elif not isinstance(node, (ast.If, ast.Pass)):
            mine = [n.id for n in ast.walk(own) if isinstance(n, ast.Name)]
            theirs = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not n.id.endswith("_")]
            assert [n for n in mine if not n.endswith("_")] == theirs, text[number - 1]
        checked += 1
    assert checked > 300


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
