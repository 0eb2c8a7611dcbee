"""Hypothesis as the driver: a settled run of one target, the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generators import inputs
from hypothesis import HealthCheck, given, settings
from inputs_kept import kept
from targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable


def hunt(name: str, examples: int, seen: Callable[[bytes], None] = lambda _: None) -> None:
    """Put the kept inputs and `examples` drawn ones to a target; what it raises is raised, at its smallest input."""
    target = TARGETS[name]
    for data in kept(name):
        seen(data)
        target(data)

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(inputs(name))
    def each(data: bytes) -> None:
        seen(data)
        target(data)

    each()
