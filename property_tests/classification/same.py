"""Comparing marks bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.subject.classification.batch import Marks


def difference(one: Marks, other: Marks) -> str:
    """Name what differs between two answers; empty where nothing does. NaN equals itself here."""
    if one.reduced != other.reduced or one.values.dtype != other.values.dtype:
        return "shapes"
    if one.values.tobytes() != other.values.tobytes():
        return "values"
    return "gradients" if one.gradient.tobytes() != other.gradient.tobytes() else ""
