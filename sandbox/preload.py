"""Load torch before any candidate is seen.

Covered: a quicker import, one thread, warm kernels. Not covered: keeping a candidate from changing any
of it: each fork starts from the state that is prepared here, and that is all that is promised.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import warnings
from typing import TYPE_CHECKING

from . import late

if TYPE_CHECKING:
    import types

# The worker is among them so that a fork need not load it again.
_ALSO = (
    "torch.nn.functional",
    "torch.special",
    "torch.linalg",
    "typing",
    "dataclasses",
    "functools",
    f"{__package__}.worker",
)


def load_torch(*, trimmed: bool = True) -> types.ModuleType:
    """Import torch, `trimmed` of what loads late; settle on one thread, and run one forward and backward pass."""
    # An import makes a great many objects and hardly any garbage: collecting in between is a tenth of its time.
    gc.disable()
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
    # Nobody's plug-ins, and no look for them. The candidate's environment has nothing of that.
    os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"
    torch = late.import_torch() if trimmed and not _for_cuda() else importlib.import_module("torch")
    del os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"]
    for name in _ALSO:
        importlib.import_module(name)
    torch.set_num_threads(1)
    x = torch.zeros(4, requires_grad=True)
    value = torch.nn.functional.logsigmoid(x * 0.5).mean()
    # The engine itself, as the worker calls it: `torch.autograd.grad` would load what is left out.
    backward = torch.autograd.Variable._execution_engine.run_backward  # noqa: SLF001
    backward((value,), (torch.ones_like(value),), False, False, (x,), True, accumulate_grad=False)  # noqa: FBT003
    gc.freeze()
    gc.enable()
    return torch


def _for_cuda() -> bool:
    """Whether the torch that is installed is one of CUDA's builds."""
    spec = importlib.util.find_spec("torch")
    places = (spec and spec.submodule_search_locations) or ()
    return any(os.path.exists(f"{place}/lib/libtorch_cuda.so") for place in places)  # noqa: PTH110 - see server
