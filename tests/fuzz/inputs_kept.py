"""Inputs that are kept beside the code: recorded from real conversations, and those that once broke a promise."""

from __future__ import annotations

from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
#: Recorded by `record.py`, one folder a target.
CORPUS = HERE / "corpus"
#: Inputs that a fuzzer found, in the product (what they broke is mended) or in a mutant of it.
FOUND = HERE / "found"


@cache
def kept(target: str) -> tuple[bytes, ...]:
    """All kept inputs of a target, in the order of their names."""
    paths = [*sorted((CORPUS / target).glob("*")), *sorted((FOUND / target).glob("*"))]
    return tuple(path.read_bytes() for path in paths)
