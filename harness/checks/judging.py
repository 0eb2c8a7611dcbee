"""One candidate in its sandbox: the properties, the facts, the verdict."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

from harness.checks.outcome import Outcome
from harness.checks.settings import Setting, declared, fingerprint_over, settings
from harness.checks.static import make_result
from harness.checks.witness import STARTED_AFTER, Waiting, hear
from harness.core.errors import CandidateFault, InfrastructureError, KernelLostError
from harness.core.pins import host_is_pinned
from harness.core.quiet import quiet
from harness.core.verdict import Location, Undecided, decide, refused, rejects
from harness.oracle.again import Kept
from harness.oracle.oracle import Oracle
from harness.oracle.sandbox import Sandbox
from harness.protocol.rules import MEMORY_LIMIT, SANDBOX_DIED, TIME_LIMIT, WRONG_OUTPUT
from harness.subject.by_contract import facts_of, subject_on
from harness.subject.identity import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.checks.bench import Bench, Ready
    from harness.checks.static import Screened
    from harness.checks.suite import Suite
    from harness.core.program import Program
    from harness.core.result import CheckResult
    from harness.core.verdict import Finding, Json, Verdict
    from harness.subject.subject import Subject

T = TypeVar("T")


def judged(bench: Bench, suite: Suite, ready: Ready) -> CheckResult:
    """Judge one candidate; a fault of ours makes it undecided, whatever was found before."""
    one, sandbox = ready.screened, ready.sandbox
    found: dict[str, Json] = {}
    outcome = Outcome()
    environment = dict(bench.environment)
    verdict: Verdict
    started = time.perf_counter()
    try:
        if one.fault is not None:
            raise one.fault
        if sandbox is None or one.program is None:
            raise InfrastructureError("no sandbox was made ready")
        suite.know(bench.recipe.stopping)
        sandbox.wait_ready()
        environment["python"], environment["torch"] = sandbox.versions
        if not host_is_pinned():
            environment["numpy"] = "with AVX-512: last digits may differ from those of other processors"
        one.timings["wait"] = time.perf_counter() - started
        if sandbox.handed_over is not None:
            one.timings["handover"] = sandbox.handed_over.seconds
        outcome, found = _twice_where_the_kernel_ends(bench, suite, ready)
        one.timings |= outcome.seconds
        unanswered = outcome.unanswered(dict(bench.profile.not_run))
        verdict = decide(_placed(outcome.findings, one.program), unanswered)
    except CandidateFault as fault:
        verdict = refused(_placed(fault.findings, one.program))
    except InfrastructureError as error:
        verdict = Undecided(error.message, error.remedy)
    except Exception as error:  # noqa: BLE001 - a mistake of ours costs this verdict, and not all the others
        verdict = Undecided(f"the harness itself failed: {type(error).__name__}: {error}", "report it, with the file")
    one.timings["total"] = time.perf_counter() - started + one.timings["screen"]
    output = ready.sandbox.output if ready.sandbox is not None else ""
    return make_result(
        one,
        verdict,
        facts=found,
        properties=outcome.properties,
        not_run=outcome.not_run,
        environment=environment,
        machine=bench.machine,
        output=output,
    )


#: Rules of the wire about the loss's own work, which no line of the text stands for.
_OF_THE_LOSS = (TIME_LIMIT.id, MEMORY_LIMIT.id, WRONG_OUTPUT.id)


def _placed(findings: Iterable[Finding], program: Program | None) -> tuple[Finding, ...]:
    """The findings; those about what the loss answers, which have no line of their own, get the loss's."""
    line = 0 if program is None else program.entry_line
    of_it = ("P", *_OF_THE_LOSS)
    return tuple(
        replace(f, location=Location(line)) if line and f.location is None and f.rule.startswith(of_it) else f
        for f in findings
    )


def _twice_where_the_kernel_ends(bench: Bench, suite: Suite, ready: Ready) -> tuple[Outcome, dict[str, Json]]:
    """Properties and facts. Where gVisor itself ends, once more in another sandbox: twice is the candidate's doing."""
    try:
        return _properties_and_facts(bench, suite, ready)
    except KernelLostError:
        _replace_sandbox(bench, ready)
    try:
        return _properties_and_facts(bench, suite, ready)
    except KernelLostError as error:
        finding = SANDBOX_DIED.finding("it brings the kernel of its sandbox to an end, each time", detail=error.message)
        raise CandidateFault(finding) from error


