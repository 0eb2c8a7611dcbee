"""One attempt at a run: from its last checkpoint up, rung by rung, until a gate or the end of the ladder."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.checks.static import screen_result
from harness.core.candidate import Candidate
from harness.core.errors import CandidateFault, HarnessError, InfrastructureError, StoppedError
from harness.core.result import CheckReport
from harness.core.verdict import Accepted, Rejected, Undecided
from harness.core.verdict import Screened as NotJudged
from harness.ladder.background import seeds_of
from harness.ladder.context import ClimbContext, Progress
from harness.ladder.curves import by_seed
from harness.ladder.duplicates import compared
from harness.ladder.evaluations import MEASURED
from harness.ladder.rung_records import BASELINE, FILES, RungEnd, files_of, sealing
from harness.ladder.rungs import GATED, JUDGED, SEEDED, TRAINED, WITH_TRAINER
from harness.ladder.tuning import Tuning, is_open
from harness.ledger.queue import LeaseLostError
from harness.ledger.records import Decision, Score, State, plain
from harness.protocol.job import Progress as StepProgress
from harness.protocol.job import Step
from harness.report.json_report import write_json

if TYPE_CHECKING:
    from harness.checks.static import Screened
    from harness.core.result import CheckResult
    from harness.core.verdict import Verdict
    from harness.ladder.measuring import Measured
    from harness.ladder.plan import RungPlan
    from harness.ledger import Ledger
    from harness.ledger.records import Claim, Run

#: What the report of the properties, and that of the screen, is called among a run's documents.
REPORT = "report.json"
SCREEN_REPORT = "screen.json"
#: What is called there what a training told of the clock, by the seed: it is never the same twice.
TIMINGS = "timings-{}.json"
#: What the answers are called there that a trained model gave, by the seed.
SAMPLES = "samples-{}.jsonl"


def climb(context: ClimbContext, held: Claim) -> State:
    """Go on with a run from its last checkpoint; give the state that it ends in.

    A fault of ours puts it back into the queue. Raises LeaseLostError where another attempt has the run by now.
    """
    ledger = context.ledger
    try:
        return _climb(context, held)
    except LeaseLostError:
        raise
    except StoppedError:
        ledger.release(held)
        return State.QUEUED
    except CandidateFault as fault:
        reason = "; ".join(f"{f.rule} {f.message}" for f in fault.findings)
        return ledger.checkpoint(held, **_end_of(context, held, Decision("reject", reason)))
    except InfrastructureError as error:
        context.fault = error
        return ledger.fault(held, with_remedy(error))


def with_remedy(error: HarnessError) -> str:
    """A fault and the next step in one line: whoever reads the ledger was not there when it happened."""
    return f"{error.message} ({error.remedy})" if error.remedy else error.message


def _end_of(
    context: ClimbContext,
    held: Claim,
    decision: Decision,
    one: Screened | None = None,
    judged: CheckResult | None = None,
) -> dict[str, Any]:
    """The checkpoint's arguments for the rung that the run is at; `judged` is what a rung that judges came to."""
    place = context.ledger.run(held.run.id).rung
    plan = context.ladder.rungs[place]
    evaluation = context.evaluation(plan, one)
    left = context.ledger.documents(held.run.id, FILES.format("%")) if plan.kind in TRAINED else []
    rung = RungEnd(
        context.checker,
        context.ladder,
        plan,
        held.run.candidate,
        PurePosixPath(held.run.path).name or held.run.name,
        evaluation,
        judged,
        files_of({each.name: data for each, data in left if each.rung == plan.name}),
        dict(one.program.chosen) if one is not None and one.program is not None else {},
        context.trainer(plan),
    )
    return {
        "rung": plan.name,
        "scores": (),
        "decision": decision,
        "evaluation": evaluation,
        "seal": sealing(context.signing(), rung, decision),
        "next_needs": context.ladder.needs(place + 1),
        "ask_a_person": plan.ask_a_person,
    }


