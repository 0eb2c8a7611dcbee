"""What a held-out rung comes to reaches no proposer: each asks to the byte what it asks where there is none."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from held_out import RUNG, written
from scripted import Script, reply

from harness import Ledger
from harness.attestation.statement import GateDecisionStatement, PromotionStatement, RungResultStatement
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted
from harness.discover import judging, prompts, summary
from harness.discover.audit import _outcomes, _score
from harness.discover.journal import Journal
from harness.discover.judging import LadderJudge
from harness.discover.loop import Discovery
from harness.discover.proposers.evolve import EvolveProposer
from harness.discover.track import Plan
from harness.ladder.ladder import load
from harness.ledger.records import Decision, Score, State
from harness.report.json_report import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from harness.core.verdict import Json
    from harness.discover.proposers import Context
    from harness.ladder.plan import Ladder
    from harness.ledger.records import Claim

#: Ranked by another metric, and against another loss: not even that is told.
OTHER = RUNG.replace('metric = "score"', 'metric = "best"').replace('baseline = "dpo"', 'baseline = "slic"')
#: What may have become of a run at the held-out rung by the time that the search asks for it.
ENDS = ("waits", "promote", "reject", "failed", "cancelled", "at-it")


def gain_of(source: str) -> float:
    """A number that follows from a text: how a loss does in a search."""
    return int(hashlib.sha256(source.encode()).hexdigest()[:6], 16) / 0xFFFFFF - 0.4


@dataclass
class World:
    """A real ledger, and a worker without sandboxes. Where it ends below a held-out rung, another is at that at once.

    What is reached there is the opposite of what the search is told: a search that learnt of it would go elsewhere.
    """

    ladder: Ladder
    ledger: Ledger
    end: str = "waits"
    orders: list[Any] = field(default_factory=list)

    def work(self, place: Any, orders: Any, **more: Any) -> int:
        del more
        self.orders.append(orders)
        held = self.ledger.claim("w", slot=place.name, needs=place.needs, only=orders.only)
        assert held is not None
        self._climb(held, orders.below)
        if self.ledger.run(orders.only).rung == 3 and len(self.ladder.rungs) > 3:
            self.elsewhere(orders.only)
        return 1

    def elsewhere(self, run: int) -> None:
        """What another worker, or a person, makes of a run that came there."""
        if self.end == "waits":
            return
        if self.end == "cancelled":
            self.ledger.cancel(run)
            return
        held = self.ledger.claim("other", slot="other", needs=("cpu",), only=run)
        assert held is not None
        if self.end == "failed":
            while self.ledger.fault(held, "no engine", back_off=0.0) is State.QUEUED:
                held = self.ledger.claim("other", slot="other", needs=("cpu",), only=run)
                assert held is not None
        elif self.end != "at-it":
            self._climb(held, None)
        else:
            self.ledger.release(held)

    def _climb(self, held: Claim, below: int | None) -> None:
        for place in range(held.run.rung, len(self.ladder.rungs) if below is None else below):
            plan = self.ladder.rungs[place]
            source = self.ledger.text(held.run).decode()
            decision = Decision("promote", "accepted")
            if plan.kind == "properties":
                self.ledger.attach(held, plan.name, "report.json", _report(held))
                if self.ledger.same_function(held, hashlib.sha256(source.encode()).hexdigest(), lambda _: None):
                    return
            elif plan.gate is not None:
                gain = -gain_of(source) if plan.held_out else gain_of(source)
                seeds = [plan.first_seed + k for k in range(2)]
                scores = [Score(s, m, gain + s % 3 / 50) for s in seeds for m in ("score", "score@30", "kl")]
                self.ledger.save_scores(held, plan.name, scores)
                word = self.end if plan.held_out else "reject" if gain < -0.3 else "promote"
                decision = Decision(word, f"{plan.name}: told {gain:.3f}", {"difference": gain})
            told: dict[str, Any] = {"rung": plan.name, "decision": decision, "evaluation": plan.name}
            told["next_needs"] = self.ladder.needs(place + 1)
            if self.ledger.checkpoint(held, scores=(), **told) is not State.RUNNING:
                return
        self.ledger.release(held)


def _report(held: Claim) -> bytes:
    facts: dict[str, Any] = {"convex": bool(held.run.id % 2), "statistic": "pointwise"}
    facts["fingerprint"] = held.run.candidate
    result = CheckResult("x", held.run.candidate, "n", Accepted(), facts=facts)
    return write_json(CheckReport("2026.1", 0, (result,))).encode()


class Reader(Script):
    """A proposer that is asked as a language model is, with a picture, and goes on from what it is shown first."""

    def __init__(self, count: int) -> None:
        super().__init__([], takes_pictures=True)
        self.count = count

    def request(self, context: Context) -> Json:
        return [*prompts.messages(context), hashlib.sha256(context.picture or b"").hexdigest()]

    def propose(self, context: Context, key: str) -> Any:
        shown = context.best[0].code if context.best else ""
        body = f"F.softplus(-x) * {1 + int(hashlib.sha256(shown.encode()).hexdigest()[:4], 16) % 97}"
        self.lines = [*self.lines, reply(f"{body} + {self.next}", f"loss_{self.next}", [context.best[0].name])]
        return super().propose(context, key)


def searched(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ladder: Ladder, end: str, kind: str
) -> tuple[list[dict[str, Any]], Any, World]:
    """The journal of a search, what it came to, and the world that it was made in."""
    folder.mkdir(parents=True)
    proposer: Any = EvolveProposer() if kind == "evolve" else Reader(6)
    generations = 24 if kind == "evolve" else 6
    with Ledger(folder / "harness") as ledger, Journal(folder / "journal.jsonl") as journal:
        world = World(ladder, ledger, end)
        monkeypatch.setattr(judging, "work", world.work)
        judge = LadderJudge(ladder, ledger, folder / "candidates")
        plan = Plan(generations, burn_in=("dpo", "slic"), confirm=0, seed=5)
        loop = Discovery(plan, ladder, proposer, judge, journal)
        loop.draw = lambda losses: json.dumps([[loss.id, loss.learning] for loss in losses]).encode()
        track = loop.run()
        states = {run.id: run.state for run in ledger.runs()}
        return journal.entries, (track, states), world


#: What of a journal's entries tells of numbers that runs have, and of the clock.
APART = frozenset({"at", "seconds", "profile", "profile_digest"})


def told(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key not in APART} for entry in entries]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same searches on the same ladder without a held-out rung, by kind."""
    found: dict[str, Any] = {}

    def of(kind: str) -> Any:
        if kind not in found:
            folder = tmp_path_factory.mktemp(kind)
            with pytest.MonkeyPatch.context() as patch:
                found[kind] = searched(folder / "run", patch, load(written(folder, "", "plain")), "waits", kind)
        return found[kind]

    return of


