"""A ladder and its rungs, as their file states them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.ladder.gate import Gate


@dataclass(frozen=True)
class RungPlan:
    """One rung of a ladder: `kind` is a name of `rungs.KINDS`, `baseline` a loss of the catalogue.

    `ask_a_person` lets a run that passed this rung wait until somebody approves what comes after it.
    """

    name: str
    kind: str
    needs: str
    baseline: str
    settings: tuple[tuple[str, object], ...]
    gate: Gate | None
    ask_a_person: bool


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

    def needs(self, rung: int) -> str | None:
        """What a rung needs, "cpu" or "gpu"; None above the last."""
        return self.rungs[rung].needs if rung < len(self.rungs) else None
