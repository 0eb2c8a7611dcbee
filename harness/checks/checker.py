"""The one service for candidates: `with Checker.open(options) as checker: checker.check(candidate)`.

The command, the ladder, discovery and the benchmarks check by it. It holds what all candidates of a process share: the
engine, the image, the profile and its suite. A sandbox takes about as long to start as what judges takes to import, so
that it is started first: nothing that the judging needs is imported by this module itself.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.checks.bench import Bench, Ready
from harness.checks.job import Job
from harness.checks.machine import machine_facts
from harness.checks.options import DEFAULT_RUNTIME, Options
from harness.containers.cgroup import group_of
from harness.containers.devices import choose, disk_of
from harness.containers.engine import Engine, sweep
from harness.containers.request import Recipe
from harness.containers.started import Started, start
from harness.core.errors import CandidateFault, InfrastructureError
from harness.core.pins import pin_host
from harness.core.profiles import load
from harness.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from harness.checks.static import Screened
    from harness.checks.suite import Suite
    from harness.core.candidate import Candidate
    from harness.core.result import CheckResult
    from harness.core.verdict import Json
    from harness.oracle.prefetch import Prefetcher
    from harness.oracle.sandbox import Sandbox
    from harness.subject.subject import Subject


def _waits(ready: Ready) -> bool:
    """Whether there is something to wait for: what the screen refused is judged at once, and hides no other's start."""
    return ready.sandbox is not None or not isinstance(ready.screened.fault, CandidateFault)


@dataclass
class _Suites:
    """The suite of a checker and of its copies: made when somebody is judged."""

    made: Suite | None = None


