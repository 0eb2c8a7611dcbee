"""A sandbox's container, created and started: from here on it loads torch by itself, and nobody has to wait for it.

Apart from `harness.oracle.sandbox`, which exchanges frames with it: a check asks for its container before it imports
anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.containers.request import container_request
from harness.core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.containers.engine import Engine
    from harness.containers.request import Recipe

#: Words of engines and runtimes about a limit of the disk that they cannot set.
_OF_THE_DISK = ("blkio", "io.max", "throttle")


@dataclass(frozen=True)
class HandedOver:
    """What is known of a container that another process of this user started and never used.

    `ready` is what it says of itself when it is asked again, `built` the engine's account of it, `processor` the
    seconds of a processor that it has used so far, `seconds` how long the handing over took. `keep` is called when the
    container is closed: it lets go of what held it until then.
    """

    ready: bytes
    built: dict[str, Any]
    processor: float
    seconds: float
    keep: Callable[[], None]


@dataclass(frozen=True)
class Started:
    """A container that was started, made as `recipe` says: its id, its attached streams, the engine's warnings.

    `not_limited` is what the engine said where it could not limit reads from the disk, and `recipe` does without.
    """

    container: str
    attached: Any = field(repr=False)
    recipe: Recipe
    warnings: tuple[str, ...] = ()
    not_limited: str = ""
    handed_over: HandedOver | None = field(default=None, repr=False)

    def discard(self, engine: Engine) -> None:
        """Remove it: nobody will exchange a frame with it."""
        try:
            engine.remove(self.container)
        finally:
            getattr(self.attached, "_sock", self.attached).close()
            self.attached.close()
            if self.handed_over is not None:
                self.handed_over.keep()


def start(engine: Engine, recipe: Recipe) -> Started:
    """One that is handed over where the recipe's `supply` has one, else a new one. Raises InfrastructureError."""
    taken: Started | None = None if recipe.supply is None else recipe.supply(engine, recipe)
    if taken is not None:
        return taken
    try:
        return _started(engine, recipe)
    except InfrastructureError as error:
        if recipe.disk is None or not any(word in error.message for word in (recipe.disk, *_OF_THE_DISK)):
            raise
        # Some other disk than it looked, or a cgroup without the controller: the rest of the layers stand.
        return replace(_started(engine, replace(recipe, disk=None)), not_limited=error.message)


def _started(engine: Engine, recipe: Recipe) -> Started:
    created = engine.create(container_request(recipe))
    try:
        attached = engine.attach_and_start(created.container)
    except BaseException:
        engine.remove(created.container)
        raise
    return Started(created.container, attached, recipe, created.warnings)
