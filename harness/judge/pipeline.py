"""From a path to a verdict: screen, sandbox, properties, facts.

A sandbox takes about as long to start as pytest and Hypothesis take to import, so it is started first: nothing
that the judging needs is imported by this module itself.
"""

from __future__ import annotations

import contextlib
import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import __version__
from harness.errors import InfrastructureError
from harness.judge.options import Options
from harness.judge.static import Job, Screened, screened
from harness.oracle.disk import disk_of
from harness.oracle.engine import Engine, sweep
from harness.oracle.gpu import choose
from harness.oracle.pool import Ahead
from harness.oracle.sandbox import Recipe, Sandbox
from harness.profiles import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from harness.judge.session import Suite
    from harness.judge.subject import Subject
    from harness.profiles import Profile
    from harness.result import CheckResult
    from harness.verdict import Json


@dataclass
class Ready:
    """A screened job with the sandbox that was started for it."""

    screened: Screened
    sandbox: Sandbox | None = None

    def dispose(self) -> None:
        """Remove the sandbox, used or not."""
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
    info = engine.info()
    gpu = choose(wish, info)
    variant = "cuda" if gpu is not None else "cpu"
    tag, digest = options.image, ""
    if tag is None:
        image = current(variant)
        tag, digest = image.tag, image.digest
    sweep(engine)
    limits = profile.limits(gpu=gpu is not None)
    disk, _ = disk_of(engine.url, info, podman=podman)
    recipe = Recipe(digest or tag, limits, variant=variant, gpu=gpu, runtime=options.runtime, podman=podman, disk=disk)
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
    ahead = Ahead(_prepare(bench, jobs, eager=eager), Ready.dispose)
    gc.disable()  # imports make many objects and no garbage; the session goes on collecting

    def body(suite: Suite) -> None:
        from harness.judge.judging import judged  # noqa: PLC0415 - see above

        for ready in ahead:
            try:
                emit(ready.screened.job, judged(bench, suite, ready))
            finally:
                ready.dispose()

    try:
        from harness.judge.judging import run_session  # noqa: PLC0415 - see above

        run_session(body, bench.profile, bench.options.seed)
    finally:
        gc.enable()
        ahead.close()
        bench.engine.close()


def _prepare(bench: Bench, jobs: Iterable[Job], *, eager: bool) -> Iterator[Ready]:
    """Screen each candidate and start a sandbox for those that pass."""
    for job in jobs:
        early = _start(bench) if eager else None
        try:
            one = screened(job, bench.options)
        except BaseException:
            # A user's mistake, such as a path that does not exist: nobody will take the sandbox.
            if isinstance(early, Sandbox):
                early.close()
            raise
        sandbox = early if early is not None or one.fault is not None else _start(bench)
        if isinstance(sandbox, InfrastructureError):
            one.fault = one.fault or sandbox
            sandbox = None
        yield Ready(one, sandbox)


def _start(bench: Bench) -> Sandbox | InfrastructureError:
    try:
        return Sandbox(bench.engine, bench.recipe)
    except InfrastructureError as error:
        return error


@contextlib.contextmanager
def open_subject(path: Path, options: Options | None = None) -> Iterator[Subject]:
    """Give a candidate in a sandbox of its own, to whoever wants to ask it something.

    Raises the faults as they are: CandidateFault, InfrastructureError, UserError.
    """
    from harness.judge.judging import subject_of  # noqa: PLC0415 - see above

    bench = open_bench(options or Options())
    try:
        one = screened(Job(0, path, str(path)), bench.options)
        if one.fault is not None:
            raise one.fault
        sandbox = Sandbox(bench.engine, bench.recipe)
        try:
            sandbox.wait_ready()
            yield subject_of(bench, sandbox, one)
        finally:
            sandbox.close()
    finally:
        bench.engine.close()
