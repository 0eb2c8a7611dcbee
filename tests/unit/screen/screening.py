"""What the screen's tests share: reading a text without a process of its own, and its findings."""

import hashlib
import warnings

import pytest

from harness.core.candidate import Candidate
from harness.core.errors import CandidateFault
from harness.screen import screen, worker

VECTORS = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps"
LOSS = f"def loss({VECTORS}, beta):\n    return beta * policy_chosen_logps\n"


def candidate(source):
    data = source if isinstance(source, bytes) else source.encode()
    return Candidate("loss.py", data, hashlib.sha256(data).hexdigest())


def read(source, entry=None, *, guarded=True):
    """Give the worker's answer, in this process: quick, and the same code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return worker.read(source, entry, guarded=guarded)


def faults(source, entry=None, *, guarded=True):
    """Give (rule, line) of each complaint."""
    return [(fault[0], fault[2]) for fault in read(source, entry, guarded=guarded).get("faults", [])]


def findings(source, **options):
    """Give the findings of the whole screen, its process included."""
    with pytest.raises(CandidateFault) as fault:
        screen(candidate(source), **options)
    return fault.value.findings


def plan(source, entry=None):
    """Give the call plan: entry, dialect, positional, keyword."""
    answer = read(source, entry)
    assert "faults" not in answer, answer["faults"]
    return answer["plan"]


def body(*lines):
    """Put lines into a loss; the first is line 2."""
    return f"def loss({VECTORS}, beta):\n" + "".join(f"    {line}\n" for line in lines) + "    return beta\n"