def _replace_sandbox(bench: Bench, ready: Ready) -> Sandbox:
    ready.dispose()
    ready.sandbox = Sandbox(bench.engine, bench.recipe)
    ready.sandbox.wait_ready()
    return ready.sandbox


def _properties_and_facts(bench: Bench, suite: Suite, ready: Ready) -> tuple[Outcome, dict[str, Json]]:
    one, plan = ready.screened, bench.profile.witness
    recipe = ready.sandbox.recipe if ready.sandbox is not None else bench.recipe
    with contextlib.ExitStack() as stack:
        second = None if plan is None else stack.enter_context(contextlib.closing(Waiting(bench, recipe)))
        subject, outcome = _timed(one, "properties", lambda: _properties(bench, suite, ready, second))
        found = _timed(one, "facts", lambda: _facts(bench, ready, subject, outcome))
        if subject.fault is None:
            subject.oracle.finish()  # for the report to hold all that was printed, and the same each time
        if second is not None and not rejects(outcome.findings):
            found["witness"] = _timed(one, "witness", lambda: _witnessed(bench, suite, subject, second, outcome))
    if one.program is not None and one.program.plan.parameters:
        program = one.program
        _timed(one, "ranges", lambda: _over_the_ranges(bench, suite, ready, program, outcome, found))
    return outcome, found


def _over_the_ranges(
    bench: Bench, suite: Suite, ready: Ready, program: Program, outcome: Outcome, found: dict[str, Json]
) -> None:
    """Judge a candidate with declared parameters at all its settings; `outcome` and `found` are those of the first.

    Each is a load of its own, with the time that a candidate without parameters has. It ends at the first that rejects.
    """
    parameters = program.plan.parameters
    first, *others = settings(parameters)
    if program.chosen:
        first, others = Setting("the values that were chosen", program.chosen), []
    outcome.findings[:] = [first.tag(finding) for finding in outcome.findings]
    found["parameters"] = declared(parameters)
    prints = [str(found["fingerprint"])] if "fingerprint" in found else []
    kept = ready.screened
    try:
        for setting in others:
            if rejects(outcome.findings):
                break
            ready.screened = replace(kept, program=program.at(dict(setting.values)))
            prints.append(_at(bench, suite, ready, setting, outcome))
    finally:
        ready.screened = kept
    if "fingerprint" in found:
        found["fingerprint"] = fingerprint_over(prints, parameters)


def _at(bench: Bench, suite: Suite, ready: Ready, setting: Setting, outcome: Outcome) -> str:
    """Judge at one more setting: what it breaks goes into the outcome. Gives the fingerprint there."""
    cast("Sandbox", ready.sandbox).reset_clock()
    told = {f.rule for f in outcome.findings}
    print_ = ""
    try:
        subject, more = _properties(bench, suite, ready)
        if subject.fault is None:
            print_ = _fingerprint(bench, ready, subject)
    except CandidateFault as fault:
        if not rejects(fault.findings):
            raise InfrastructureError("a setting could not be judged, and no finding says why") from fault
        more = Outcome(list(fault.findings))
    outcome.findings += [setting.tag(f) for f in more.findings if f.rule not in told or f.severity == "error"]
    ended = rejects(more.findings)
    for rule, how in more.properties.items():
        if how in {"failed", "warned"} or not ended:
            outcome.went(rule, how, more.not_run.get(rule, ""))
    for rule, seconds in more.seconds.items():
        outcome.took(rule, seconds)
    return print_


def _witnessed(bench: Bench, suite: Suite, subject: Subject, second: Waiting, outcome: Outcome) -> dict[str, Json]:
    """Hold its answers against those of a fresh container; what that finds goes into the outcome. Gives what was asked.

    Raises InfrastructureError for a fault of ours.
    """
    told: dict[str, Json] = {}
    state, noise = suite.rule("state"), suite.rule("determinism")
    try:
        oracle = Oracle(second.sandbox(), subject.oracle.program, bench.recipe.limits)
        findings, told = hear(subject, oracle, state, noise)
    except CandidateFault as fault:
        findings = list(fault.findings)
    for finding in findings:
        outcome.findings.append(finding)
        outcome.properties[noise.id if finding.rule == noise.id else state.id] = "failed"
    return told


