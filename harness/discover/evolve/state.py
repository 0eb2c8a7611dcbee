"""What the proposer saves with each reply, and checks when it is restored."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.discover.evolve.population import Member, Population
from harness.discover.evolve.tree import Node, read_tree
from harness.discover.evolve.tuning import Task  # noqa: TC001 - pydantic looks it up

#: How a proposal came about.
How = Literal["fresh", "mutation", "crossover", "constants"]


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