def _climb(context: ClimbContext, held: Claim) -> State:
    data = context.ledger.text(held.run)
    one = context.checker.screen(Candidate(held.run.path, data, held.run.candidate))
    for plan in context.ladder.rungs[held.run.rung : context.below]:
        if context.stopping():
            raise StoppedError
        context.watch(Progress(plan.name))
        context.foresee(_sandboxes(context, plan, one))
        judged = None
        if plan.kind in (*GATED, *JUDGED):
            one, fallen = _tuned(context, held, plan, one)
            decision = fallen or (_seeded if plan.kind in GATED else _judged_by_model)(context, held, plan, one)
        else:
            judged = (_screened if plan.kind == "screen" else _properties)(context, held, plan, one)
            if judged is None:
                return State.DUPLICATE
            decision = _of_verdict(judged.verdict, judged=plan.kind != "screen")
        context.watch(Progress(plan.name, decision=decision))
        state = context.ledger.checkpoint(held, **_end_of(context, held, decision, one, judged))
        if state is not State.RUNNING:
            return state
    if context.below is not None:
        raise StoppedError
    raise InfrastructureError(f"run {held.run.id} stands above the last rung of {context.ladder.name}")


#: Trials that are not made yet are too many to be all made ahead.
_MANY = math.inf


def _sandboxes(context: ClimbContext, plan: RungPlan, one: Screened) -> float:
    """How many sandboxes a rung takes at the least that is likely, for which some are started ahead.

    A training has one for as long as it lasts, with other limits; what would wait beside it would only take memory.
    """
    if one.fault is not None or plan.kind in WITH_TRAINER:
        return 0
    if plan.kind == "screen":
        return 1
    if plan.kind in SEEDED and is_open(one):
        return _MANY
    # The second is held against the first; the properties are seldom the last rung.
    witnessed = context.checker.profile.witness is not None
    return (2 if witnessed else 1) + (plan.kind == "properties")


def _screened(context: ClimbContext, held: Claim, plan: RungPlan, one: Screened) -> CheckResult:
    """What the screen alone says."""
    result = screen_result(one)
    if isinstance(result.verdict, Undecided) and one.fault is not None:
        raise one.fault
    _keep(context, held, plan, result)
    return result


def _keep(context: ClimbContext, held: Claim, plan: RungPlan, result: CheckResult) -> None:
    """Attach what a rung said of the candidate: all its findings."""
    report = write_json(CheckReport(context.ladder.properties, 0, (result,))).encode()
    context.ledger.attach(held, plan.name, SCREEN_REPORT if plan.kind == "screen" else REPORT, report)


def _properties(context: ClimbContext, held: Claim, plan: RungPlan, one: Screened) -> CheckResult | None:
    """What the properties say; None where another run answers for the same function."""
    result = _judged(context, held, one)
    _keep(context, held, plan, result)
    fingerprint = result.loss_facts.fingerprint
    if isinstance(result.verdict, Accepted) and fingerprint:
        known = context.ledger.same_function(held, fingerprint, lambda other: _difference(context, held, one, other))
        if known is not None:
            return None
    return result


def _difference(context: ClimbContext, held: Claim, one: Screened, other: Run) -> str | None:
    """Where this candidate differs from that of another run, as functions; None where it does not."""
    text = Candidate(other.path, context.ledger.text(other), other.candidate)
    key = context.ledger.secret() + f" {held.run.id} {other.id}".encode()
    labels = labels_of(context.ledger, held)
    return compared(context.checker, labels, key, one, context.checker.screen(text))


def _judged(context: ClimbContext, held: Claim, one: Screened) -> CheckResult:
    try:
        result = context.checker.labelled(labels_of(context.ledger, held)).judge(one)
    except KeyboardInterrupt:
        if context.stopping():  # while examples were drawn
            raise StoppedError from None
        raise
    if isinstance(result.verdict, Undecided) and context.stopping():
        raise StoppedError
    return result


