"""The loop: build a context, ask, read, climb, tell; again, until there is a reason to stop.

It is gone through the same way whether a step is done or recalled from the journal, so a run that was killed at any
point goes on as if nothing had been. What is not in the journal is derived from it. What the loop writes down and reads
back are requests, replies, and a row for each attempt.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from harness.core import profiles
from harness.core.digests import json_digest
from harness.core.errors import UserError
from harness.core.facts import LossFacts
from harness.discover import prompts, templates
from harness.discover.confirmation import FIRST_SEED
from harness.discover.journal import SCHEMA
from harness.discover.judging import undecided
from harness.discover.proposers import Context, ExhaustedError, Failure, Proposal, Turn
from harness.discover.reading import read
from harness.discover.track import Duel, Row, Track, shared
from harness.llm import quoting
from harness.llm.account import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.discover.journal import Steps
    from harness.discover.judging import Judge, Judged
    from harness.discover.proposers import Known, Proposer
    from harness.discover.reading import Reading
    from harness.discover.track import Plan
    from harness.ladder.plan import Ladder


#: Candidates in a row of which nothing could be decided, before it is taken for a fault that stays.
_PATIENCE = 3
#: Fates that a proposal may be sent back with.
_SENT_BACK = frozenset({"unreadable", "rejected", "known"})
#: A gain that is smaller than this is none.
_GAIN = 1e-6


class Discovery:
    """One run. `watch` is called with the track whenever something happened.

    `draw` makes the picture of learning curves for proposers that take one. `recalled` is told of each request that the
    journal holds, and of the context that it is one of.
    """

    def __init__(
        self,
        plan: Plan,
        ladder: Ladder,
        proposer: Proposer,
        judge: Judge,
        journal: Steps,
        *,
        recalled: Callable[[Mapping[str, Any], Context], None] | None = None,
        watch: Callable[[Track], None] = lambda _: None,
        draw: Callable[[list[Known]], bytes] | None = None,
    ) -> None:
        self._plan, self._ladder, self._proposer = plan, ladder, proposer
        self._judge, self._journal = judge, journal
        self._watch, self.draw, self._recalled = watch, draw, recalled
        self.track = Track()
        self._undecided = 0
        rungs = ladder.searched.rungs
        gates = [rung.gate for rung in rungs if rung.gate is not None]
        self.metric = gates[-1].metric if gates else "score"
        self.baseline = next((rung.baseline for rung in reversed(rungs) if rung.baseline), "dpo")

    def run(self) -> Track:
        """Go on until the end. Raises UserError for a journal of another run, ProposerError, InfrastructureError."""
        self._begin()
        for name in self._plan.burn_in:
            self._burn_in(name)
        for generation in range(self._plan.generations):
            if why := self._enough():
                return self._end(why)
            try:
                self._generation(generation)
            except ExhaustedError as error:
                return self._end(error.message)
        return self._end(self._enough() or f"{self._plan.generations} generations")

    def _begin(self) -> None:
        who = {"proposer": self._proposer.label, "profile_digest": self._ladder.digest}
        wanted: dict[str, Any] = {**who, **self._plan.fixed()}
        head = self._journal.head
        if head is None:
            more = {
                "profile": self._ladder.name,
                "metric": self.metric,
                "baseline": self.baseline,
                **self._plan.loose(),
            }
            self._journal.record("head", schema=SCHEMA, at=time.time(), **wanted, **more)
            return
        other = [key for key, value in wanted.items() if head.get(key) != value]
        if other:
            told = ", ".join(f"{key} {head.get(key)!r} and not {wanted[key]!r}" for key in other)
            raise UserError(f"the run was begun with {told}", remedy="resume it with the same options")

    def _enough(self) -> str:
        """Why to stop before another generation; empty where there is no reason."""
        track, plan = self.track, self._plan
        if over := plan.over(track.spent, track.gpu_seconds):
            return over
        top = track.archive.top()
        best = top.generation if top is not None else -1
        if plan.patience and len(track.pulls) - 1 - best >= plan.patience:
            return f"no better loss for {plan.patience} generations"
        return ""

    def _burn_in(self, name: str) -> None:
        entry = self._journal.recall("burn-in")
        if entry is None:
            self._say(f"burn-in: {name}")
            source, judged = self._judge.catalogue(name)
            row = row_of(judged, generation=-1, reply="catalogue", name=name, code=quoting.code(source))
            entry = self._journal.record("burn-in", **row.entry())
        row = Row.read(entry)
        self.track.burn_in.append(row)
        self._account(row)
        if (loss := row.known()) is not None and row.fate == "measured":
            self.track.archive.add(loss)
        self._watch(self.track)

    def _generation(self, generation: int) -> None:
        track, plan = self.track, self._plan
        track.generation = generation
        track.template = templates.choose(track.pulls, plan.seed, generation, tune=plan.tune)
        before = track.archive.top()
        turns: list[Turn] = []
        accepted = False
        for attempt in range(1 + plan.resamples):
            track.attempt = attempt
            reply = self._ask(tuple(turns))
            row = self._judged(reply)
            self._take(row)
            self._proposer.told(row.outcome(reply.note))
            accepted = accepted or (attempt == 0 and row.fate in {"measured", "stopped"})
            self._watch(track)
            if row.fate not in _SENT_BACK or not self._proposer.resamples or plan.over(track.spent, track.gpu_seconds):
                break
            turns.append(Turn(prompts.as_reply(row.name, row.code, row.reply), row.answer))
        after = track.archive.top()
        gained = after is not None and (before is None or _better(after, before))
        track.pulls.append(templates.Pull(track.template, accepted, gained))

    def _ask(self, turns: tuple[Turn, ...]) -> Proposal:
        track = self.track
        asked = self._journal.recall("ask")
        entry = self._journal.recall("reply")
        if self._recalled is not None and asked is not None:
            self._recalled(asked, self._context(turns))
        if entry is not None:
            try:
                self._proposer.restore(entry["state"])
            except (ValueError, KeyError) as error:
                raise UserError(f"{self._journal.path}: {error}", remedy="resume with the same proposer") from error
        else:
            self._say("asking")
            context = self._context(turns)
            request = self._proposer.request(context)
            digest = json_digest(request, compact=True)
            if asked is None:
                what = {"generation": track.generation, "attempt": track.attempt, "template": track.template}
                self._journal.record("ask", **what, digest=digest, request=request, at=time.time())
            started = time.monotonic()
            fresh = self._proposer.propose(context, digest)
            track.uncertain += asked is not None
            entry = self._journal.record("reply", **reply_entry(fresh, self._proposer.state(), started))
        reply = reply_of(entry)  # as it was written down, and so the same when the run is resumed
        track.spent = track.spent + reply.usage
        track.asking_seconds += float(entry.get("seconds", 0.0))
        return reply

    def _context(self, turns: tuple[Turn, ...]) -> Context:
        track, plan = self.track, self._plan
        archive = track.archive
        picture = None
        if self._proposer.takes_pictures and self.draw is not None:
            curves = [loss for loss in archive.best(plan.shown) if loss.learning]
            picture = self.draw(curves) if curves else None
        known = {loss.id: loss for loss in archive.known}
        return Context(
            contract=plan.contract,
            metric=self.metric,
            baseline=self.baseline,
            generation=track.generation,
            attempt=track.attempt,
            seed=seed_of(plan.seed, track.generation, track.attempt),
            burn_in=tuple(known[row.id] for row in track.burn_in if row.id in known),
            best=archive.best(plan.shown),
            failures=archive.instructive(plan.lessons),
            turns=turns,
            template=track.template,
            picture=picture,
        )

    def _judged(self, reply: Proposal) -> Row:
        entry = self._journal.recall("judged")
        if entry is None:
            self._say("reading the reply")
            reading = read(reply, self._plan.contract, profiles.load(self._ladder.properties).binding)
            row = self._row_of(reading, reply)
            self._undecided = self._undecided + 1 if row.fate == "undecided" else 0
            entry = self._journal.record("judged", **row.entry())
            if self._undecided >= _PATIENCE:
                raise undecided(row.told)
        return Row.read(entry)

    def _row_of(self, reading: Reading, reply: Proposal) -> Row:
        track = self.track
        base: dict[str, Any] = {
            "generation": track.generation,
            "attempt": track.attempt,
            "template": track.template,
            "reply": reading.kind,
        }
        if reading.unreadable:
            answer = prompts.unreadable(reading.kind, reading.findings)
            return Row(**base, fate="unreadable", rung="reading", told=reading.kind, answer=answer)
        parents = reply.parents or self._parents(reading.parents)
        base |= {"name": track.unique_name(quoting.name(reading.name)), "code": quoting.code(reading.source)}
        base |= {"parents": tuple(parents)}
        if reading.program is None:
            answer = prompts.rejected(reading.findings, reading.source)
            rules = tuple(finding.rule for finding in reading.findings)
            told = prompts.short(reading.findings)
            return Row(**base, fate="rejected", rung="screen", told=told, answer=answer, rules=rules)
        seen = track.archive.same
        judged = self._judge.judge(reading.source, base["name"], lambda mark, own: seen(mark, own) is not None)
        row = row_of(judged, **base)
        if judged.fate == "known" and (loss := seen(LossFacts(judged.facts).function, judged.id)) is not None:
            return like(row, loss)
        if judged.fate == "rejected":
            answer = prompts.rejected(judged.findings, reading.source)
            return replace(row, told=prompts.short(judged.findings), answer=answer)
        return row

    def _parents(self, names: tuple[str, ...]) -> list[str]:
        """Ids of the losses that a reply says it builds on, as far as there are such."""
        found = (self.track.archive.named(quoting.name(name)) for name in names)
        return list(dict.fromkeys(loss.id for loss in found if loss is not None))

    def _take(self, row: Row) -> None:
        """Let the track know of an attempt."""
        track = self.track
        track.rows.append(row)
        self._account(row)
        if row.fate == "measured" and (loss := row.known()) is not None:
            track.archive.add(loss)
        elif row.fate in {"rejected", "stopped"}:
            track.archive.fail(Failure(row.name, row.code, row.rung, row.told))

    def _account(self, row: Row) -> None:
        rungs = self._judge.gpu_rungs
        self.track.gpu_seconds += sum(seconds for rung, seconds in row.seconds.items() if rung in rungs)

    def _end(self, why: str) -> Track:
        track = self.track
        track.ended = why
        top = track.archive.top()
        if top is not None and top.generation >= 0 and self._plan.confirm:
            self._duel(top)
        if not any(entry["why"] == why for entry in self._journal.beside("end")[-1:]):
            self._journal.record("end", why=why, archive=track.archive.digest, at=time.time())
        self._say("")
        return track

    def _duel(self, loss: Known) -> None:
        wanted = range(FIRST_SEED, FIRST_SEED + self._plan.confirm)
        best = self._best_baseline()
        names = tuple(dict.fromkeys((self.baseline, best)))

        def found() -> dict[int, tuple[float, dict[str, float]]]:
            return {
                entry["seed"]: (float(entry["own"]), {name: float(entry["against"][name]) for name in names})
                for entry in self._journal.beside("duel")
                if entry["id"] == loss.id and set(names) <= set(entry.get("against", {}))
            }

        def done(seed: int, own: float, against: Mapping[str, float]) -> None:
            self._journal.record("duel", id=loss.id, seed=seed, own=own, against=against)

        self._say(f"the best against {' and '.join(names)}, on fresh seeds")
        fought = found()
        self._judge.duel((loss.name, loss.id), names, [seed for seed in wanted if seed not in fought], done)
        met = {seed: pair for seed, pair in sorted(found().items()) if seed in wanted}
        if met:
            against = {name: tuple(others[name] for _, others in met.values()) for name in names}
            self.track.duel = Duel(loss.id, tuple(met), tuple(own for own, _ in met.values()), against, best)

    def _best_baseline(self) -> str:
        """The name of the best loss of the catalogue that was met, by the ladder's ranking."""
        met = [loss for loss in self.track.archive.known if loss.generation < 0]
        top = max(met, key=lambda loss: loss.rank, default=None)
        above = top is not None and top.gain is not None and top.gain > 0.0
        return top.name if top is not None and above else self.baseline

    def _say(self, doing: str) -> None:
        self.track.doing = doing
        self._watch(self.track)