@dataclass(frozen=True)
class Checker(Bench, contextlib.AbstractContextManager["Checker"]):
    """Checks candidates one after the other; faults of theirs and of ours are verdicts, as `CheckResult` has them.

    Used in a `with`, by one thread: another one takes `connected`.
    """

    _suites: _Suites = field(default_factory=_Suites, repr=False)

    @classmethod
    def open(cls, options: Options | None = None) -> Checker:
        """Connect to the engine, settle image and GPU, remove what dead predecessors left.

        Raises UserError for options that make no sense, InfrastructureError where nobody can be checked.
        """
        from harness.images import current  # noqa: PLC0415 - the static tier needs no image

        pin_host()  # programs that call this may have loaded numpy before: then the report says that it is not pinned
        options = options or Options()
        profile = load(options.profile)
        engine = Engine()
        version, podman = engine.version()
        wish = options.gpu if profile.gpu else "none"
        info = engine.info()
        gpu = choose(wish, info)
        variant = "cuda" if gpu is not None else "cpu"
        if options.image is None:
            image = current(variant)
            tag, digest = image.tag, image.digest
        else:  # a tag may be given to another image meanwhile, an id may not; Podman leaves its first word out
            tag, digest = options.image, f"sha256:{str(engine.image(options.image)['Id']).removeprefix('sha256:')}"
        sweep(engine)
        limits = profile.limits(gpu=gpu is not None)
        disk, _ = disk_of(engine.url, info, podman=podman)
        recipe = Recipe(
            digest,
            limits,
            variant=variant,
            gpu=gpu,
            runtime=options.runtime,
            podman=podman,
            disk=disk,
            group=group_of(engine.url, info, podman=podman).parent,
        )
        if options.warm:
            from harness.warm.offer import offered  # noqa: PLC0415 - not for those who want none

            recipe = replace(recipe, supply=offered)
        environment: dict[str, Json] = {
            "harness": __version__,
            "profile_digest": profile.digest,
            "image": tag,
            "image_digest": digest,
            "runtime": options.runtime or DEFAULT_RUNTIME,
            "device": "cpu" if gpu is None else "cpu and GPU",
            "screen": "on" if options.screen else "off",
        }
        where = machine_facts(engine.url, f"{'Podman' if podman else 'Docker'} {version}", info, gpu)
        return cls(engine, recipe, profile, options, environment, machine=where)

    def __exit__(self, *_: object) -> None:
        """Close the connection, and leave for the next process what this one had to draw."""
        self.engine.close()
        if self._suites.made is not None:
            self._suites.made.keep()

    @property
    def suite(self) -> Suite:
        """What is asked of every candidate."""
        if self._suites.made is None:
            from harness.checks.suite import Suite  # noqa: PLC0415 - see above

            self._suites.made = Suite(self.profile, self.options.seed)
        return self._suites.made

    def screen(self, candidate: Candidate | Path | str) -> Screened:
        """Read and screen a candidate; what it is refused for is kept as its fault."""
        from harness.checks.static import screened, screened_text  # noqa: PLC0415 - see above

        if isinstance(candidate, (Path, str)):
            return screened(Job(0, Path(candidate), str(candidate)), self.options)
        return screened_text(candidate, self.profile, self.options)

    def check(self, candidate: Candidate | Path | str) -> CheckResult:
        """Screen and judge a candidate, in a sandbox of its own."""
        return self.judge(self.screen(candidate))

    def judge(self, one: Screened) -> CheckResult:
        """Judge what was screened, in a sandbox of its own. A refusal by the screen is the verdict."""
        from harness.checks.judging import judged  # noqa: PLC0415 - see above

        ready = self._ready(one)
        try:
            return judged(self, self.suite, ready)
        finally:
            ready.dispose()
            self.engine.settle()

    def _ready(self, one: Screened, early: Sandbox | InfrastructureError | None = None) -> Ready:
        """What was screened with a sandbox: the one that was started `early`, else a new one where it passed."""
        sandbox = early if early is not None or one.fault is not None else self._start()
        if isinstance(sandbox, InfrastructureError):
            return Ready(replace(one, fault=one.fault or sandbox))
        return Ready(one, sandbox)

    @contextlib.contextmanager
    def oracle(self, candidate: Screened | Candidate | Path | str) -> Iterator[Subject]:
        """Give a candidate in a sandbox of its own, to whoever wants to ask it something.

        Raises the faults as they are: CandidateFault, InfrastructureError, UserError.
        """
        from harness.checks.judging import subject_of  # noqa: PLC0415 - see above
        from harness.checks.static import Screened  # noqa: PLC0415

        one = candidate if isinstance(candidate, Screened) else self.screen(candidate)
        if one.fault is not None:
            raise one.fault
        sandbox = self.opened()
        try:
            sandbox.wait_ready()
            yield subject_of(self, sandbox, one)
        finally:
            sandbox.close()

    def labelled(self, labels: Mapping[str, str]) -> Checker:
        """The same, whose containers have these labels beside their own."""
        return replace(self, recipe=replace(self.recipe, labels=(*self.recipe.labels, *labels.items())))

    @contextlib.contextmanager
    def connected(self) -> Iterator[Checker]:
        """The same over a connection of its own, for another thread: one is not to be shared."""
        engine = self.engine.another()
        try:
            yield replace(self, engine=engine)
        finally:
            engine.close()

    def check_all(self, jobs: Iterable[Job], emit: Callable[[Job, CheckResult], None], *, eager: bool) -> None:
        """Check every job in this process, one after the other.

        `eager` is for one job: its sandbox is started before anything is imported, the screen included.
        """
        gc.disable()  # imports make many objects and no garbage
        early: _Early | None = None
        prefetched: Prefetcher[Ready] | None = None
        try:
            early = _Early(self.engine, self.recipe) if eager else None
            from harness.oracle.prefetch import Prefetcher  # noqa: PLC0415 - see above

            # Sandboxes start in a thread of their own, while what judges is imported and the one before is judged.
            prefetched = Prefetcher(self._prepare(jobs, early), Ready.dispose, counts=_waits)
            from harness.checks.judging import judged  # noqa: PLC0415 - see above

            suite = self.suite
            # What is loaded by now stays: the collector need not walk it again and again.
            gc.freeze()
            gc.enable()
            for ready in prefetched:
                try:
                    emit(ready.screened.job, judged(self, suite, ready))
                finally:
                    ready.dispose()
        finally:
            gc.enable()
            if prefetched is not None:
                prefetched.close()
            if early is not None:
                early.close()

    def _prepare(self, jobs: Iterable[Job], early: _Early | None) -> Iterator[Ready]:
        """Screen each candidate and start a sandbox for those that pass; the first has one that was started `early`."""
        from harness.checks.static import screened  # noqa: PLC0415 - see above

        for job in jobs:
            # One that raises is a user's mistake, such as a path that does not exist.
            one = screened(job, self.options)
            sandbox = None if early is None else self._start(early)
            early = None
            yield self._ready(one, sandbox)

    def _start(self, early: _Early | None = None) -> Sandbox | InfrastructureError:
        from harness.oracle.sandbox import Sandbox  # noqa: PLC0415 - see above

        try:
            return self.opened() if early is None else Sandbox(self.engine, self.recipe, early.take())
        except InfrastructureError as error:
            return error


class _Early:
    """A container that is being started, in a thread of its own; `close` removes it where nobody took it."""

    def __init__(self, engine: Engine, recipe: Recipe) -> None:
        self._engine, self._recipe = engine, recipe
        self._made: Started | InfrastructureError | None = None
        self._thread = threading.Thread(target=self._work, name="early", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._made = start(self._engine, self._recipe)
        except InfrastructureError as error:
            self._made = error

    def take(self) -> Started:
        """The container, which is the caller's from now on. Raises InfrastructureError."""
        self._thread.join()
        made, self._made = self._made, None
        if isinstance(made, InfrastructureError):
            raise made
        if made is None:
            raise InfrastructureError("the sandbox could not be started", remedy="run the check again")
        return made

    def close(self) -> None:
        """Remove the container, unless somebody took it."""
        self._thread.join()
        if isinstance(self._made, Started):
            self._made.discard(self._engine)
