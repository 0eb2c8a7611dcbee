"""Load torch before any candidate is seen.

Covered: a quicker import, one thread, warm kernels. Not covered: keeping a candidate from changing any
of it: each fork starts from the state that is prepared here, and that is all that is promised.
"""

from __future__ import annotations

import gc
import importlib
import sys
import types
import warnings

# Shape inference for tensors without data, and with it torch's whole table of decompositions: a third
# of the import time, and never reached by a computation on real numbers. It is left out while torch is
# imported, and can be imported afterwards as usual.
_DEFERRED = "torch._meta_registrations"
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


def load_torch() -> types.ModuleType:
    """Import torch, settle on one thread, and run one forward and backward pass."""
    # An import makes a great many objects and hardly any garbage: collecting in between is a tenth of its time.
    gc.disable()
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
    sys.modules[_DEFERRED] = types.ModuleType(_DEFERRED)
    torch = importlib.import_module("torch")
    del sys.modules[_DEFERRED]
    for name in _ALSO:
        importlib.import_module(name)
    torch.set_num_threads(1)
    x = torch.zeros(4, requires_grad=True)
    torch.autograd.grad(torch.nn.functional.logsigmoid(x * 0.5).mean(), [x])
    gc.freeze()
    gc.enable()
    return torch
