"""Candidates that cannot lie in a repository as they are: made when they are needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DPO = b"""import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
"""


def _bytes(data: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return make


def _link(path: Path) -> Path:
    target = path.with_suffix(".target")
    target.write_bytes(DPO)
    path.symlink_to(target)
    return path


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


MAKERS: dict[str, Callable[[Path], Path]] = {
    "01_empty": _bytes(b""),
    "01_only_a_comment": _bytes(b"# nothing here\n"),
    "02_latin_1": _bytes(DPO + b"# gr\xfc\xdfe\n"),
    "02_byte_order_mark": _bytes(b"\xef\xbb\xbf" + DPO),
    "02_nul_byte": _bytes(DPO + b"# \x00\n"),
    "04_ten_megabytes": _bytes(DPO + b"#" * 10_000_000 + b"\n"),
    "10_symbolic_link": _link,
    "10_named_pipe": _fifo,
    "10_device": lambda _: __import__("pathlib").Path("/dev/zero"),
}
