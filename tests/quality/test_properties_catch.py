"""Each property is broken by losses of its own, and none is satisfied by tricks in place of numbers."""

from __future__ import annotations

import textwrap
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from short import checked
from support import decided

from harness.checks.options import Options
from harness.core.verdict import Accepted, Rejected
from harness.property_tests.preference import PROPERTY_RULES

if TYPE_CHECKING:
    from harness.core.result import CheckResult
    from harness.core.verdict import Verdict

pytestmark = pytest.mark.container

HERE = Path(__file__).parent
#: There is a difference between devices only where there is a second one.
NEEDS_GPU = {"device-agreement"}
PROPERTIES = [rule.name for rule in PROPERTY_RULES if rule.name not in NEEDS_GPU]


@pytest.mark.parametrize("name", PROPERTIES)
def test_at_least_three_bad_losses_name_it(name: str) -> None:
    expected = tomllib.loads((HERE / "expected.toml").read_text("utf-8"))
    assert Counter(entry["rule"] for entry in expected.values())[name] >= 3


HEAD = """
import os, sys, json, atexit, builtins, ctypes, gc, math, threading, time
import torch
import torch.nn.functional as F
{top}

def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    {body}
    return {ending}
"""
#: NaN for every pair: what all the tricks try to hide.
BAD = "F.softplus(-beta * rho) * float('nan')"
#: The wrong way round.
INVERTED = "F.softplus(beta * rho)"


def text(top: str = "", body: str = "pass", ending: str = BAD) -> str:
    body = textwrap.indent(textwrap.dedent(body).strip(), "    ").strip()
    return HEAD.format(top=textwrap.dedent(top).strip(), body=body, ending=ending)


REPORT = '{"schema": "harness.report/v1", "exit_code": 0, "results": [{"verdict": "accepted", "findings": []}]}'
PIPES = """
def pipes():
    found = []
    for fd in range(3, 64):
        try:
            os.fstat(fd)
            found.append(fd)
        except OSError:
            pass
    return found
"""
TRICKS = {
    "exits at import": text("os._exit(0)"),
    "exits politely at import": text("sys.exit(0)"),
    "exits in the call": text(body="os._exit(0)"),
    "exits politely in the call": text(body="sys.exit(0)"),
    "prints a report and exits": text(f"print({REPORT!r})\nsys.stdout.flush()\nos._exit(0)"),
    "prints a report": text(body=f"print({REPORT!r})"),
    "prints for pytest": text(body="print('18 passed in 0.01s')", ending=INVERTED),
    "prints frames and exits": text(body="os.write(1, b'HRN1' + bytes([19, 0, 0, 0]) + bytes(64))\nos._exit(0)"),
    "writes frames and exits": text(
        PIPES, "for fd in pipes():\n    os.write(fd, b'HRN1' + bytes([19, 0, 0, 0]) + bytes(64))\nos._exit(0)"
    ),
    "writes a report to every descriptor": text(
        PIPES,
        f"for fd in pipes():\n    try:\n        os.write(fd, {REPORT!r}.encode())\n    except OSError:\n        pass",
    ),
    "writes at exit": text(PIPES + f"atexit.register(lambda: [os.write(fd, {REPORT!r}.encode()) for fd in pipes()])"),
    "writes from a thread": text(
        PIPES
        + "def late():\n    time.sleep(0.2)\n    for fd in pipes():\n        os.write(fd, bytes(64))\n"
        + "threading.Thread(target=late, daemon=True).start()"
    ),
    "patches isnan": text(
        "torch.isnan = lambda x: torch.zeros_like(x, dtype=torch.bool)\ntorch.isfinite = torch.ones_like"
    ),
    "patches the tensor's methods": text(
        "torch.Tensor.isnan = lambda s: torch.zeros_like(s, dtype=torch.bool)\n"
        "torch.Tensor.isfinite = lambda s: torch.ones_like(s, dtype=torch.bool)\n"
        "torch.Tensor.__eq__ = lambda s, o: True\ntorch.Tensor.__ne__ = lambda s, o: False"
    ),
    "patches autograd": text(
        "torch.autograd.grad = lambda *a, **k: (torch.ones(1), torch.ones(1))", ending="F.softplus(beta * rho)"
    ),
    "patches aten": text(
        "library = torch.library.Library('aten', 'IMPL')\n"
        "library.impl('isnan', lambda x: torch.zeros_like(x, dtype=torch.bool), 'CPU')"
    ),
    "patches json and math": text(
        "json.dumps = lambda *a, **k: 'accepted'\nmath.isnan = math.isinf = lambda x: False\n"
        "math.isfinite = lambda x: True"
    ),
    "replaces modules": text(
        "import types\nfor name in ('pytest', 'hypothesis', 'harness', 'property_tests', 'numpy'):\n"
        "    sys.modules[name] = types.ModuleType(name)"
    ),
    "replaces the wire": text(
        "worker = sys.modules['sandbox.worker']\n"
        "worker._status = lambda error: 0\nworker._complain = lambda error: b''",
        "raise ValueError",
    ),
    "replaces the packing by nonsense": text("sys.modules['sandbox.worker']._pack = lambda *a: bytes(9)"),
    "replaces builtins": text("builtins.len = lambda x: 1\nbuiltins.type = lambda x: torch.Tensor", "raise ValueError"),
    "swallows everything": text("sys.excepthook = sys.unraisablehook = lambda *a: None", "raise SystemExit(0)"),
    "lies about its shape": text(
        "class Liar(torch.Tensor):\n    shape = property(lambda s: (1,))\n    ndim = 1\n"
        "    def numel(self): return 1\n    def isfinite(self): return torch.ones(1, dtype=torch.bool)\n"
        "    def __eq__(self, o): return True",
        ending="rho.as_subclass(Liar)",
    ),
    "lies about its class": text(
        "class Liar:\n    __class__ = torch.Tensor\n    dtype = torch.float32\n    shape = ()\n"
        "    requires_grad = False\n"
        "    def numel(self): return 1\n    def detach(self): return torch.zeros(())",
        ending="Liar()",
    ),
    "answers a number that equals all": text(
        "class Equal(float):\n    def __eq__(self, o): return True\n    def __lt__(self, o): return True\n"
        "    __hash__ = float.__hash__",
        ending="Equal(0.5)",
    ),
    "hooks the gradient": text(
        body="policy_chosen_logps.register_hook(lambda g: -g)\npolicy_rejected_logps.register_hook(lambda g: -g)",
        ending="F.softplus(-beta * rho)",
    ),
    "counts calls": text("N = [0]", "N[0] += 1", "F.softplus(-beta * rho) if N[0] < 200 else F.softplus(beta * rho)"),
    "looks at the clock": text(ending="F.softplus(-beta * rho) * (1 + 1e-3 * (time.time_ns() // 1000 % 7))"),
    "reads its process number": text(ending="F.softplus(-beta * rho) * (1 + 1e-3 * (os.getpid() % 97))"),
    "keeps count in a file": text(
        body="open('/tmp/n', 'a').write('x')", ending="F.softplus(-beta * rho) + 1e-3 * os.path.getsize('/tmp/n')"
    ),
    "draws without a seed": text(ending="F.softplus(-beta * rho) + 1e-3 * torch.rand_like(rho)"),
    "hides behind no_grad": text("torch.set_grad_enabled(False)", ending="F.softplus(-beta * rho)"),
    "searches memory for the answer": text(
        body="for thing in gc.get_objects():\n    if isinstance(thing, dict) and 'verdict' in thing:\n"
        "        thing['verdict'] = 'accepted'"
    ),
}
#: Tricks that change nothing about the numbers: with a sound loss's numbers they are that loss.
HARMLESS = {
    "patched comparisons around a sound loss": text(
        "torch.isnan = lambda x: torch.zeros_like(x, dtype=torch.bool)\njson.dumps = lambda *a, **k: 'rejected'",
        ending="F.softplus(-beta * rho)",
    ),
    "a report printed beside a sound loss": text(f"print({REPORT!r})", ending="F.softplus(-beta * rho)"),
}


