"""Texts of candidates that misbehave in one way each, for the tests of what stops them."""

from __future__ import annotations

import textwrap

SIGNATURE = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
RHO = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"
RETURN = "return F.softplus(-beta * rho)"
DPO = f"import torch.nn.functional as F\n\ndef loss({SIGNATURE}):\n    rho = {RHO}\n    {RETURN}\n"
INVERTED = DPO.replace("-beta", "beta")


def loss(body: str = "", *, top: str = "", ending: str = RETURN) -> str:
    """DPO, with `top` at module level and `body` before its return statement."""
    lines = [
        "import os, sys, json, time, ctypes, torch",
        "import torch.nn.functional as F",
        textwrap.dedent(top).strip(),
    ]
    lines += ["", f"def loss({SIGNATURE}):", f"    rho = {RHO}", textwrap.indent(textwrap.dedent(body).strip(), "    ")]
    return "\n".join([*lines, f"    {ending}", ""])


#: Finds the descriptors that frames are written to: pipes that are not the standard streams.
FIND_PIPES = """
def pipes():
    found = []
    for fd in range(3, 64):
        try:
            os.fstat(fd)
            os.write(fd, b"")
            found.append(fd)
        except OSError:
            pass
    return found
"""