def _tuned(context: ClimbContext, held: Claim, plan: RungPlan, one: Screened) -> tuple[Screened, Decision | None]:
    """The candidate at the values that the ladder tuned for it, and the decision where it falls at them."""
    if not is_open(one):
        return one, None
    tell = context.tell(plan, 0, "tuning")
    return Tuning(context, held, labels_of(context.ledger, held)).settled(
        one,
        lambda chosen: _of_verdict(_judged(context, held, chosen).verdict),
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


def _seeded(context: ClimbContext, held: Claim, plan: RungPlan, one: Screened) -> Decision:
    """Measure seed after seed, each kept at once, until the gate decides. An earlier attempt's seeds count."""
    gate = plan.gate
    if gate is None:
        raise InfrastructureError(f"the rung {plan.name} has no gate")
    evaluation = context.evaluation(plan)
    known = _known(context, held, plan, context.evaluation(plan, one), evaluation)
    if context.baselines.outdated(plan, evaluation):
        told = f"the baseline {plan.baseline} is measured again: code, image or data are no longer what they were"
        context.ledger.note(held, "baseline-again", {"rung": plan.name, "why": told})
        context.watch(Progress(plan.name, told=told))
    baseline = {seed: context.baselines.scores(plan, evaluation, seed) for seed in known}
    labels = labels_of(context.ledger, held)
    with context.one_baseline(), seeds_of(context, plan, evaluation, one, labels) as seeds:
        first = plan.first_seed
        for seed in range(first, first + gate.looks[-1]):
            if (done := seed - first) == 0 or done in gate.looks:
                until = first + min(n for n in gate.looks if n > done)
                seeds.foresee([s for s in range(seed, until) if s not in known])
            if seed not in known:
                if context.stopping():
                    raise StoppedError
                measured = seeds.candidate(seed)
                baseline[seed] = seeds.baseline(seed)
                known[seed] = measured.metrics
                _attach(context, held, plan, seed, measured, baseline[seed])
                scores = [Score(seed, metric, value) for metric, value in known[seed].items()]
                context.ledger.save_scores(held, plan.name, scores)
                context.watch(Progress(plan.name, seed, known[seed], baseline[seed]))
            so_far = {s: known[s] for s in range(first, seed + 1)}
            if (decision := gate.decide(so_far, baseline)) is not None:
                return _held_out(decision) if plan.held_out else decision
    raise InfrastructureError(f"the gate of {plan.name} did not decide after its last look")


def _judged_by_model(context: ClimbContext, held: Claim, plan: RungPlan, one: Screened) -> Decision:
    """What a judge makes of the trained model's answers. What an earlier attempt asked is not asked again."""
    # Reads files of the user's and talks to an endpoint: few ladders have it.
    from harness.ladder.judge_rung import judged  # noqa: PLC0415

    if any(each.rung == plan.name for each in context.ledger.attachments(held.run.id)):
        context.ledger.forget(held, plan.name, "the rung begins anew, by what was answered and asked so far")
    evaluation = {"evaluation": context.evaluation(plan, one), "untuned": context.evaluation(plan)}
    context.ledger.note(held, MEASURED, {"rung": plan.name, **evaluation, "attempt": held.attempt})
    return judged(context, held, plan, one, labels_of(context.ledger, held))


def _held_out(decision: Decision) -> Decision:
    """The decision, which says that no search has seen these seeds."""
    return replace(decision, reason=f"held out: {decision.reason}", detail={**decision.detail, "held_out": True})


def _known(
    context: ClimbContext, held: Claim, plan: RungPlan, evaluation: str, untuned: str
) -> dict[int, dict[str, float]]:
    """The metrics of seeds that an earlier attempt measured; they are forgotten where other code measured them."""
    scores = context.ledger.scores(held.run.id).get(plan.name, [])
    events = [e.detail for e in context.ledger.events(held.run.id) if e.kind == MEASURED]
    by = [detail["evaluation"] for detail in events if detail["rung"] == plan.name]
    if scores and by[-1:] != [evaluation]:
        told = "its seeds are measured again: code, image or data are no longer what they were"
        context.ledger.forget(held, plan.name, told)
        context.watch(Progress(plan.name, told=told))
        scores = []
    # Runs are compared by the second digest: the values that were chosen for one are no other code.
    what = {"rung": plan.name, "evaluation": evaluation, "untuned": untuned}
    context.ledger.note(held, MEASURED, {**what, "attempt": held.attempt})
    return by_seed(scores)


def _attach(
    context: ClimbContext, held: Claim, plan: RungPlan, seed: int, measured: Measured, baseline: dict[str, float]
) -> None:
    """Keep what a seed left besides its metrics; before them, since a seed that has metrics is not measured again."""
    made = {BASELINE.format(seed): json.dumps(plain(baseline), sort_keys=True).encode()}
    if measured.curve:
        made[f"curve-{seed}.json"] = measured.curve
    if measured.samples:
        made[SAMPLES.format(seed)] = measured.samples
    if measured.files:
        made[FILES.format(seed)] = measured.files
    if measured.times:
        made[TIMINGS.format(seed)] = measured.times
    for name, data in made.items():
        context.ledger.attach(held, plan.name, name, data)


def run_label(ledger: Ledger, held: Claim) -> tuple[str, str]:
    """The label that all containers of a run have, whichever attempt made them."""
    return ("harness.run", f"{ledger.name}/{held.run.id}")


def labels_of(ledger: Ledger, held: Claim) -> dict[str, str]:
    """Labels for the containers of an attempt, by which the next one finds what a dead one left."""
    key, value = run_label(ledger, held)
    return {key: value, "harness.attempt": str(held.attempt)}
