"""Comparing answers bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.protocol.batch import Answer


def difference(one: Answer, other: Answer) -> str:
    """Name what differs between two answers; empty where nothing does. NaN equals itself here."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return "shapes"
    if one.values.tobytes() != other.values.tobytes():
        return "values"
    if one.grad_chosen.tobytes() != other.grad_chosen.tobytes():
        return "gradients"
    return "gradients" if one.grad_rejected.tobytes() != other.grad_rejected.tobytes() else ""