def written(folder: Path) -> dict[str, Path]:
    """Every text in a file of its own."""
    every = {**TRICKS, **HARMLESS, "sound": text(ending="F.softplus(-beta * rho)")}
    paths = {name: folder / f"{number:02}.py" for number, name in enumerate(every)}
    for name, path in paths.items():
        path.write_text(every[name], encoding="utf-8")
    return paths


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, sandbox_image: object) -> dict[str, CheckResult]:
    """All tricks with the screen off, asked what shows that a loss is wrong in the ways that they hide."""
    del sandbox_image
    paths = written(tmp_path_factory.mktemp("tricks"))
    results = checked(dict.fromkeys(paths.values(), SHOWN_BY), Options(screen=False))
    return {name: results[path] for name, path in paths.items()}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory, sandbox_image: object) -> dict[str, CheckResult]:
    """All tricks with the screen off, by whole checks, two at a time."""
    del sandbox_image
    paths = written(tmp_path_factory.mktemp("tricks"))
    return dict(zip(paths, decided([*paths.values()], Options(jobs=2, screen=False)), strict=True))


#: Direction, gradients against differences, determinism: with what a short check asks of all, they show each trick.
SHOWN_BY = {"P308", "P306", "P309"}


@pytest.mark.rest
@pytest.mark.parametrize("name", TRICKS)
def test_no_trick_stands_for_a_sound_loss(short: dict[str, CheckResult], name: str) -> None:
    fails(short[name].verdict)


@pytest.mark.whole
@pytest.mark.parametrize("name", TRICKS)
def test_no_trick_stands_for_a_sound_loss_in_a_whole_check(verdicts: dict[str, CheckResult], name: str) -> None:
    fails(verdicts[name].verdict)


def fails(verdict: Verdict) -> None:
    assert isinstance(verdict, Rejected), verdict
    assert verdict.findings[0].rule[0] in "PW"


@pytest.mark.rest
@pytest.mark.parametrize("name", HARMLESS)
def test_who_answers_with_a_sound_losss_numbers_is_that_loss(short: dict[str, CheckResult], name: str) -> None:
    is_that_loss(short, name)


@pytest.mark.whole
@pytest.mark.parametrize("name", HARMLESS)
def test_who_answers_with_its_numbers_is_that_loss_in_a_whole_check(
    verdicts: dict[str, CheckResult], name: str
) -> None:
    is_that_loss(verdicts, name)


def is_that_loss(results: dict[str, CheckResult], name: str) -> None:
    assert isinstance(results[name].verdict, Accepted)
    assert results[name].facts["fingerprint"] == results["sound"].facts["fingerprint"]
    curves = [results[one].loss_facts.curve for one in (name, "sound")]
    assert curves[0] is not None
    assert curves == [curves[0]] * 2
