"""What is left out while the sandbox imports torch is there as soon as it is asked for, and changes no answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiers import soon

from harness.sandbox import late

TESTS = Path(__file__).resolve().parents[1]
#: No arguments of the table fit these.
UNCALLED = {
    "Tensor.indices", "Tensor.lu_solve", "Tensor.new_full", "Tensor.values", "isinstance", "issubclass", "next", "ord",
    "torch.distributions.Distribution", "torch.distributions.kl_divergence", "torch.dtype", "torch.iinfo",
    "torch.linalg.solve_triangular", "torch.lstsq", "torch.lu_solve", "torch.poisson_nll_loss", "torch.segment_reduce",
    "torch.view_as_complex",
}  # fmt: skip
#: What a package has once all of torch is imported, and nobody but the import left there.
NO_MODULES = {"torch.ops", "torch.distributed"}
#: Each as the first that is needed; the circles of torch's imports run through the first ones.
NEEDED = [
    "torch._refs", "torch.fx", "torch.distributions", "torch._subclasses.fake_tensor", "torch.func",
    "torch._meta_registrations", "torch._prims.rng_prims", "torch.export.custom_ops", "torch.utils._content_store",
    "torch.testing._internal.logging_tensor", *sorted(m for m in late.MODULES if m.startswith("torch.")),
]  # fmt: skip

LOADED = """
import json, sys, types
from harness.sandbox import late, preload
preload.load_torch(trimmed={trimmed})
modules = {{n: m for n, m in sys.modules.items() if n.partition(".")[0] == "torch" and isinstance(m, types.ModuleType)}}
print(json.dumps({{n: None if type(m) is late.Late else sorted(vars(m)) for n, m in modules.items()}}))
"""
ASKED = """
import json, sys
from harness.sandbox import preload
preload.load_torch()
wanted = json.loads(sys.argv[1])
absent = [f"{p}.{name}" for p in wanted for name in wanted[p] if not hasattr(sys.modules[p], name)]
print(json.dumps(absent))
"""
FIRST = """
import sys
from harness.sandbox import preload
preload.load_torch()
module = __import__(sys.argv[1], fromlist=["x"])
assert module.__doc__ is None or module.__doc__
assert vars(module), "empty"
assert sys.modules[sys.argv[1]] is module
assert module.__spec__.name == sys.argv[1] and type(module.__spec__.loader).__name__ == "SourceFileLoader"
import torch
x = torch.tensor([[0.5, 1.5]], requires_grad=True)
x[:, :1].mul(2).sum().backward()
assert repr(x.grad) == "tensor([[2., 0.]])", x.grad
"""


def python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def called(way: str) -> dict[str, dict[str, list[str]]]:
    command = [sys.executable, "-W", "ignore", "-m", "every_operation", way]
    # New memory is filled with something else in each, so that what tells of it differs always, and not now and then.
    env = {**os.environ, "MALLOC_PERTURB_": {"trimmed": "85", "whole": "255"}[way]}
    done = subprocess.run(command, cwd=TESTS, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    came: dict[str, dict[str, list[str]]] = json.loads(done.stdout)
    return came


@pytest.mark.rest
def test_every_operation_answers_the_same_whether_all_of_torch_was_imported_or_not() -> None:
    trimmed, whole = called("trimmed"), called("whole")
    assert trimmed["came"] == whole["came"]
    failed = ("raised", "forbidden")
    nothing = {name for name, came in trimmed["came"].items() if all(each.startswith(failed) for each in came)}
    assert nothing == UNCALLED
    assert not any(each.startswith("forbidden") for came in trimmed["came"].values() for each in came)
    assert {"torch.nn.intrinsic", "torch.utils.data"} <= set(trimmed["late"]), "nothing was left out"


def test_what_the_whole_import_leaves_on_a_package_is_there() -> None:
    trimmed, whole = (json.loads(python(LOADED.format(trimmed=way))) for way in (True, False))
    assert len(trimmed) < 0.6 * len(whole)
    ran = {name: there for name, there in trimmed.items() if there is not None and name not in NO_MODULES}
    missing = {name: sorted(set(whole[name]) - set(there)) for name, there in ran.items()}
    assert any(missing.values())
    assert json.loads(python(ASKED, json.dumps(missing))) == []


@pytest.mark.parametrize("name", soon(NEEDED, 1))
def test_any_of_them_may_be_needed_first(name: str) -> None:
    python(FIRST, name)


def test_a_late_module_tells_where_it_is_from_without_running_and_stand_ins_are_gone() -> None:
    told = python(
        "import sys\nfrom harness.sandbox import late, preload\ntorch = preload.load_torch()\n"
        "print('torch.func' in sys.modules, 'func' in vars(torch))\n"
        "m = sys.modules['torch.export']\nprint(m.__name__, m.__spec__.name, type(m) is late.Late)\n"
        "del m.export\nprint(type(m) is late.Late, hasattr(m, 'export'), hasattr(m, 'Dim'))\n"
        "print(torch.func.grad(torch.sin)(torch.tensor(0.0)).item())\n"
        "print(torch.vmap(torch.sin)(torch.zeros(2)).tolist(), torch.func.vmap is torch.vmap)"
    )
    assert told.splitlines() == [
        "False False",
        "torch.export torch.export True",
        "False False True",
        "1.0",
        "[0.0, 0.0] False",
    ]


def test_a_build_for_cuda_is_imported_whole(tmp_path: Path) -> None:
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    (tmp_path / "torch" / "__init__.py").write_text("")
    (tmp_path / "torch" / "lib" / "libtorch_cuda.so").touch()
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\nfrom harness.sandbox import preload\nprint(preload._for_cuda())"
    )
    assert python(code, str(tmp_path)).strip() == "True"
    assert python(code, str(tmp_path / "none")).strip() == "False"