def _better(one: Known, other: Known) -> bool:
    return one.rank[0] > other.rank[0] or (one.rank[0] == other.rank[0] and one.rank[1] > other.rank[1] + _GAIN)


def seed_of(seed: int, generation: int, attempt: int) -> int:
    """An ask's own seed."""
    text = f"{seed} {generation} {attempt}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:6], "big")


def reply_entry(reply: Proposal, state: object, started: float) -> dict[str, Any]:
    """A reply as the journal keeps it; `started` is of the monotonic clock."""
    return {**asdict(reply), "state": state, "seconds": round(time.monotonic() - started, 3)}


def reply_of(entry: dict[str, Any]) -> Proposal:
    """A reply from the journal."""
    text, flags = str(entry["text"]), {key: bool(entry[key]) for key in ("cut", "refused")}
    return Proposal(text, Usage(**entry["usage"]), **flags, parents=tuple(entry["parents"]), note=entry["note"])


def row_of(judged: Judged, **base: Any) -> Row:
    """A row for what was judged; `base` says which attempt it is of, and what is not to be as judged."""
    told = quoting.sentence(judged.told)
    answer = "" if judged.fate != "undecided" else "Your loss could not be judged, by no fault of its own."
    rules = tuple(finding.rule for finding in judged.findings)
    more = {"attempt": 0, "template": "", "told": told, "answer": answer, "rules": rules}
    return Row(**{**shared(judged, Row), **more, **base})


def like(row: Row, loss: Known) -> Row:
    """A row for a function of the run in other words: it has that loss's scores."""
    scores: dict[str, Any] = {key: getattr(loss, key) for key in ("score", "low", "high", "gain", "place", "metrics")}
    told, answer = f"the same function as {loss.name}", prompts.judged_before(loss)
    return replace(row, **scores, same_as=loss.id, told=told, answer=answer)
