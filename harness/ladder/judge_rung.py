"""A rung at which a judge decides: the models of a fine-tune below answer questions, and a language model compares.

Candidate and baseline answer the same questions, each in a container of its own, by weights that were kept. What a gate
reads is, for each prompt, how much the candidate's answer is preferred over the baseline's; `PromptGate` decides by
these, so that its error holds however often it looks, and about these two trained models alone. Rails on what is known
before anybody is asked (lengths) are looked at first: what they stop costs nothing.

Every call is recorded in the project's folder before it counts, and kept with the run, so that all of it follows once
more from what was kept (`ClimbContext.replies`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from harness.core.digests import json_digest
from harness.core.errors import InfrastructureError
from harness.core.waiting import alone
from harness.ladder.baselines import baseline_candidate
from harness.ladder.context import Progress, Training
from harness.ladder.evidence import PromptGate, at_equal_length, effects_of, single
from harness.ladder.judge_panel import Panel
from harness.ladder.judge_sets import (
    BASELINE,
    CANDIDATE,
    OUTPUTS,
    START,
    Answered,
    Sampling,
    question_lines,
    read_answers,
    read_sets,
)
from harness.ladder.judge_settings import (
    AT_EQUAL_LENGTH,
    BESIDE,
    RECORDINGS,
    JudgeSettings,
    fine_tune_of,
    settings_of_plan,
)
from harness.ladder.measuring import ours
from harness.ladder.rung_records import BASELINE as BASELINE_DOCUMENT
from harness.ladder.rung_records import weights_of
from harness.ledger.documents import MOST_BYTES
from harness.ledger.records import Decision, Score, plain
from harness.llm.account import Budget, Prices
from harness.llm.recording import Recording, recorded
from harness.llm_judge.judge import Judge, Manner, endpoint_of, somebody_to_ask
from harness.protocol.job import Progress as StepProgress
from harness.protocol.job import Step
from harness.training.weights import address_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.checks.static import Screened
    from harness.ladder.context import ClimbContext
    from harness.ladder.gate import Gate
    from harness.ladder.judge_sets import Sets
    from harness.ladder.plan import RungPlan
    from harness.ledger.records import Claim
    from harness.llm.endpoint import Endpoint

#: What is kept with a run: who answered what, what was asked and replied, and what came of it for each prompt.
ANSWERS, CALLS, JUDGEMENT = "answers-{}-{}", "calls-{}-{}", "judgement-{}.json"


def judged(context: ClimbContext, held: Claim, plan: RungPlan, one: Screened, labels: dict[str, str]) -> Decision:
    """What the judge's rung comes to. A user's mistake is a fault of ours here: nobody is there who could mend it."""
    with ours():
        return _Rung(context, held, plan, one, labels).decide()


@dataclass(frozen=True)
class _Rung:
    context: ClimbContext
    held: Claim
    plan: RungPlan
    one: Screened
    labels: dict[str, str]
    #: Where the weights lie that answered, by whose they are.
    addresses: dict[str, str] = field(default_factory=dict)

    @cached_property
    def settings(self) -> JudgeSettings:
        return settings_of_plan(self.plan)

    @property
    def _sampling(self) -> Sampling:
        settings = self.settings
        return Sampling(settings.answer, settings.temperature, bool(settings.by_category), settings.template)

    @cached_property
    def tuned(self) -> RungPlan:
        return fine_tune_of(self.context.ladder, self.plan)

    @cached_property
    def gate(self) -> Gate:
        if self.plan.gate is None:
            raise InfrastructureError(f"the rung {self.plan.name} has no gate")
        return self.plan.gate

    @cached_property
    def sets(self) -> Sets:
        sets = read_sets(self.settings, self.context.trainings({}).inputs(self.plan))
        return replace(sets, asked=sets.asked[: self.gate.looks[-1]])

    def decide(self) -> Decision:
        sides = self._sides()
        mine, base = sides[CANDIDATE], sides[BASELINE]
        known = {"length_ratio": _ratio(mine.mean_length(), base.mean_length()), "ended": mine.ended}
        if (stopped := self._rails(known)) is not None:  # the others are looked at when they are known
            self._keep(known, {}, {"length_ratio": 1.0, "ended": base.ended}, sides)
            return stopped
        order = self._order()
        gaps = {n: mine.length(one.name) - base.length(one.name) for n, one in enumerate(self.sets.asked)}
        equal = at_equal_length(gaps, order)
        at_level = self.gate.metric == AT_EQUAL_LENGTH
        units = equal if at_level else single(order)
        gate = PromptGate(
            self.gate.margin,
            self.gate.alpha,
            len(units),
            self.gate.undecided,
            self.gate.metric.replace("_", " "),
            self.gate.against,
            "prompts, in twos where they differ in length," if at_level else "prompts",
        )
        with contextlib.ExitStack() as stack:
            panel = stack.enter_context(self._panel(sides))
            looks = [look for look in self.gate.looks if look < len(order)] + [len(order)]
            for look in looks:
                panel.judge(order[:look])
                self._tell(look, len(order))
                decision = gate.decide(effects_of(units, panel.effects()))
                if decision is not None:
                    break
            else:
                raise InfrastructureError(f"the gate of {self.plan.name} did not decide after its last look")
            metrics, beside = panel.metrics(equal)
        metrics |= known
        beside |= {"length_ratio": 1.0, "ended": base.ended}
        if absent := [rail.metric for rail in self.gate.rails if rail.metric not in metrics]:
            remedy = "more questions, or a rail on what is measured with so few"
            raise InfrastructureError(f"the rung {self.plan.name} could not measure {absent[0]}", remedy=remedy)
        self._keep(metrics, panel.document(), beside, sides, panel)
        stopped = self._rails(metrics) if decision.decision == "promote" else None
        return self._told(stopped or decision, metrics)

    def _order(self) -> list[int]:
        """The numbers of all questions in an order of chance, which nothing but their names decides.

        Sets are published by category: in their own order each look would meet another mean.
        """
        names = [one.name for one in self.sets.asked]
        return sorted(
            range(len(names)), key=lambda n: hashlib.sha256(f"{self.plan.name}\0{names[n]}".encode()).digest()
        )

    def _rails(self, metrics: Mapping[str, float]) -> Decision | None:
        for rail in self.gate.rails:
            if rail.metric in metrics and not rail.holds(metrics[rail.metric]):
                told = rail.told(self.settings.seed, metrics[rail.metric])
                return Decision("reject", told, {"rail": rail.metric, "seeds": 1})
        return None

    def _told(self, decision: Decision, metrics: Mapping[str, float]) -> Decision:
        """With what stands beside it in every sentence: win rate at equal length, lengths, and the price."""
        at = [f"win rate at equal length {metrics[n]:.3f}" for n in ("win_rate_at_equal_length",) if n in metrics]
        at += [f"score {metrics['score']:.2f}"] if "score" in metrics else []
        at += [f"length ratio {metrics['length_ratio']:.2f}"]
        price = f", {metrics['dollars']:.2f} dollars" if metrics["dollars"] else ""
        at += [f"{metrics['calls']:.0f} calls of {self.settings.judge}, {metrics['tokens']:.0f} tokens{price}"]
        detail = {**decision.detail, **{name: metrics[name] for name in BESIDE if name in metrics}}
        detail["judge"] = self.settings.judge
        detail["weights"] = dict(self.addresses)
        return Decision(decision.decision, f"{decision.reason}; {'; '.join(at)}", detail)

    def _sides(self) -> dict[str, Answered]:
        wanted = [CANDIDATE, BASELINE, *([START] if self.settings.against == START else [])]
        places = {whose: self._weights(whose) for whose in wanted if whose != START}
        self.addresses.update({whose: at.parent.name for whose, at in places.items()})
        self._same_as_below()
        lines = question_lines(self.sets.asked, self._sampling)
        trainings, out = self.context.trainings(self.labels), {}
        for whose in wanted:
            tell = self.context.tell(self.plan, self.settings.seed, whose)
            made = trainings.answer(self.tuned, self.settings.seed, lines, places.get(whose), tell)
            out[whose] = read_answers(made, self.sets.asked, f"the {whose}")
        if self.sets.outputs is not None:
            out[OUTPUTS] = Answered(OUTPUTS, self.sets.outputs, 1.0)
        return out

    def _same_as_below(self) -> None:
        """Write down where the candidate's weights are not those that the fine-tune's record names, as on a GPU."""
        below = weights_of(self.context.ledger, self.held.run.id, self.tuned.name, self.settings.seed)
        mine = self.addresses[CANDIDATE]
        if below is not None and (then := address_of(below)) != mine:
            detail = {"rung": self.plan.name, "trained": then, "judged": mine}
            self.context.ledger.note(self.held, "trained-again-to-others", detail)

    def _weights(self, whose: str) -> Path:
        """The folder of the weights; a seed whose weights are not there any more is trained again."""
        context, seed = self.context, self.settings.seed
        one = self.one if whose == CANDIDATE else context.checker.screen(baseline_candidate(self.tuned.baseline))
        trainings = context.trainings(self.labels)
        key = trainings.key(self.tuned, seed, f"{one.sha256}/{context.evaluation(self.tuned, one)}")
        found = trainings.weights.of_training(key)
        if found is None:
            told = f"the weights of the {whose} are not here: seed {seed} of {self.tuned.name} is trained again"
            context.watch(Progress(self.plan.name, told=told))
            with context.measuring(self.tuned, one, self.labels) as measure:
                measure(seed, context.tell(self.tuned, seed, whose))
            found = trainings.weights.of_training(key)
        if found is None:
            raise InfrastructureError(f"the weights of the {whose} were trained and not kept")
        return found

    @contextlib.contextmanager
    def _panel(self, sides: Mapping[str, Answered]) -> Iterator[Panel]:
        """The judges: one for the candidate, and one for the baseline where it is judged by itself."""
        settings = self.settings
        alone_too = settings.form == "scores" or settings.against != BASELINE
        with contextlib.ExitStack() as stack:
            endpoint = None
            if self.context.replies is None and somebody_to_ask():
                endpoint = endpoint_of()
                stack.callback(endpoint.close)
            judge = stack.enter_context(self._judge(CANDIDATE, self.one.sha256, endpoint))
            beside = self.tuned.baseline
            other = stack.enter_context(self._judge(BASELINE, beside, endpoint)) if alone_too else None
            yield Panel(settings, self.sets, sides, judge, other)

    @contextlib.contextmanager
    def _judge(self, whose: str, name: str, endpoint: Endpoint | None) -> Iterator[Judge]:
        """A judge whose calls are kept: those of the baseline for all candidates, one at a time."""
        settings = self.settings
        temperature = None if settings.judge_temperature < 0.0 else settings.judge_temperature
        # Nobody is waited for in a replay: one at a time, and the first call that is missing is the one that is named.
        workers = settings.workers if endpoint is not None else 1
        manner = Manner(settings.judge, temperature, settings.reply_tokens, settings.reply_cap, workers=workers)
        priced = Prices(settings.price_in, settings.price_out) if settings.price_in or settings.price_out else Prices()
        budget = Budget(settings.budget_tokens or math.inf, settings.budget_dollars or math.inf, priced)
        with contextlib.ExitStack() as stack:
            if self.context.replies is not None:
                place = self.context.replies / self.plan.name / f"{whose}.jsonl"
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()  # where nobody was asked nothing was kept
                recording, asks = Recording(place, read_only=True), None
            else:
                evaluation = self.context.evaluation(self.plan, self.one if whose == CANDIDATE else None)
                place = self.context.folder / RECORDINGS / f"{json_digest([name, evaluation])[:32]}.jsonl"
                place.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(alone(place.with_suffix(".lock"), self.context.stopping))
                recording, asks = Recording(place), endpoint
            turns = 2 * len(self.sets.asked)  # both orders, or two turns
            stack.enter_context(recording)
            yield Judge(manner, recording, asks, budget, planned=turns, stopping=self.context.stopping)

    def _tell(self, done: int, of: int) -> None:
        training = Training("judge", self.settings.seed, Step.SCORE, StepProgress(done, of, "prompts"))
        self.context.watch(Progress(self.plan.name, training=training))

    def _keep(
        self,
        metrics: Mapping[str, float],
        document: Mapping[str, Any],
        beside: Mapping[str, float],
        sides: Mapping[str, Answered],
        panel: Panel | None = None,
    ) -> None:
        """Keep it with the run: what was answered and said first, metrics last, since those say that it is done."""
        seed, attach = self.settings.seed, partial(self.context.ledger.attach, self.held, self.plan.name)
        for whose, side in sides.items():
            _in_parts(attach, ANSWERS.format(seed, whose), side.lines)
        for whose, judge in panel.judges() if panel is not None else ():
            _in_parts(attach, CALLS.format(seed, whose), recorded(call for heard in judge.heard for call in heard))
        attach(BASELINE_DOCUMENT.format(seed), json.dumps(plain(dict(beside)), sort_keys=True).encode())
        if document:
            told = {**document, "weights": dict(self.addresses)}
            attach(JUDGEMENT.format(seed), json.dumps(plain(told), sort_keys=True).encode())
        scores = [Score(seed, name, value) for name, value in metrics.items()]
        self.context.ledger.save_scores(self.held, self.plan.name, scores)
        self.context.watch(Progress(self.plan.name, seed, dict(metrics), dict(beside)))


def _in_parts(attach: Any, name: str, lines: bytes) -> None:
    """Keep lines as documents that a ledger takes, each of whole lines."""
    part, number = b"", 0
    for line in lines.splitlines(keepends=True):
        if len(part) + len(line) > MOST_BYTES:
            attach(f"{name}-{number}.jsonl", part)
            part, number = b"", number + 1
        part += line
    if part:
        attach(f"{name}-{number}.jsonl", part)


def _ratio(one: float, other: float) -> float:
    return one / other if other else math.inf if one else 1.0
