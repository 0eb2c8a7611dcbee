"""`evolve`: losses without a language model. Expression trees are bred, and their constants tuned, by the scores alone.

One proposal a generation. The first ones are random; then parents are chosen by what the ladder said of them, and
mutated or crossed, or the constants of the best form that was not tuned yet go through CMA-ES. Nothing is ever measured
here: a tree is only looked at for what the properties would refuse at once, and for having been proposed before.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from harness.core.digests import json_digest
from harness.core.errors import UserError
from harness.discover.evolve import printing, sense, vary
from harness.discover.evolve.state import How, Note, Population, State, member, read, saved
from harness.discover.evolve.tree import simplify
from harness.discover.evolve.tuning import REFUSED, Task, tunable, value_of
from harness.discover.evolve.vary import grow
from harness.discover.proposers import ExhaustedError, Proposal, Proposer

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.discover.evolve.tree import Node
    from harness.discover.proposers import Ask, Context, Outcome

#: Forms that are measured before any is bred from, and proposals that may go into finding them.
_FIRST_FORMS, _FIRST_ASKS = 16, 40
#: Depths of random trees.
_DEPTHS = (4, 5, 6)
#: How later proposals come about.
_SHARES: dict[How, float] = {"constants": 0.35, "mutation": 0.35, "crossover": 0.2, "fresh": 0.1}
#: Trees that are looked at for one proposal, before it is said that there is nothing new; and how many of them in one
#: way, so that what seldom brings something new is not crowded out by what always does.
_TRIES, _TRIES_ONE_WAY = 600, 40


@dataclass(frozen=True)
class _Idea:
    """A tree, how it came about, and the ids of what it was made from."""

    tree: Node
    how: How
    parents: tuple[str, ...] = ()


class EvolveProposer(Proposer):
    """Breeds losses. All that it does by chance comes from `Context.seed`; all that it knows is in `state`."""

    label = "evolve"
    resamples = False

    def __init__(self) -> None:
        self._population = Population()
        self._marks: list[str] = []
        self._task: Task | None = None
        self._tuned: list[str] = []

    def request(self, context: Context) -> Json:
        """What the next proposal follows from: the ask's seed, the losses that are shown, and the state's digest."""
        known = json_digest(self.state())
        return {"seed": context.seed, "shown": [loss.id for loss in context.best], "state": known}

    def propose(self, context: Context, key: str) -> Proposal:
        """A tree that is new and that nothing can be said against. Raises ExhaustedError where none is found."""
        del key
        draw = np.random.Generator(np.random.PCG64([context.seed, 51]))
        seen = set(self._marks)
        how: How = "fresh"
        for count in range(_TRIES):
            how = _drawn(draw) if count % _TRIES_ONE_WAY == 0 else how
            idea = self._idea(context, how, draw)
            tree = simplify(idea.tree)
            refused = bool(sense.objection(tree))
            mark = "" if refused else sense.mark(tree)
            if refused or mark in seen:
                if idea.how == "constants" and self._task is not None:
                    self._task.told(REFUSED if refused else None)
                continue
            self._marks.append(mark)
            note = Note(tree=list(tree.document()), how=idea.how).model_dump()
            return Proposal(printing.reply(tree, _THOUGHTS[idea.how]), parents=idea.parents, note=note)
        raise ExhaustedError(f"evolve found nothing new in {_TRIES} trees")

    def told(self, outcome: Outcome) -> None:
        """Breed from what was measured, and go on with the tuning."""
        try:
            note = Note.model_validate(outcome.note)
            tree = read(note.tree)
        except ValueError as error:
            told = f"generation {outcome.generation} has a note that evolve did not write"
            raise UserError(told, remedy="restore the journal, or begin a new run") from error
        if (found := member(tree, outcome)) is not None:
            self._population.add(found)
        if note.how == "constants" and self._task is not None:
            self._task.told(value_of(outcome))

    def state(self) -> Json:
        """The population, the marks of what was proposed, and the tuning."""
        state = State(marks=self._marks, members=saved(self._population), task=self._task, tuned=self._tuned)
        document: Json = state.model_dump()
        return document

    def restore(self, state: Json) -> None:
        """Be as it was. Raises ValueError for what is no state of evolve."""
        try:
            found = State.model_validate(state)
            population = found.population()
            if found.task is not None and not tunable(read(found.task.tree)):
                raise ValueError("its tuning has no constants")
        except ValidationError as error:
            raise ValueError(f"this is no state of evolve: {error.errors()[0]['msg']}") from error
        except ValueError as error:
            raise ValueError(f"this is no state of evolve: {error}") from error
        self._population, self._marks = population, list(found.marks)
        self._task, self._tuned = found.task, list(found.tuned)

    def _idea(self, context: Context, how: How, draw: np.random.Generator) -> _Idea:
        population = self._population
        few = len(population.members) < _FIRST_FORMS and len(self._marks) < _FIRST_ASKS
        if few or not population.members or how == "fresh":
            return _Idea(grow("loss", _DEPTHS[int(draw.integers(len(_DEPTHS)))], draw), "fresh")
        if how == "constants" and (tuned := self._next_constants(draw)) is not None:
            return tuned
        shown = [loss.id for loss in context.best]
        one = population.parent(shown, draw)
        if how == "crossover" and len(population.members) > 1:
            other = population.parent(shown, draw)
            parents = tuple(dict.fromkeys((one.id, other.id)))
            return _Idea(vary.cross(one.tree, other.tree, draw), "crossover", parents)
        return _Idea(vary.mutate(one.tree, draw), "mutation", (one.id,))

    def _next_constants(self, draw: np.random.Generator) -> _Idea | None:
        """The next draw of the tuning under way, or the first of another; None where there is nothing to tune."""
        if self._task is not None and (tree := self._task.next()) is not None:
            return _Idea(tree, "constants", (self._task.parent,))
        self._task = None
        for one in self._population.members[: max(1, len(self._population.members) // 2)]:
            form = hashlib.sha256(one.tree.skeleton.encode()).hexdigest()[:12]
            if tunable(one.tree) and form not in self._tuned:
                self._tuned.append(form)
                self._task = Task(tree=list(one.tree.document()), parent=one.id, seed=int(draw.integers(2**32)))
                tree = self._task.next()
                return None if tree is None else _Idea(tree, "constants", (one.id,))
        return None


_THOUGHTS: dict[How, str] = {
    "fresh": "A formula drawn at random.",
    "mutation": "A change of one part of its parent.",
    "crossover": "A part of one parent in the place of a part of the other.",
    "constants": "The form of its parent with other constants.",
}


def _drawn(draw: np.random.Generator) -> How:
    names = list(_SHARES)
    return names[int(draw.choice(len(names), p=list(_SHARES.values())))]


def open_proposer(ask: Ask) -> EvolveProposer:
    """Evolution for the preference contract. Raises UserError for another."""
    if ask.contract != "preference":
        told = f"evolve has no grammar for the contract {ask.contract[:40]!r}"
        raise UserError(told, remedy="use --contract preference, or another proposer")
    return EvolveProposer()
