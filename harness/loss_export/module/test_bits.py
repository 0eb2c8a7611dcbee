"""Whether the loss gives the oracle's bits here: `python -m FOLDER.test_bits`, or pytest on this file.

`oracle.json` has what the sandbox was asked when the loss was exported, and what it answered. It computed with the
instructions that every x86-64 processor has, so a process of its own is started with the same settings; as torch comes,
last bits differ from one kind of processor to another.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from harness.loss_export.module.loss import Loss

_HERE = Path(__file__).parent
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def different() -> list[str]:
    """The questions to which this process answers with other bits than the oracle did."""
    asked = json.loads((_HERE / "oracle.json").read_bytes())["asked"]
    return [f"question {number}: {told}" for number, one in enumerate(asked) if (told := _differs(one))]


def _differs(one: dict[str, Any]) -> str:
    vectors = [_tensor(one["dtype"], text) for text in one["tensors"]]
    leaves = [vector.requires_grad_() for vector in vectors[:2]]
    loss = Loss(one["beta"], guard="off")
    more = {"chosen_lengths": vectors[4], "rejected_lengths": vectors[5], "progress": one["progress"]}
    values = loss(*vectors[:4], **more)
    if values.requires_grad:
        values.mean().backward()
    gradients = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    if list(values.shape) != one["shape"] or values.dtype != _DTYPES[one["values"][0]]:
        return f"{values.dtype} of the shape {tuple(values.shape)}"
    pairs = zip(("values", "chosen", "rejected"), (values.detach().reshape(-1), *gradients), strict=True)
    return ", ".join(name for name, mine in pairs if not _same(mine, _tensor(*one[name])))


def _tensor(dtype: str, text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=_DTYPES[dtype])


def _same(mine: torch.Tensor, theirs: torch.Tensor) -> bool:
    """The same bits, but for which NaN a NaN is."""
    bits = [t.nan_to_num(0.0, torch.inf, -torch.inf).view(torch.uint8) for t in (mine, theirs)]
    return torch.equal(mine.isnan(), theirs.isnan()) and torch.equal(*bits)


def test_the_bits_are_the_oracles() -> None:
    """All questions, in a process that computes as the sandbox does."""
    settings = json.loads((_HERE / "oracle.json").read_bytes())["environment"]
    command = [sys.executable, "-m", f"{_HERE.name}.{Path(__file__).stem}"]
    done = subprocess.run(
        command, env={**os.environ, **settings}, cwd=_HERE.parent, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)


def main() -> int:
    """Started with the sandbox's settings, ask; else start that process."""
    settings = json.loads((_HERE / "oracle.json").read_bytes())["environment"]
    if any(os.environ.get(name) != value for name, value in settings.items()):
        test_the_bits_are_the_oracles()
        print("the same bits")  # noqa: T201 - what it was asked
        return 0
    found = different()
    print("\n".join(found))  # noqa: T201 - as above
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
