"""A ladder and its rungs, as their file states them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.ladder.gate import Gate


#: The first seed of a held-out rung: other gates count theirs from 0, duels from 100,000, tunings from 1,000,000.
HELD_OUT_FIRST = 2_000_000


@dataclass(frozen=True)
class RungPlan:
    """One rung of a ladder: `kind` is a name of `rungs.KINDS`, `baseline` a loss of the catalogue.

    `ask_a_person` lets a run that passed this rung wait until somebody approves what comes after it. `held_out` gives
    it seeds that no other rung has, and keeps what it comes to from whoever proposes losses.
    """

    name: str
    kind: str
    needs: str
    baseline: str
    settings: tuple[tuple[str, object], ...]
    gate: Gate | None
    ask_a_person: bool
    held_out: bool = False

    @property
    def first_seed(self) -> int:
        """The seed that its gate begins with; the others follow one by one."""
        return HELD_OUT_FIRST if self.held_out else 0


@dataclass(frozen=True)
class Ladder:
    """A ladder as its file states it; `digest` is the SHA-256 of the file, `properties` the profile of rung 1.

    `source` is what it was loaded by: its name, or the path of a file of the user's, whose bytes are then `own`.
    """

    name: str
    date: str
    properties: str
    rungs: tuple[RungPlan, ...]
    digest: str
    source: str = ""
    own: bytes = field(default=b"", repr=False)

    @property
    def searched(self) -> Ladder:
        """The same ladder without its held-out rungs: all of it that a search may be told of."""
        return replace(self, rungs=tuple(plan for plan in self.rungs if not plan.held_out))

    def needs(self, rung: int) -> str | None:
        """What a rung needs, "cpu" or "gpu"; None above the last."""
        return self.rungs[rung].needs if rung < len(self.rungs) else None
