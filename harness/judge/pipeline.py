"""From a path to a verdict: screen, sandbox, properties, facts."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.candidate import read_candidate
from harness.errors import CandidateFault, InfrastructureError
from harness.judge.session import run_session
from harness.judge.subject import Subject
from harness.oracle.engine import Engine, sweep
from harness.oracle.gpu import choose
from harness.oracle.oracle import Oracle
from harness.oracle.pool import Ahead
from harness.oracle.sandbox import Recipe, Sandbox
from harness.profiles import load
from harness.result import CheckResult
from harness.screen import screen
from harness.verdict import Undecided, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from harness.contract import Program
    from harness.judge.options import Options
    from harness.judge.session import Outcome, Suite
    from harness.profiles import Profile
    from harness.verdict import Json, Verdict


@dataclass(frozen=True)
class Job:
    """A candidate to check, and its place in the report."""

    place: int
    path: Path
    shown: str


@dataclass
class _Ready:
    """A job with all that was made ready for it; `fault` ends it early."""

    job: Job
    sha256: str = ""
    program: Program | None = None
    sandbox: Sandbox | None = None
    fault: CandidateFault | InfrastructureError | None = None
    timings: dict[str, float] = field(default_factory=dict)

    def dispose(self) -> None:
        if self.sandbox is not None:
            self.sandbox.close()


@dataclass(frozen=True)
class Bench:
    """What all candidates of one process share: engine, recipe, profile, and how they are described."""

    engine: Engine
    recipe: Recipe
    profile: Profile
    options: Options
    environment: dict[str, Json]


def open_bench(options: Options) -> Bench:
    """Connect to the engine, settle image and GPU, remove what dead predecessors left."""
    from harness.image import current  # noqa: PLC0415 - the static tier needs no image

    profile = load(options.profile)
    engine = Engine()
    info = engine.info()
    gpu = choose(options.gpu if profile.gpu else "none", info)
    variant = "cuda" if gpu is not None else "cpu"
    tag, digest = options.image, ""
    if tag is None:
        image = current(variant)
        tag, digest = image.tag, image.digest
    sweep(engine)
    recipe = Recipe(digest or tag, profile.limits, variant=variant, gpu=gpu, runtime=options.runtime)
    environment: dict[str, Json] = {
        "harness": __version__,
        "profile_digest": profile.digest,
        "image": tag,
        "image_digest": digest,
        "engine": str(info.get("ServerVersion", "")),
        "runtime": options.runtime or str(info.get("DefaultRuntime", "")),
        "device": "cpu" if gpu is None else f"cpu and GPU {gpu.index} (by {gpu.method})",
        "screen": "on" if options.screen else "off",
    }
    return Bench(engine, recipe, profile, options, environment)


def static_result(job: Job, options: Options) -> CheckResult:
    """The verdict of the screen alone."""
    ready = _screened(job, options)
    verdict: Verdict
    if isinstance(ready.fault, CandidateFault):
        verdict = decide(ready.fault.findings)
    elif ready.fault is not None:
        verdict = Undecided(ready.fault.message, ready.fault.remedy)
    else:
        verdict = decide(())
    return _result(ready, verdict, environment={"harness": __version__, "tier": "static"})


def check_all(bench: Bench, jobs: Iterable[Job], emit: Callable[[Job, CheckResult], None], *, eager: bool) -> None:
    """Check every job in this process, one after the other; `eager` starts the sandbox before the screen."""

    def body(suite: Suite) -> None:
        ahead = Ahead(_prepare(bench, jobs, eager=eager), _Ready.dispose)
        try:
            for ready in ahead:
                try:
                    emit(ready.job, _check(bench, suite, ready))
                finally:
                    ready.dispose()
        finally:
            ahead.close()
            bench.engine.close()

    run_session(body, bench.profile, bench.options.seed)


def _screened(job: Job, options: Options) -> _Ready:
    ready = _Ready(job)
    started = time.perf_counter()
    try:
        candidate = read_candidate(job.path, shown_as=job.shown)
        ready.sha256 = candidate.sha256
        ready.program = screen(candidate, entry=options.entry, policy=options.screen)
    except (CandidateFault, InfrastructureError) as fault:
        ready.fault = fault
    ready.timings["screen"] = time.perf_counter() - started
    return ready


def _prepare(bench: Bench, jobs: Iterable[Job], *, eager: bool) -> Iterator[_Ready]:
    """Screen each candidate and start a sandbox for those that pass."""
    for job in jobs:
        sandbox: Sandbox | InfrastructureError | None = _start(bench) if eager else None
        ready = _screened(job, bench.options)
        if sandbox is None and ready.fault is None:
            sandbox = _start(bench)
        if isinstance(sandbox, Sandbox):
            ready.sandbox = sandbox
        elif sandbox is not None and ready.fault is None:
            ready.fault = sandbox
        yield ready


def _start(bench: Bench) -> Sandbox | InfrastructureError:
    try:
        return Sandbox(bench.engine, bench.recipe)
    except InfrastructureError as error:
        return error


def _check(bench: Bench, suite: Suite, ready: _Ready) -> CheckResult:
    """Judge one candidate; a fault of ours makes it undecided, whatever was found before."""
    facts: dict[str, Json] = {}
    outcome: Outcome | None = None
    started = time.perf_counter()
    environment = dict(bench.environment)
    output = ""
    try:
        if ready.fault is not None:
            raise ready.fault
        if ready.sandbox is None or ready.program is None:
            raise InfrastructureError("no sandbox was made ready")
        ready.sandbox.wait_ready()
        environment["python"], environment["torch"] = ready.sandbox.versions
        ready.timings["wait"] = time.perf_counter() - started
        subject = _subject(bench, ready.sandbox, ready.program)
        outcome = _timed(ready, "properties", lambda: suite(subject))
        if subject.fault is None:
            facts = _timed(ready, "facts", lambda: _facts(subject, outcome))
        output = ready.sandbox.output
        verdict: Verdict = decide(tuple(outcome.findings))
    except CandidateFault as fault:
        output = ready.sandbox.output if ready.sandbox is not None else ""
        verdict = decide(fault.findings)
    except InfrastructureError as error:
        verdict = Undecided(error.message, error.remedy)
    properties = outcome.properties if outcome is not None else {}
    ready.timings["total"] = time.perf_counter() - started + ready.timings.get("screen", 0.0)
    return _result(ready, verdict, facts=facts, properties=properties, environment=environment, output=output)


def _subject(bench: Bench, sandbox: Sandbox, program: Program) -> Subject:
    oracle = Oracle(sandbox, program, bench.recipe.limits, gpu=bench.recipe.gpu is not None)
    subject = Subject(oracle, bench.profile.domain)
    subject.probe()
    return subject


def _facts(subject: Subject, outcome: Outcome) -> dict[str, Json]:
    """Facts of a candidate that answers; one that breaks the shape has none worth telling."""
    from harness.judge.facts import facts  # noqa: PLC0415 - only candidates that answer need it
    from harness.judge.stability import stability  # noqa: PLC0415

    if outcome.properties.get("P301") != "passed":
        return {}
    try:
        found = facts(subject)
        pointwise = found["statistic"] == "pointwise" and not found["reduced"]
        return found | {"stability": stability(subject, pointwise=pointwise)}
    except CandidateFault as fault:
        if subject.fault is None:
            return {}
        outcome.findings.extend(f for f in fault.findings if f not in outcome.findings)
        return {}


def _timed(ready: _Ready, name: str, what: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    try:
        return what()
    finally:
        ready.timings[name] = time.perf_counter() - started


def _result(
    ready: _Ready,
    verdict: Verdict,
    *,
    environment: dict[str, Json],
    facts: dict[str, Json] | None = None,
    properties: dict[str, str] | None = None,
    output: str = "",
) -> CheckResult:
    return CheckResult(
        path=ready.job.shown,
        sha256=ready.sha256,
        name=ready.program.name if ready.program is not None else ready.job.path.stem,
        verdict=verdict,
        facts=facts or {},
        properties=properties or {},
        environment=environment,
        timings={k: round(v, 6) for k, v in ready.timings.items()},
        output=output,
    )


@contextlib.contextmanager
def open_subject(path: Path, *, entry: str | None = None, options: Options | None = None) -> Iterator[Subject]:
    """A candidate in a sandbox of its own, for whoever wants to ask it something. Raises faults as they are."""
    from harness.judge.options import Options as Default  # noqa: PLC0415

    bench = open_bench(options or Default(entry=entry))
    try:
        ready = _screened(Job(0, path, str(path)), bench.options)
        if ready.fault is not None or ready.program is None:
            raise ready.fault or InfrastructureError("the screen gave no program")
        sandbox = Sandbox(bench.engine, bench.recipe)
        try:
            sandbox.wait_ready()
            yield _subject(bench, sandbox, ready.program)
        finally:
            sandbox.close()
    finally:
        bench.engine.close()


__all__ = ["Bench", "Job", "check_all", "open_bench", "open_subject", "static_result"]
