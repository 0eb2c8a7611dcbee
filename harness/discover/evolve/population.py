"""The trees that were measured and are bred from: the best of each form, so that no form takes all places."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from harness.discover.evolve.tree import Node
    from harness.discover.proposers.base import Outcome

#: Most forms that are kept.
MOST = 32
#: Members that a parent is the best of.
_TOURNAMENT = 3
#: How often a parent comes from the losses that the loop shows: the best of each kind.
_SHOWN = 0.25


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
