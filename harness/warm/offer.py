"""What a check asks before it makes a container of its own. Cheap where there is no helper, as there mostly is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.warm import place

if TYPE_CHECKING:
    from harness.containers.engine import Engine
    from harness.containers.request import Recipe
    from harness.containers.started import Started


def offered(engine: Engine, recipe: Recipe) -> Started | None:
    """A sandbox of this recipe that is ready and was never used; None where there is none, for whatever reason."""
    if not place.may_have_helper(engine.url, recipe):
        return None
    from harness.warm.take import take  # noqa: PLC0415 - this is asked before a container is

    return take(engine, recipe)
