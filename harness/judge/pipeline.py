"""From a path to a verdict: screen, sandbox, properties, facts."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from harness import __version__
from harness.errors import CandidateFault, InfrastructureError
from harness.judge.facts import facts
from harness.judge.options import Options
from harness.judge.session import run_session
from harness.judge.stability import stability
from harness.judge.static import Job, Screened, make_result, screened
from harness.judge.subject import Subject
from harness.oracle.engine import Engine, sweep
from harness.oracle.gpu import choose, host_gpus
from harness.oracle.oracle import Oracle
from harness.oracle.pool import Ahead
from harness.oracle.sandbox import Recipe, Sandbox
from harness.profiles import load
from harness.verdict import Undecided, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from harness.judge.session import Outcome, Suite
    from harness.profiles import Profile
    from harness.result import CheckResult
    from harness.verdict import Json, Verdict

T = TypeVar("T")


@dataclass
class _Ready:
    """A screened job with the sandbox that was started for it."""

    screened: Screened
    sandbox: Sandbox | None = None

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
    version, podman = engine.version()
    wish = options.gpu if profile.gpu else "none"
    # What the engine says about itself at length takes it a while, and only a GPU makes it worth asking.
    gpu = choose(wish, engine.info()) if wish.isdigit() or (wish == "auto" and host_gpus()) else choose(wish, {})
    variant = "cuda" if gpu is not None else "cpu"
    tag, digest = options.image, ""
    if tag is None:
        image = current(variant)
        tag, digest = image.tag, image.digest
    sweep(engine)
    limits = profile.limits(gpu=gpu is not None)
    recipe = Recipe(digest or tag, limits, variant=variant, gpu=gpu, runtime=options.runtime, podman=podman)
    environment: dict[str, Json] = {
        "harness": __version__,
        "profile_digest": profile.digest,
        "image": tag,
        "image_digest": digest,
        "engine": f"{'Podman' if podman else 'Docker'} {version}",
        "runtime": options.runtime or "the engine's default",
        "device": "cpu" if gpu is None else f"cpu and GPU {gpu.index} (by {gpu.method})",
        "screen": "on" if options.screen else "off",
    }
    return Bench(engine, recipe, profile, options, environment)


def check_all(bench: Bench, jobs: Iterable[Job], emit: Callable[[Job, CheckResult], None], *, eager: bool) -> None:
    """Check every job in this process, one after the other; `eager` starts a sandbox before the screen ends."""
    # Sandboxes start in a thread of their own, while pytest collects and while the candidate before is judged.
    ahead = Ahead(_prepare(bench, jobs, eager=eager), _Ready.dispose)

    def body(suite: Suite) -> None:
        for ready in ahead:
            try:
                emit(ready.screened.job, _check(bench, suite, ready))
            finally:
                ready.dispose()

    try:
        run_session(body, bench.profile, bench.options.seed)
    finally:
        ahead.close()
        bench.engine.close()


def _prepare(bench: Bench, jobs: Iterable[Job], *, eager: bool) -> Iterator[_Ready]:
    """Screen each candidate and start a sandbox for those that pass."""
    for job in jobs:
        early = _start(bench) if eager else None
        one = screened(job, bench.options)
        sandbox = early if early is not None or one.fault is not None else _start(bench)
        if isinstance(sandbox, InfrastructureError):
            one.fault = one.fault or sandbox
            sandbox = None
        yield _Ready(one, sandbox)


def _start(bench: Bench) -> Sandbox | InfrastructureError:
    try:
        return Sandbox(bench.engine, bench.recipe)
    except InfrastructureError as error:
        return error


def _check(bench: Bench, suite: Suite, ready: _Ready) -> CheckResult:
    """Judge one candidate; a fault of ours makes it undecided, whatever was found before."""
    one, sandbox = ready.screened, ready.sandbox
    found: dict[str, Json] = {}
    properties: dict[str, str] = {}
    environment = dict(bench.environment)
    verdict: Verdict
    started = time.perf_counter()
    try:
        if one.fault is not None:
            raise one.fault
        if sandbox is None or one.program is None:
            raise InfrastructureError("no sandbox was made ready")
        sandbox.wait_ready()
        environment["python"], environment["torch"] = sandbox.versions
        one.timings["wait"] = time.perf_counter() - started
        subject = _subject(bench, sandbox, one)
        outcome = _timed(one, "properties", lambda: suite(subject))
        found = _timed(one, "facts", lambda: _facts(subject, outcome))
        properties = outcome.properties
        verdict = decide(tuple(outcome.findings))
    except CandidateFault as fault:
        verdict = decide(fault.findings)
    except InfrastructureError as error:
        verdict = Undecided(error.message, error.remedy)
    one.timings["total"] = time.perf_counter() - started + one.timings["screen"]
    output = sandbox.output if sandbox is not None else ""
    return make_result(one, verdict, facts=found, properties=properties, environment=environment, output=output)


def _subject(bench: Bench, sandbox: Sandbox, one: Screened) -> Subject:
    if one.program is None:
        raise InfrastructureError("the screen gave no program")
    oracle = Oracle(sandbox, one.program, bench.recipe.limits, gpu=bench.recipe.gpu is not None)
    return Subject(oracle, bench.profile.domain)


def _facts(subject: Subject, outcome: Outcome) -> dict[str, Json]:
    """Facts of a candidate that answers; one that breaks the contract's shape has none worth telling."""
    if subject.fault is not None or outcome.properties.get("P301") != "passed":
        return {}
    try:
        found = facts(subject)
        pointwise = found["statistic"] == "pointwise" and not found["reduced"]
        return found | {"stability": stability(subject, pointwise=pointwise)}
    except CandidateFault as fault:
        # It raised where no property had asked: far outside the domain, or at the curve's ends.
        if subject.fault is not None:
            outcome.findings.extend(f for f in fault.findings if f not in outcome.findings)
        return {}


def _timed(one: Screened, name: str, what: Callable[[], T]) -> T:
    started = time.perf_counter()
    try:
        return what()
    finally:
        one.timings[name] = time.perf_counter() - started


@contextlib.contextmanager
def open_subject(path: Path, options: Options | None = None) -> Iterator[Subject]:
    """Give a candidate in a sandbox of its own, to whoever wants to ask it something.

    Raises the faults as they are: CandidateFault, InfrastructureError, UserError.
    """
    bench = open_bench(options or Options())
    try:
        one = screened(Job(0, path, str(path)), bench.options)
        if one.fault is not None:
            raise one.fault
        sandbox = Sandbox(bench.engine, bench.recipe)
        try:
            sandbox.wait_ready()
            yield _subject(bench, sandbox, one)
        finally:
            sandbox.close()
    finally:
        bench.engine.close()