def _judges_nothing(bench: Bench, fault: CandidateFault) -> bool:
    """Whether a fault where nothing is judged is no reason to reject: the answers took too long."""
    return bench.recipe.limits.patience > 1.0 and fault.findings[0].rule == TIME_LIMIT.id


def _fingerprint(bench: Bench, ready: Ready, subject: Subject) -> str:
    """The fingerprint; empty where the answers to it took too long."""
    try:
        with quiet():
            print_ = fingerprint(subject)
        subject.oracle.finish()
    except CandidateFault as fault:
        if not _judges_nothing(bench, fault):
            raise
        _replace_sandbox(bench, ready)
        return ""
    return print_


def _properties(bench: Bench, suite: Suite, ready: Ready, second: Waiting | None = None) -> tuple[Subject, Outcome]:
    """Run the suite by heart where that can be, and from the beginning where that did not end well.

    What is answered is kept where there is a `second` container to be asked again.
    """
    sandbox = cast("Sandbox", ready.sandbox)
    subject = _watched(bench, subject_of(bench, sandbox, ready.screened), second)
    outcome = suite.together(subject)
    if outcome is None:
        subject = _anew(bench, ready, subject, second)
        outcome = suite.replayed(subject) or suite.partly(subject)
    if outcome is None:
        subject = _anew(bench, ready, subject, second)
        outcome = suite(subject)
        suite.recall(outcome)
    return subject, outcome


def _anew(bench: Bench, ready: Ready, subject: Subject, second: Waiting | None) -> Subject:
    """The candidate as if nothing had been asked: itself where nothing was."""
    if not subject.oracle.calls and subject.fault is None:
        return subject
    if subject.fault is not None or subject.oracle.output:
        # What was printed, and what brought the sandbox down, must not be there twice.
        subject = subject_of(bench, _replace_sandbox(bench, ready), ready.screened)
    else:
        subject.oracle.restart()
        subject = subject_on(subject.oracle, bench.profile)
    return _watched(bench, subject, second)


def _watched(bench: Bench, subject: Subject, second: Waiting | None) -> Subject:
    """The same, kept watch over for the second container."""
    plan = bench.profile.witness
    if second is not None and plan is not None:
        subject.witnessing = plan
        subject.oracle.kept = Kept(
            plan.every, plan.last, when=(STARTED_AFTER, lambda: None if subject.rejected else second.start())
        )
    return subject


def subject_of(bench: Bench, sandbox: Sandbox, one: Screened) -> Subject:
    """Load the candidate into its sandbox."""
    oracle = Oracle(sandbox, one.passed_program, bench.recipe.limits, gpu=bench.recipe.gpu is not None)
    return subject_on(oracle, bench.profile)


def _facts(bench: Bench, ready: Ready, subject: Subject, outcome: Outcome) -> dict[str, Json]:
    """Facts of a candidate that answers; one that breaks the contract's shape has none worth telling."""
    if subject.fault is not None or outcome.properties.get(subject.shape_rule.id) != "passed":
        return {}
    try:
        with quiet():
            return facts_of(subject)
    except CandidateFault as fault:
        if _judges_nothing(bench, fault):
            if ready.screened.program is not None and ready.screened.program.plan.parameters:
                _replace_sandbox(bench, ready)  # its other settings are still to be judged
            return {"missing": f"{fault.message} while facts were gathered"}
        # It failed where no property had asked. Everything that is asked by `answers` here is in the domain.
        told = {f.rule for f in outcome.findings if rejects((f,))}
        outcome.findings.extend(f for f in fault.findings if f.rule not in told)
        return {}


def _timed(one: Screened, name: str, what: Callable[[], T]) -> T:
    started = time.perf_counter()
    try:
        return what()
    finally:
        one.timings[name] = time.perf_counter() - started
