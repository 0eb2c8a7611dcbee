"""The trees that were measured and are bred from, and what the proposer saves with each reply and checks when restored.

Of the trees it is the best of each form, so that no form takes all places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.discover.evolve.tree import Node, read_tree
from harness.discover.evolve.tuning import Task  # noqa: TC001 - pydantic looks it up

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from harness.discover.proposers import Outcome


#: Most forms that are kept.
MOST = 32
#: Members that a parent is the best of.
_TOURNAMENT = 3
#: How often a parent comes from the losses that the loop shows: the best of each kind.
_SHOWN = 0.25
#: How a proposal came about.
How = Literal["fresh", "mutation", "crossover", "constants"]


@dataclass(frozen=True)
class Member:
    """A measured tree; `id`, `place` and `gain` as in `Outcome`. `id` is that of the known loss where it is one."""

    tree: Node
    id: str
    place: int
    gain: float

    @property
    def rank(self) -> tuple[int, float, int]:
        """What members are compared by: the larger is the better. Of equals, the shorter tree."""
        return self.place, self.gain, -self.tree.size


@dataclass
class Population:
    """Members, one of each form, the best first."""

    members: list[Member] = field(default_factory=list)

    def add(self, member: Member) -> None:
        """Take a member in, in place of a worse one of its form."""
        form = member.tree.skeleton
        same = [one for one in self.members if one.tree.skeleton == form]
        if any(one.rank >= member.rank for one in same):
            return
        rest = [one for one in self.members if one not in same]
        self.members = sorted([*rest, member], key=lambda one: one.rank, reverse=True)[:MOST]

    def parent(self, shown: Iterable[str], draw: np.random.Generator) -> Member:
        """A member to breed from: of the losses in the context, or the best of a few."""
        ids = set(shown)
        elite = [one for one in self.members if one.id in ids]
        if elite and draw.uniform() < _SHOWN:
            return elite[int(draw.integers(len(elite)))]
        count = min(_TOURNAMENT, len(self.members))
        return self.members[int(draw.integers(len(self.members), size=count).min())]


def member(tree: Node, outcome: Outcome) -> Member | None:
    """The member that a measured tree is; None where there is no number to rank it by."""
    if outcome.fate not in {"measured", "known", "stopped"} or outcome.score is None or outcome.gain is None:
        return None
    if not math.isfinite(outcome.gain):
        return None
    return Member(tree, outcome.same_as or outcome.id, outcome.place, float(outcome.gain))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SavedMember(_Strict):
    """A member as JSON."""

    tree: list[Any]
    id: str
    place: int
    gain: float

    @field_validator("gain")
    @classmethod
    def _finite(cls, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError("a gain is finite")
        return value


class State(_Strict):
    """All of it. `marks` are those of the trees that were proposed, `tuned` the forms whose constants were tuned."""

    version: Literal[1] = 1
    marks: list[str] = []
    members: list[SavedMember] = []
    task: Task | None = None
    tuned: list[str] = []

    def population(self) -> Population:
        """The members, as they were ordered. Raises ValueError for trees that are none."""
        return Population([Member(read(one.tree), one.id, one.place, one.gain) for one in self.members])


class Note(_Strict):
    """What comes back with an outcome: the tree, and how it came about."""

    tree: list[Any] = Field(min_length=3)
    how: How


def read(document: list[Any]) -> Node:
    """A tree that was saved. Raises ValueError for what is none, or no loss."""
    tree = read_tree(document)
    if tree.kind != "loss":
        raise ValueError("the tree is no loss")
    return tree


def saved(population: Population) -> list[SavedMember]:
    """The members as JSON."""
    return [
        SavedMember(tree=list(one.tree.document()), id=one.id, place=one.place, gain=one.gain)
        for one in population.members
    ]
