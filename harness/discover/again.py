"""Do a discovery again, as its archive tells of it: every reply as it was recorded, everything else anew.

A language model is not asked: its replies are in the journal. `evolve` breeds again, by the same chance. What the two
journals come to is compared step by step, and below that the records of the rungs of every loss.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from harness.crate.compare import Difference, part_differences
from harness.crate.parts import said_in
from harness.crate.read import DISCOVERED
from harness.crate.repeat import by_rung, from_below, ladder_in, own_file, rung_differences
from harness.discover import record
from harness.discover.audit import follow, own_code, plan_in
from harness.discover.journal import JOURNAL, STEPS, Journal
from harness.discover.judging import LadderJudge
from harness.discover.loop import Discovery
from harness.discover.proposers import Ask, open_proposer
from harness.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.crate.read import DiscoveryCrate
    from harness.discover.track import Track
    from harness.ladder.plan import Ladder

#: What of a step is compared: of outcomes all but what tells of the ledger and the clock that they met.
_KEPT = {"ask": ("generation", "attempt", "template", "digest"), "reply": ("text", "cut", "refused", "parents")}
_CIRCUMSTANCES = frozenset({"run", "answered", "seconds"})
_ANSWERED = "where the ledger knew the function from a run of another text, that is why"
#: What a GPU gives to the bit; figures are compared by the records of the rungs, within bounds.
_ON_GPU = ("generation", "attempt", "fate", "rung", "id", "rules")


@dataclass(frozen=True)
class Again:
    """What was done again: how many attempts and losses, and where it differs, from the lowest layer up."""

    attempts: int
    losses: int
    differences: tuple[Difference, ...]


def again(
    crate: DiscoveryCrate,
    folder: Path,
    *,
    gpu: str = "none",
    stopping: Callable[[], bool] = lambda: False,
    watch: Callable[[Track], None] = lambda _: None,
) -> Again:
    """Go through a verified archive's discovery once more; its ledger, its journal and its texts are in `folder`.

    Raises UserError for an archive that cannot be followed, InfrastructureError where nothing can be judged.
    """
    then, before = follow(crate)
    ladder = ladder_in(crate, folder)
    now, after, runs = _done(crate, then, ladder, folder, (gpu, stopping, watch))
    found = [*part_differences(crate.discovery.predicate.part("harness"), own_code()), *_of_runs(crate, runs, ladder)]
    on_gpu = any(plan.needs == "gpu" for plan in ladder.rungs)
    found += list(_of_steps(then, now, on_gpu=on_gpu))[:1]
    if not on_gpu:
        for where, was, became in (
            ("the duel on fresh seeds", before.duel, after.duel),
            ("the archive of losses", before.archive.digest, after.archive.digest),
        ):
            found += [] if was == became else [Difference("outcome", where, str(was), str(became))]
    return Again(len(after.rows), len(after.archive.known), from_below(found))


def _done(
    crate: DiscoveryCrate,
    then: Sequence[dict[str, Any]],
    ladder: Ladder,
    folder: Path,
    how: tuple[str, Callable[[], bool], Callable[[Track], None]],
) -> tuple[list[dict[str, Any]], Track, dict[str, list[bytes]]]:
    """The new journal, what it came to, and the records of its runs by their candidates; `then` is the recorded one."""
    gpu, stopping, watch = how
    recorded = own_file(folder, "recorded.jsonl", crate.files[f"{DISCOVERED}/{JOURNAL}"])
    place = recorded.parent
    asked_for = max((entry["generation"] for entry in then if entry["kind"] == "judged"), default=-1) + 1
    plan = replace(plan_in(crate, then), generations=asked_for)
    label = str(then[0].get("proposer"))
    spec = label if label == "evolve" else f"replay:{recorded}"
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(Ledger(folder))
        journal = stack.enter_context(Journal(place / JOURNAL))
        asked = open_proposer(spec, Ask(seed=plan.seed, contract=plan.contract))
        stack.callback(asked.close)
        judge = LadderJudge(ladder, ledger, place / "losses", gpu=gpu)
        judge.stopping = stopping
        after = Discovery(plan, ladder, asked, judge, journal, watch=watch).run()
        made = record.runs_of(ledger, journal.entries)
        runs = {run.candidate: [one.line for one in ledger.sealed(run.id)] for run in made}
        return journal.entries, after, runs


def _of_runs(crate: DiscoveryCrate, runs: Mapping[str, Sequence[bytes]], ladder: Ladder) -> Iterator[Difference]:
    """Where records of the rungs differ, or are there on one side alone. Held-out rungs are no part of a discovery."""
    held_out = {plan.name for plan in ladder.rungs if plan.held_out}
    then: dict[str, list[bytes]] = {}
    for _, line in crate.records:
        then.setdefault(said_in(line).subject[0].digest.sha256, []).append(line)
    judged = {candidate: before for candidate, lines in then.items() if (before := by_rung(lines))}
    for candidate in sorted(judged.keys() | runs.keys()):
        before, now = judged.get(candidate, {}), by_rung(runs.get(candidate, ()))
        if not before or not now:
            was, became = (f"{len(each)} rungs" for each in (before, now))
            yield Difference("outcome", f"the run of {candidate[:12]}", was, became, _ANSWERED)
            continue
        for rung in [name for name in dict.fromkeys((*before, *now)) if name not in held_out]:
            yield from rung_differences(before.get(rung, ()), now.get(rung, ()))


def _of_steps(
    then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]], *, on_gpu: bool
) -> Iterator[Difference]:
    """Where the steps of two journals differ, one by one."""
    for before, after in zip_longest(_steps(then), _steps(now), fillvalue={"kind": "nothing"}):
        kept = dict.fromkeys((*_kept(before, on_gpu=on_gpu), *_kept(after, on_gpu=on_gpu)))
        for name in kept:
            if before.get(name) != after.get(name):
                where = f"{_step(before if len(before) > 1 else after)}, {name}"
                yield Difference("outcome", where, str(before.get(name)), str(after.get(name)))
                break


def _steps(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps that something came of: the last request may have been one too many."""
    steps = [entry for entry in entries if entry["kind"] in STEPS]
    return steps[:-1] if steps and steps[-1]["kind"] == "ask" else steps


def _kept(entry: Mapping[str, Any], *, on_gpu: bool) -> tuple[str, ...]:
    """What of a step is compared."""
    if entry["kind"] in _KEPT:
        return ("kind", *_KEPT[entry["kind"]])
    return ("kind", *(_ON_GPU if on_gpu else (name for name in entry if name not in _CIRCUMSTANCES)))


def _step(entry: Mapping[str, Any]) -> str:
    if entry["kind"] == "reply":
        return "a reply"
    what = "what was asked" if entry["kind"] == "ask" else "what came of it"
    if entry["kind"] == "burn-in":
        return f"the burn-in with {entry.get('name')}"
    return f"generation {entry.get('generation', 0) + 1}, attempt {entry.get('attempt', 0) + 1}, {what}"
