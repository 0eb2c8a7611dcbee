"""One attempt at a run: from its last checkpoint up, rung by rung, until a gate or the end of the ladder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import profiles
from harness.candidate import Candidate
from harness.errors import CandidateFault, HarnessError, InfrastructureError, StoppedError, UserError
from harness.judge.judging import judged
from harness.judge.pipeline import Ready
from harness.judge.static import Job, Screened
from harness.ladder.ahead import seeds_of
from harness.ladder.baselines import Baselines
from harness.ladder.checks import check
from harness.ladder.measured import MEASURED
from harness.ladder.measuring import Measured, Measuring, labelled, opened, trainings_of
from harness.ladder.rungs import GATED, TRAINED, evaluation_digest
from harness.ladder.same import compared
from harness.ladder.tuned import evaluation_with
from harness.ladder.tuning import Tuning, is_open
from harness.ledger.events import LeaseLostError
from harness.ledger.records import Decision, Score, plain
from harness.ledger.states import State
from harness.oracle.sandbox import Sandbox
from harness.report.json_report import write_json
from harness.result import CheckReport
from harness.screen import screen
from harness.train.job import Progress as StepProgress
from harness.train.job import Step
from harness.verdict import Accepted, Rejected, Undecided, refused
from harness.verdict import Screened as NotJudged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.judge.pipeline import Bench
    from harness.judge.session import Suite
    from harness.ladder.profile import Ladder, RungPlan
    from harness.ladder.training import Trainings
    from harness.ledger import Ledger
    from harness.ledger.records import Claim, Run
    from harness.profiles import Profile
    from harness.result import CheckResult
    from harness.verdict import Verdict

__all__ = [
    "BASELINE",
    "REPORT",
    "SAMPLES",
    "Ground",
    "Progress",
    "StoppedError",
    "Training",
    "climb",
    "labels_of",
    "opened",
    "run_label",
    "screened_text",
]

#: What the report of the properties is called among a run's documents.
REPORT = "report.json"
#: What the baseline's metrics of a seed are called there, by the seed.
BASELINE = "baseline-{}.json"
#: What the answers are called there that a trained model gave, by the seed.
SAMPLES = "samples-{}.jsonl"


@dataclass(frozen=True)
class Training:
    """How far a training is: whose ("candidate" or the baseline's name), for which seed, at which step of it."""

    whose: str
    seed: int
    step: Step
    at: StepProgress


@dataclass(frozen=True)
class Progress:
    """What a climb is at: told after each rung and seed."""

    rung: str
    seed: int | None = None
    scores: dict[str, float] | None = None
    baseline: dict[str, float] | None = None
    decision: Decision | None = None
    #: A sentence for people.
    told: str = ""
    #: What a training is at, several times a second; then nothing else is told but the rung.
    training: Training | None = None


@dataclass
class Ground:
    """What all climbs of a worker share. `stopping` is asked between seeds, `watch` is told what happens."""

    bench: Bench
    suite: Suite
    ladder: Ladder
    ledger: Ledger
    folder: Path
    stopping: Callable[[], bool] = lambda: False
    watch: Callable[[Progress], None] = lambda _: None
    #: The fault of ours that the last climb ended with.
    fault: InfrastructureError | None = None

    def __post_init__(self) -> None:
        """Refuse a ladder that cannot be climbed before anybody tries."""
        check(self.ladder)
        self.baselines = Baselines(self.folder / "baselines", self._measure_baseline, self.stopping)
        self._evaluations: dict[str, str] = {}

    @property
    def image(self) -> str:
        """The sandbox image's digest, or its tag where only that was given."""
        return str(self.bench.environment["image_digest"] or self.bench.environment["image"])

    def evaluation(self, plan: RungPlan, one: Screened | None = None) -> str:
        """The digest of what decides about a rung's outcome, besides the candidate's text; tuned values are in it."""
        if plan.name not in self._evaluations:
            trained = self._trained_by(plan) if plan.kind in TRAINED else ""
            self._evaluations[plan.name] = evaluation_digest(self.ladder, plan, self.image, trained)
        return evaluation_with(self._evaluations[plan.name], one.program if one is not None else None)

    def _trained_by(self, plan: RungPlan) -> str:
        try:
            return self.trainings({}).identity(plan)
        except UserError as error:
            raise InfrastructureError(error.message, remedy=error.remedy) from error

    def trainings(self, labels: dict[str, str]) -> Trainings:
        """How this worker trains. Raises InfrastructureError where it cannot."""
        try:
            return trainings_of(self.bench, self.folder, labels, self.stopping)
        except UserError as error:
            raise InfrastructureError(error.message, remedy=error.remedy) from error

    def measuring(self, plan: RungPlan, one: Screened, labels: dict[str, str]) -> Measuring:
        """What measures a candidate at a rung."""
        name = f"{one.sha256}/{self.evaluation(plan, one)}"
        return Measuring(self.bench, plan, one, labels, name, lambda: self.trainings(labels))

    def prepare(self, plan: RungPlan, seed: int) -> None:
        """Make the data that a seed of a rung is trained on, unless they are there."""
        self.trainings({}).prepare(plan, seed, self.tell(plan, seed, plan.baseline))

    def tell(self, plan: RungPlan, seed: int, whose: str) -> Callable[[Step, StepProgress], None]:
        """What hands the progress of a training on."""
        return lambda step, at: self.watch(Progress(plan.name, training=Training(whose, seed, step, at)))

    def _measure_baseline(self, candidate: Candidate, plan: RungPlan, seed: int) -> dict[str, float]:
        with self.measuring(plan, screened_text(candidate, self.bench.profile), {}) as measure:
            return measure(seed, self.tell(plan, seed, plan.baseline))


def screened_text(candidate: Candidate, profile: Profile | None = None) -> Screened:
    """Screen a candidate whose bytes are known, as a profile has it or the newest; a fault of its own is kept."""
    from pathlib import Path  # noqa: PLC0415 - as a value only here

    one = Screened(Job(0, Path(candidate.path), candidate.path), sha256=candidate.sha256)
    one.timings["screen"] = 0.0
    try:
        by = profile or profiles.load(profiles.DEFAULT)
        one.program = screen(candidate, contract=by.contract, binding=by.binding)
    except (CandidateFault, InfrastructureError) as fault:
        one.fault = fault
    return one


def climb(ground: Ground, held: Claim) -> State:
    """Go on with a run from its last checkpoint; give the state that it ends in.

    A fault of ours puts it back into the queue. Raises LeaseLostError where another attempt has the run by now.
    """
    ledger = ground.ledger
    try:
        return _climb(ground, held)
    except LeaseLostError:
        raise
    except StoppedError:
        ledger.release(held)
        return State.QUEUED
    except CandidateFault as fault:
        reason = "; ".join(f"{f.rule} {f.message}" for f in fault.findings)
        return ledger.checkpoint(held, **_end_of(ground, held, Decision("reject", reason)))
    except InfrastructureError as error:
        ground.fault = error
        return ledger.fault(held, with_remedy(error))


def with_remedy(error: HarnessError) -> str:
    """A fault and the next step in one line: whoever reads the ledger was not there when it happened."""
    return f"{error.message} ({error.remedy})" if error.remedy else error.message


def _end_of(ground: Ground, held: Claim, decision: Decision, one: Screened | None = None) -> dict[str, object]:
    """The checkpoint's arguments for the rung that the run is at."""
    place = ground.ledger.run(held.run.id).rung
    plan = ground.ladder.rungs[place]
    return {
        "rung": plan.name,
        "scores": (),
        "decision": decision,
        "evaluation": ground.evaluation(plan, one),
        "next_needs": ground.ladder.needs(place + 1),
        "ask_a_person": plan.ask_a_person,
    }


def _climb(ground: Ground, held: Claim) -> State:
    data = ground.ledger.text(held.run)
    one = screened_text(Candidate(held.run.path, data, held.run.candidate), ground.bench.profile)
    for plan in ground.ladder.rungs[held.run.rung :]:
        if ground.stopping():
            raise StoppedError
        ground.watch(Progress(plan.name))
        if plan.kind in GATED:
            one, fallen = _tuned(ground, held, plan, one)
            decision = fallen or _seeded(ground, held, plan, one)
        else:
            verdict = _screened(one) if plan.kind == "screen" else _properties(ground, held, plan, one)
            if isinstance(verdict, int):
                return State.DUPLICATE
            decision = _of_verdict(verdict, judged=plan.kind != "screen")
        ground.watch(Progress(plan.name, decision=decision))
        state = ground.ledger.checkpoint(held, **_end_of(ground, held, decision, one))
        if state is not State.RUNNING:
            return state
    raise InfrastructureError(f"run {held.run.id} stands above the last rung of {ground.ladder.name}")


def _screened(one: Screened) -> Verdict:
    if isinstance(one.fault, CandidateFault):
        return refused(one.fault.findings)
    if one.fault is not None:
        raise one.fault
    return NotJudged()


def _properties(ground: Ground, held: Claim, plan: RungPlan, one: Screened) -> Verdict | int:
    """The verdict of the properties, or the run that judged the same function before."""
    result = _judged(ground, held, one)
    report = write_json(CheckReport(ground.ladder.properties, 0, (result,))).encode()
    ground.ledger.attach(held, plan.name, REPORT, report)
    fingerprint = result.facts.get("fingerprint")
    if isinstance(result.verdict, Accepted) and isinstance(fingerprint, str):
        known = ground.ledger.same_function(held, fingerprint, lambda other: _difference(ground, held, one, other))
        if known is not None:
            return known
    return result.verdict


def _difference(ground: Ground, held: Claim, one: Screened, other: Run) -> str | None:
    """Where this candidate differs from that of another run, as functions; None where it does not."""
    text = Candidate(other.path, ground.ledger.text(other), other.candidate)
    key = ground.ledger.secret() + f" {held.run.id} {other.id}".encode()
    labels = labels_of(ground.ledger, held)
    return compared(ground.bench, labels, key, one, screened_text(text, ground.bench.profile))


def _judged(ground: Ground, held: Claim, one: Screened) -> CheckResult:
    recipe = labelled(ground.bench, labels_of(ground.ledger, held))
    ready = Ready(one, Sandbox(ground.bench.engine, recipe))
    try:
        result = judged(ground.bench, ground.suite, ready)
    except KeyboardInterrupt:
        if ground.stopping():  # while the suite was learnt
            raise StoppedError from None
        raise
    finally:
        ready.dispose()
    if isinstance(result.verdict, Undecided) and ground.stopping():
        raise StoppedError
    return result


def _tuned(ground: Ground, held: Claim, plan: RungPlan, one: Screened) -> tuple[Screened, Decision | None]:
    """The candidate at the values that the ladder tuned for it, and the decision where it falls at them."""
    if not is_open(one):
        return one, None
    tell = ground.tell(plan, 0, "tuning")
    tuning = Tuning(
        ground.bench, ground.ladder, ground.ledger, held, ground.image, labels_of(ground.ledger, held), ground.stopping
    )
    return tuning.settled(
        one,
        lambda chosen: _of_verdict(_judged(ground, held, chosen).verdict),
        lambda done, of, reached: tell(Step.TRAIN, StepProgress(done, of, "parameters", {"objective": reached})),
    )


def _of_verdict(verdict: Verdict, *, judged: bool = True) -> Decision:
    """The decision of a rung: what was only screened goes on from the rung that screens, and from no other."""
    if isinstance(verdict, Rejected):
        told = [f"{f.rule} {f.message}" for f in verdict.findings]
        return Decision("reject", "; ".join(told[:3]), {"rules": [f.rule for f in verdict.findings]})
    if isinstance(verdict, Accepted):
        return Decision("promote", "accepted", {"warnings": [f.rule for f in verdict.findings]})
    if isinstance(verdict, NotJudged):
        if judged:
            raise InfrastructureError("the properties gave no verdict: it was only screened")
        return Decision("promote", "it passes the screen", {"warnings": [f.rule for f in verdict.findings]})
    raise InfrastructureError(verdict.reason, remedy=verdict.remedy)


def _seeded(ground: Ground, held: Claim, plan: RungPlan, one: Screened) -> Decision:
    """Measure seed after seed, each kept at once, until the gate decides. An earlier attempt's seeds count."""
    gate = plan.gate
    if gate is None:
        raise InfrastructureError(f"the rung {plan.name} has no gate")
    evaluation = ground.evaluation(plan)
    known = _known(ground, held, plan, ground.evaluation(plan, one), evaluation)
    if ground.baselines.outdated(plan, evaluation):
        told = f"the baseline {plan.baseline} is measured again: code, image or data are no longer what they were"
        ground.ledger.note(held, "baseline-again", {"rung": plan.name, "why": told})
        ground.watch(Progress(plan.name, told=told))
    baseline = {seed: ground.baselines.scores(plan, evaluation, seed) for seed in known}
    with seeds_of(ground, plan, evaluation, one, labels_of(ground.ledger, held)) as seeds:
        for seed in range(gate.looks[-1]):
            if seed == 0 or seed in gate.looks:
                seeds.foresee([s for s in range(seed, min(n for n in gate.looks if n > seed)) if s not in known])
            if seed not in known:
                if ground.stopping():
                    raise StoppedError
                measured = seeds.candidate(seed)
                baseline[seed] = seeds.baseline(seed)
                known[seed] = measured.metrics
                _attach(ground, held, plan, seed, measured, baseline[seed])
                scores = [Score(seed, metric, value) for metric, value in known[seed].items()]
                ground.ledger.save_scores(held, plan.name, scores)
                ground.watch(Progress(plan.name, seed, known[seed], baseline[seed]))
            so_far = {s: known[s] for s in range(seed + 1)}
            if (decision := gate.decide(so_far, baseline)) is not None:
                return decision
    raise InfrastructureError(f"the gate of {plan.name} did not decide after its last look")


def _known(ground: Ground, held: Claim, plan: RungPlan, evaluation: str, untuned: str) -> dict[int, dict[str, float]]:
    """The metrics of seeds that an earlier attempt measured; they are forgotten where other code measured them."""
    scores = ground.ledger.scores(held.run.id).get(plan.name, [])
    events = [e.detail for e in ground.ledger.events(held.run.id) if e.kind == MEASURED]
    by = [detail["evaluation"] for detail in events if detail["rung"] == plan.name]
    if scores and by[-1:] != [evaluation]:
        told = "its seeds are measured again: code, image or data are no longer what they were"
        ground.ledger.forget(held, plan.name, told)
        ground.watch(Progress(plan.name, told=told))
        scores = []
    # Runs are compared by the second digest: the values that were chosen for one are no other code.
    what = {"rung": plan.name, "evaluation": evaluation, "untuned": untuned}
    ground.ledger.note(held, MEASURED, {**what, "attempt": held.attempt})
    known: dict[int, dict[str, float]] = {}
    for score in scores:
        known.setdefault(score.seed, {})[score.metric] = score.value
    return known


def _attach(
    ground: Ground, held: Claim, plan: RungPlan, seed: int, measured: Measured, baseline: dict[str, float]
) -> None:
    """Keep what a seed left besides its metrics; before them, since a seed that has metrics is not measured again."""
    made = {BASELINE.format(seed): json.dumps(plain(baseline), sort_keys=True).encode()}
    if measured.curve:
        made[f"curve-{seed}.json"] = measured.curve
    if measured.samples:
        made[SAMPLES.format(seed)] = measured.samples
    for name, data in made.items():
        ground.ledger.attach(held, plan.name, name, data)


def run_label(ledger: Ledger, held: Claim) -> tuple[str, str]:
    """The label that all containers of a run have, whichever attempt made them."""
    return ("harness.run", f"{ledger.name}/{held.run.id}")


def labels_of(ledger: Ledger, held: Claim) -> dict[str, str]:
    """Labels for the containers of an attempt, by which the next one finds what a dead one left."""
    key, value = run_label(ledger, held)
    return {key: value, "harness.attempt": str(held.attempt)}
