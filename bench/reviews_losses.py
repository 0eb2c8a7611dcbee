"""The losses of rung 3's table: the catalogue, and broken ones that a rung has to stop."""

from __future__ import annotations

from bench.trusted import TrustedLoss, from_text
from harness.losses import CATALOGUE, source_text

_RHO = "    x = beta * ((pc - pr) - (rc - rr))\n"
#: What is wrong with each is in its name; x is beta times the margin rho.
_BODIES = {
    "negated": "softplus(x)",
    "constant": "0.0 * x",
    "even": "log(cosh(x.clamp(-60, 60)))",
    "linear": "-x",
    "cubed": "softplus(-x**3)",
    "square": "(x - 20.0).square()",
    "exploding": "exp(x.square()) * (1 - x)",
    "logarithm": "-log(x)",
    "inverted_tail": "where(x > 0.1, softplus(x), softplus(-x))",
    "noise": "softplus(-x * sin(1e4 * pc))",
    "shuffled": "softplus(-x.roll(1) * sign(x))",
    "reference_free": "softplus(-beta * (pc - pr))",
    "rejected_only": "beta * (pr - rr)",
    "rejected_and_chosen_down": "softplus(beta * (pr - rr)) + softplus(beta * (pc - rc))",
    "chosen_only": "-pc",
    "swapped_reference": "softplus(-beta * ((pc - pr) + (rc - rr)))",
    "length_only": "softplus(-beta * (pc + pr))",
}
BROKEN = tuple(_BODIES)
GOOD = tuple(entry.name for entry in CATALOGUE)
_NAMES = ("softplus", "relu", "log", "exp", "cosh", "where", "sin", "sign")


def loss(name: str) -> TrustedLoss:
    """A loss of the catalogue or a broken one, by name."""
    for entry in CATALOGUE:
        if entry.name == name:
            return from_text(source_text(name), entry.smallest_batch)
    return from_text(text(name))


def text(name: str) -> str:
    """A broken loss as a candidate."""
    words = "".join(f"    {n} = {'F' if n in {'softplus', 'relu'} else 'torch'}.{n}\n" for n in _NAMES)
    head = "import torch\nimport torch.nn.functional as F\n\n\ndef loss(pc, pr, rc, rr, beta):\n"
    return f"{head}{words}{_RHO}    return {_BODIES[name]}\n"
