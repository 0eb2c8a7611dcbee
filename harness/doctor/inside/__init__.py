"""The probes: candidates of our own that try what a hostile one would try, and answer how far they got.

The files beside this one are sent into a sandbox as text, through the ordinary oracle; the harness does
not import them.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.contract import VECTORS
from harness.core.program import CallPlan, Program
from harness.subject.batches import plain

if TYPE_CHECKING:
    from harness.oracle.oracle import Oracle
    from harness.protocol.batch_types import PairBatch

#: Pairs that a probe is asked about: its findings have as many bytes at most.
ROOM = 1 << 14


def program(name: str, **constants: str | float) -> Program:
    """The probe of a file, with its constants set."""
    folder = resources.files(__name__)
    text = folder.joinpath(f"{name}.py").read_text("utf-8") + folder.joinpath("answer.py").read_text("utf-8")
    text += "".join(f"{key} = {value!r}\n" for key, value in constants.items())
    return Program(text, guarded=False, plan=CallPlan("loss", "function", (*VECTORS, "beta")), name=name, source=text)


def ask(oracle: Oracle) -> dict[str, Any]:
    """Let the probe work, and read its findings; raises what the oracle raises, ValueError for anything else."""
    values = oracle.answer(question()).values
    findings = json.loads(values.astype(np.uint8).tobytes())
    if not isinstance(findings, dict):
        raise TypeError("a probe gave no findings")
    return findings


def question() -> PairBatch:
    """The batch that a probe is asked about."""
    return plain(np.zeros(ROOM), 0.1)
