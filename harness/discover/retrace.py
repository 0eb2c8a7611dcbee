"""Follow a journal to what it came to, without an engine: nobody is asked, and nothing is judged.

What a run does is a function of what its journal holds. So each request is made again from what was known when it was
asked, and has to be the one that was recorded; each reply is read again, and has to be the one that the outcome is of;
and what the outcomes come to is the archive and the duel.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import text_candidate
from harness.core import profiles
from harness.core.digests import json_digest
from harness.core.errors import UserError
from harness.discover.journal import STEPS, Steps
from harness.discover.loop import Discovery, reply_of
from harness.discover.prompts import messages
from harness.discover.proposers import Ask, ExhaustedError, Proposer, open_proposer
from harness.discover.reading import read
from harness.discover.track import Plan, Row
from harness.ladder.baselines import baseline_candidate
from harness.llm import quoting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.core.verdict import Json
    from harness.discover.confirmation import Done
    from harness.discover.judging import Judged, Seen
    from harness.discover.proposers import Context, Outcome, Proposal
    from harness.discover.track import Track
    from harness.ladder.plan import Ladder

#: What reading a journal can end in that a stranger wrote.
BROKEN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
#: More generations than a journal has.
_ALL = 1_000_000


def retrace(entries: Sequence[dict[str, Any]], ladder: Ladder, plan: Plan) -> Track:
    """Go through a journal. Raises UserError where it cannot be followed, or does not follow from itself.

    `plan` is that of `plan_of`; of the ladder the journal names no more than the digest.
    """
    steps = _Recalled(entries)
    try:
        head = steps.head or {}
        proposer = _Recorded(steps, str(head.get("proposer")), plan)

        names = [str(entry["name"]) for entry in entries if entry["kind"] == "burn-in"]
        texts = [str(entry["id"]) for entry in entries if entry["kind"] == "burn-in"]
        if (tuple(names), texts) != (plan.burn_in, [baseline_candidate(name).sha256 for name in plan.burn_in]):
            raise UserError("what it began with are not the losses of the catalogue that its head names")

        def held(asked: Mapping[str, Any], context: Context) -> None:
            made = [json_digest(what, compact=True) for what in (asked["request"], proposer.request(context))]
            there = [asked["generation"], asked["attempt"], asked["template"], asked["digest"], asked["digest"]]
            if there != [context.generation, context.attempt, context.template, *made]:
                where = f"generation {context.generation + 1}, attempt {context.attempt + 1}"
                raise UserError(f"what was asked at {where} does not follow from what was known then")

        loop = Discovery(plan, ladder, proposer, _Nobody(), steps, recalled=held)
        track = loop.run()
        if (head["metric"], head["baseline"]) != (loop.metric, loop.baseline):
            raise UserError("the journal's head names another metric or baseline than its ladder has")
        _as_replied(entries, plan.contract, profiles.load(ladder.properties).binding)
        _ended(entries, track)
    except BROKEN as error:
        raise UserError(f"the journal cannot be followed: {type(error).__name__}: {error}") from error
    if steps.due is not None:
        raise UserError(f"the journal goes on after its end, with a step {steps.due['kind']!r}")
    return track


def _ended(entries: Sequence[Mapping[str, Any]], track: Track) -> None:
    """Take the end from the journal. Raises UserError where there is none, or it is of something else."""
    kinds = [str(entry["kind"]) for entry in entries]
    last = len(kinds) - 1 - kinds[::-1].index("end") if "end" in kinds else len(kinds)
    if last == len(kinds) or STEPS & set(kinds[last:]):
        raise UserError("the journal has no end")
    if entries[last]["archive"] != track.archive.digest:
        raise UserError("the journal's end is of another archive of losses")
    track.ended = str(entries[last]["why"])


def _as_replied(entries: Sequence[dict[str, Any]], contract: str, binding: str) -> None:
    """Read each reply once more. Raises UserError for an outcome that is of another reply."""
    replies, outcomes = ([entry for entry in entries if entry["kind"] == kind] for kind in ("reply", "judged"))
    for entry, outcome in zip(replies, outcomes, strict=False):  # the last reply may not have been judged
        row, reading = Row.read(outcome), read(reply_of(entry), contract, binding)
        code = "" if reading.unreadable else quoting.code(reading.source)
        identity = "" if reading.program is None else text_candidate(reading.source).sha256
        if (row.reply, row.code, row.id) != (reading.kind, code, identity):
            raise UserError(
                f"what came of generation {row.generation + 1}, attempt {row.attempt + 1} is of another reply"
            )


def plan_of(head: Mapping[str, Any], confirm: int) -> Plan:
    """The plan of a run by its journal's head, without an end: how far it went is what the journal has of it."""
    given = {key: head[key] for key in Plan(1).fixed()}
    return Plan(**{**given, "burn_in": tuple(given["burn_in"])}, generations=_ALL, confirm=confirm)


class _Recalled(Steps):
    """A journal that nothing is added to: where it ends, the run ends."""

    def __init__(self, entries: Sequence[dict[str, Any]]) -> None:
        super().__init__(Path("journal.jsonl"), list(entries))

    def record(self, kind: str, **what: object) -> dict[str, Any]:
        """Nothing is written. Raises ExhaustedError for a step: the journal has no more."""
        if kind in STEPS:
            raise ExhaustedError("the journal came to its end")
        return super().record(kind, **what)


class _Recorded(Proposer):
    """Says nothing of its own, and knows how its like would have asked. It was sent back what the journal tells."""

    def __init__(self, steps: Steps, label: str, plan: Plan) -> None:
        self.label, self._steps = label, steps
        self._own = open_proposer(label, Ask(seed=plan.seed, contract=plan.contract)) if label == "evolve" else None

    @property
    def resamples(self) -> bool:  # type: ignore[override] # of others it is a constant
        """Whether another attempt was made."""
        due = self._steps.due
        return due is not None and due["kind"] == "ask" and due["attempt"] > 0

    def request(self, context: Context) -> Json:
        """What was asked: by `evolve` of itself, by all others as models are asked."""
        return list(messages(context)) if self._own is None else self._own.request(context)

    def propose(self, context: Context, key: str) -> Proposal:
        """Nothing: the journal has no more."""
        del context, key
        raise ExhaustedError("the journal came to its end")

    def told(self, outcome: Outcome) -> None:
        """Let it breed from that."""
        if self._own is not None:
            self._own.told(outcome)

    def state(self) -> Json:
        """Nothing that is kept."""
        return None

    def restore(self, state: Json) -> None:
        """Be as it was with that reply."""
        if self._own is not None:
            self._own.restore(state)


class _Nobody:
    """Judges nothing: every outcome is in the journal."""

    gpu_rungs: frozenset[str] = frozenset()

    def judge(self, source: str, name: str, seen: Seen) -> Judged:
        """Nothing. Raises ExhaustedError."""
        del source, name, seen
        raise ExhaustedError("the journal came to its end")

    def catalogue(self, name: str) -> tuple[str, Judged]:
        """Nothing. Raises UserError: a run that has ended has its burn-in."""
        raise UserError(f"the journal ends before {name}, which the run began with")

    def duel(self, own: tuple[str, str], against: Sequence[str], seeds: Sequence[int], done: Done) -> None:
        """Nothing: what was fought is in the journal."""