@pytest.mark.parametrize("kind", ["evolve", "reader"])
@pytest.mark.parametrize("end", ENDS)
def test_a_search_is_the_same_with_a_held_out_rung_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: Any, end: str, kind: str
) -> None:
    ladder = load(written(tmp_path, OTHER))
    entries, (track, states), world = searched(tmp_path / "run", monkeypatch, ladder, end, kind)
    plain, (before, _), _ = alone(kind)
    asked = [entry for entry in entries if entry["kind"] == "ask"]
    assert json.dumps([e["request"] for e in asked]) == json.dumps([e["request"] for e in plain if e["kind"] == "ask"])
    assert told(entries) == told(plain)
    assert summary.document_of(track.archive) == summary.document_of(before.archive)
    assert track.archive.top().id == before.archive.top().id
    assert {row.fate for row in track.rows} >= {"measured"}
    assert not [row for row in track.rows if "larger" in (row.rung, *row.seconds) or "larger" in row.told]
    assert {orders.below for orders in world.orders} == {3}
    there = {"waits": "queued", "at-it": "queued", "promote": "completed", "reject": "rejected"}.get(end, end)
    assert there in set(map(str, states.values())), "the held-out rung was met, or waits"


@pytest.mark.parametrize("end", ["waits", "promote", "reject", "failed", "cancelled"])
def test_a_second_search_of_the_ledger_is_answered_as_if_there_were_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """What is known of a text from an earlier search is what that was told, whatever came of it since."""
    ladder = load(written(tmp_path, OTHER))
    with Ledger(tmp_path / "harness") as ledger:
        world = World(ladder, ledger)
        monkeypatch.setattr(judging, "work", world.work)
        judge = LadderJudge(ladder, ledger, tmp_path / "candidates")
        sources = [f"def loss(a, b, c, d, beta):\n    return {number} * a\n" for number in range(12)]
        first = [judge.judge(source, "loss", lambda _, __: False) for source in sources]
        world.end = end
        for run in ledger.runs():
            if run.rung == 3:
                world.elsewhere(run.id)
        climbs = len(world.orders)
        again = [judge.judge(source, "loss", lambda _, __: False) for source in sources]
        kept = ("fate", "rung", "told", "score", "low", "high", "gain", "place", "metrics", "learning", "run")
        assert [[getattr(one, key) for key in kept] for one in again] == [
            [getattr(one, key) for key in kept] for one in first
        ]
        assert {one.fate for one in first} == {"measured", "stopped"}
        assert len(world.orders) == climbs, "nothing was climbed for it"


def test_the_record_of_a_discovery_is_not_held_against_a_held_out_rung(tmp_path: Path) -> None:
    """Its scores are those of the rungs that it was told of, and its outcomes too: here the held-out rung says no."""
    ladder, about = load(written(tmp_path, OTHER)), [SimpleNamespace(digest=SimpleNamespace(sha256="c" * 64))]
    lines: dict[str, Any] = {}
    for place, score, word in ((2, 0.5, "promote"), (3, 9.0, "reject")):
        plan = ladder.rungs[place]
        at = {"rung": SimpleNamespace(name=plan.name, kind=plan.kind, position=place, ladder=ladder.digest)}
        said = {**at, "decision": word, "result": f"result {place}", "previous": f"promotion {place - 1}"}
        made: dict[str, tuple[Any, dict[str, Any]]] = {
            "result": (RungResultStatement, {**at, "seeds": {"0": {"score": score}}}),
            "decision": (GateDecisionStatement, said),
            "promotion": (PromotionStatement, {**said, "decision": f"decision {place}"}),
        }
        for name, (kind, words) in made.items():
            lines[f"{name} {place}"] = kind.model_construct(predicate=SimpleNamespace(**words), subject=about)
    del lines["promotion 3"]
    for last in ("promotion 2", "decision 3"):
        assert _score(lines[last], lines, ladder) == pytest.approx(0.5)
    row: Any = SimpleNamespace(id="c" * 64, run=1, fate="measured", name="one")
    assert not list(_outcomes(lines, [row], ladder, set()))
    row.fate = "stopped"
    assert list(_outcomes(lines, [row], ladder, set()))
