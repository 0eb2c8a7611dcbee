"""Which cases of a test are in `make test`, and which come after it; docs/testing.md says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def soon(values: Iterable[object], count: int) -> list[object]:
    """Parameters of which the first `count` are in `make test`, and the rest in `make test-rest`."""
    return [
        value if place < count else pytest.param(value, marks=pytest.mark.rest) for place, value in enumerate(values)
    ]
