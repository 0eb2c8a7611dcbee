"""What the candidates of one process share, and one of them with the sandbox that was started for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.checks.options import Options
    from harness.checks.static import Screened
    from harness.containers.engine import Engine
    from harness.containers.request import Recipe
    from harness.core.profiles import Profile
    from harness.core.verdict import Json
    from harness.oracle.sandbox import Sandbox
    from harness.oracle.supply import Supply


@dataclass
class Ready:
    """A screened job with the sandbox that was started for it."""

    screened: Screened
    sandbox: Sandbox | None = None

    def dispose(self) -> None:
        """Have the sandbox removed, used or not: the engine's `settle` waits for that, or its `close`."""
        if self.sandbox is not None:
            self.sandbox.dismiss()


@dataclass(frozen=True)
class Bench:
    """What all candidates of one process share: engine, recipe, profile, and how they are described."""

    engine: Engine
    recipe: Recipe
    profile: Profile
    options: Options
    environment: dict[str, Json]
    #: Where sandboxes are started ahead; None where each is started when it is needed.
    supply: Supply | None = None
    #: Where it was made (`harness.checks.machine`): of no account for what comes out.
    machine: Mapping[str, Json] = field(default_factory=dict)

    def opened(self, engine: Engine | None = None, recipe: Recipe | None = None) -> Sandbox:
        """A sandbox for one candidate: of this recipe, or another, by this connection, or another."""
        from harness.oracle.sandbox import Sandbox  # noqa: PLC0415 - a check asks for its container before it is needed

        engine, recipe = engine or self.engine, recipe or self.recipe
        return Sandbox(engine, recipe) if self.supply is None else self.supply.take(engine, recipe)
