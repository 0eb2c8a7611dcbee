"""What comes of a candidate: the check, the ladder, the ledger's answer. All of it by the public interface.

A function that the ledger knows is not trained again: its run answers, whoever submitted it.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from harness.api import check, submit, text_candidate
from harness.discover import duel
from harness.discover.archive import kept
from harness.errors import InfrastructureError
from harness.judge.options import Options
from harness.ladder.baselines import baseline_candidate
from harness.ladder.gate import interval
from harness.ladder.worker import Orders, Place, owner_name, work
from harness.ledger.states import FINAL, State
from harness.report.save import save_bytes
from harness.verdict import Accepted, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.candidate import Candidate
    from harness.ladder.climb import Progress
    from harness.ladder.profile import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Run
    from harness.result import CheckResult
    from harness.verdict import Finding, Json

#: States of a run that say something about its function.
_ANSWERS = (State.COMPLETED, State.HELD, State.REJECTED)
_ALPHA = 0.05
_POINT = re.compile(r"(.+)@(\d{1,9})")


@dataclass(frozen=True)
class Judged:
    """What came of one candidate. `fate`, `rung` and the scores are as in `Outcome`.

    `findings` are the check's. `seconds` say what each rung took here; those of an answered run cost nothing. `run` is
    the ledger's number of the run that was measured, 0 where there is none.
    """

    fate: str
    id: str
    rung: str
    told: str = ""
    findings: tuple[Finding, ...] = ()
    score: float | None = None
    low: float | None = None
    high: float | None = None
    gain: float | None = None
    place: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    learning: tuple[tuple[int, float], ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    run: int = 0
    answered: bool = False


#: Whether a fingerprint, or an id, belongs to a loss of the run.
Seen: TypeAlias = "Callable[[str, str], bool]"


class Judge(Protocol):
    """Judges candidates. `LadderJudge` is the one that is used; tests have others."""

    @property
    def gpu_rungs(self) -> frozenset[str]:
        """Rungs whose seconds count as GPU time."""

    def judge(self, source: str, name: str, seen: Seen) -> Judged:
        """Check, and climb unless `seen` knows the function. Raises InfrastructureError where nothing can be done."""

    def catalogue(self, name: str) -> tuple[str, Judged]:
        """Source and outcome of a loss of the catalogue."""

    def duel(self, identity: str, name: str, seeds: Sequence[int], done: Callable[[int, float, float], None]) -> None:
        """Measure a judged loss and the baseline at fresh seeds, where the ladder has a rung for it."""


class LadderJudge:
    """Judges by `harness.check` and a ladder. Texts are kept in `folder` under their digests.

    `say` is told what is being done. `stopping` is asked between seeds: a climb that was stopped raises
    KeyboardInterrupt, and its run goes back to the queue.
    """

    def __init__(
        self,
        ladder: Ladder,
        ledger: Ledger,
        folder: Path,
        *,
        database: str | None = None,
        gpu: str = "none",
        runtime: str | None = None,
    ) -> None:
        self._ladder, self._ledger, self._folder = ladder, ledger, folder
        self._database, self._gpu, self._runtime = database, gpu, runtime
        self.say: Callable[[str], None] = lambda _: None
        self.stopping: Callable[[], bool] = lambda: False
        #: True while a climb runs, which has to be stopped by `stopping` and not by an exception.
        self.climbing = False

    @property
    def gpu_rungs(self) -> frozenset[str]:
        """Rungs whose seconds count as GPU time."""
        return frozenset(plan.name for plan in self._ladder.rungs if plan.needs == "gpu")

    def judge(self, source: str, name: str, seen: Seen) -> Judged:
        """Check and climb; one candidate, one sandbox each."""
        return self._judge(text_candidate(source, f"{name}.py"), seen)

    def catalogue(self, name: str) -> tuple[str, Judged]:
        """A loss of the catalogue, judged as any other. Raises UserError for a name that is not there."""
        candidate = replace(baseline_candidate(name), path=f"{name}.py")
        return candidate.data.decode("utf-8"), self._judge(candidate, lambda _, __: False)

    def duel(self, identity: str, name: str, seeds: Sequence[int], done: Callable[[int, float, float], None]) -> None:
        """Measure a judged loss and the baseline at fresh seeds; nothing where the last rung is too dear for it."""
        if duel.rung_of(self._ladder) is None or not seeds:
            return
        self.say(f"{name} against the baseline, on fresh seeds")
        source = self._text(identity)
        tuned = duel.tuned_for(self._ledger, self._ladder, identity, source, lambda: self._answering(source, name))
        duel.fight(self._ladder, source, name, seeds, done, tuned=tuned, gpu=self._gpu, runtime=self._runtime)

    def _answering(self, source: str, name: str) -> Run | None:
        """The run of the same function, for a loss that has none of its own."""
        facts = self._checked(text_candidate(source, f"{name}.py")).facts
        return self._known(str(facts.get("fingerprint", "")))

    def _text(self, identity: str) -> str:
        """A text that was judged, as it was."""
        path = self._path(identity)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InfrastructureError(f"{path} cannot be read: {error.strerror}", remedy="restore it") from error
        if hashlib.sha256(data).hexdigest() != identity:
            raise InfrastructureError(f"{path} is no longer what was judged", remedy="restore it from the ledger")
        return data.decode("utf-8")

    def _path(self, identity: str) -> Path:
        return self._folder / f"{identity[:16]}.py"

    def _judge(self, candidate: Candidate, seen: Seen) -> Judged:
        started = time.monotonic()
        self.say("check")
        result = self._checked(candidate)
        seconds = {"check": time.monotonic() - started}
        if isinstance(result.verdict, Rejected):
            errors = tuple(f for f in result.verdict.findings if f.severity == "error")
            rung = "screen" if errors[0].rule.startswith("S") else "properties"
            return Judged("rejected", candidate.sha256, rung, findings=errors, seconds=seconds)
        if not isinstance(result.verdict, Accepted):
            told = f"the harness could not decide: {result.verdict.reason}"
            return Judged("undecided", candidate.sha256, "properties", told, seconds=seconds)
        fingerprint = str(result.facts.get("fingerprint", ""))
        if seen(fingerprint, candidate.sha256):
            return Judged("known", candidate.sha256, "properties", facts=kept(result.facts), seconds=seconds)
        run = self._known(fingerprint)
        answered = run is not None
        if run is None:
            run = self._climb(candidate, seconds)
        base = Judged("", candidate.sha256, "", facts=kept(result.facts), seconds=seconds, answered=answered)
        return self._told(run, base)

    def _checked(self, candidate: Candidate) -> CheckResult:
        path = self._path(candidate.sha256)
        self._folder.mkdir(parents=True, exist_ok=True)
        save_bytes(candidate.data, path)
        options = Options(profile=self._ladder.properties, gpu=self._gpu, runtime=self._runtime)
        result = check(path, options).results[0]
        if result.verdict.word == "undecided":  # a fault of ours; most are gone the second time
            result = check(path, options).results[0]
        return result

    def _known(self, fingerprint: str) -> Run | None:
        """A run of this ladder with the same function, that has come to an end."""
        if not fingerprint:
            return None
        for run in self._ledger.runs(profile_digest=self._ladder.digest, states=_ANSWERS, limit=1_000_000):
            if run.fingerprint == fingerprint:
                return run
        return None

    def _climb(self, candidate: Candidate, seconds: dict[str, float]) -> Run:
        number = submit([candidate], ledger=self._ledger, profile=self._ladder.name)[0].run
        run = self._ledger.run(number)
        if run.state in {State.FAILED, State.CANCELLED}:
            run = self._ledger.retry(number)
        while True:
            if run.state not in FINAL and run.state is not State.HELD:
                self._work(run.id, seconds)
                run = self._ledger.run(run.id)
                if self.stopping():
                    raise KeyboardInterrupt
            if run.state is not State.DUPLICATE or run.same_as is None:
                return run
            run = self._ledger.run(run.same_as)  # another worker measures the same function

    def _work(self, number: int, seconds: dict[str, float]) -> None:
        needs = tuple(sorted({plan.needs for plan in self._ladder.rungs}))
        place = Place(f"{owner_name()}/discover", needs=needs, gpu=self._gpu)
        folder = self._ledger.folder
        orders = Orders(
            folder, self._ladder.name, database=self._database, drain=True, only=number, runtime=self._runtime
        )
        clock = _Clock(seconds, self.say)
        self.climbing = True
        try:
            work(place, orders, stopping=self.stopping, watch=clock.watch)
        finally:
            self.climbing = False
            clock.stop()

    def _told(self, run: Run, base: Judged) -> Judged:
        """The outcome of a run that came to its end."""
        if run.state in {State.FAILED, State.CANCELLED}:
            return replace(base, fate="undecided", rung=self._rung(run.rung), told=run.reason, run=run.id)
        scores = self._ledger.scores(run.id)
        measured = [plan for plan in self._ladder.rungs if plan.gate is not None and plan.name in scores]
        fate = "stopped" if run.state is State.REJECTED else "measured"
        out = replace(base, fate=fate, rung=self._rung(run.rung), told=run.reason, place=run.rung, run=run.id)
        if not measured or measured[-1].gate is None:
            return out
        plan, metric = measured[-1], measured[-1].gate.metric
        found = scores[plan.name]
        values = [score.value for score in found if score.metric == metric]
        low, high = interval(values, _ALPHA)
        told = dict(self._ledger.decisions(run.id)).get(plan.name)
        gain = told.detail.get("difference") if told is not None else None
        metrics = means([(score.metric, score.value) for score in found])
        return replace(
            out,
            score=float(np.mean(values)),
            low=low,
            high=high,
            gain=float(gain) if isinstance(gain, float | int) else None,
            metrics=metrics,
            learning=learning(metrics, metric),
        )

    def _rung(self, place: int) -> str:
        return self._ladder.rungs[min(place, len(self._ladder.rungs) - 1)].name


class _Clock:
    """Adds up what each rung of a climb takes, in seconds."""

    def __init__(self, seconds: dict[str, float], say: Callable[[str], None]) -> None:
        self._seconds, self._say = seconds, say
        self._at, self._since = "start", time.monotonic()

    def watch(self, run: Run, progress: Progress) -> None:
        """Told by the worker."""
        del run
        if progress.rung != self._at:
            self.stop()
            self._at = progress.rung
        if progress.training is not None:
            at = progress.training
            self._say(f"{progress.rung}, {at.whose}, seed {at.seed}: {at.step} {at.at.done}/{at.at.total}")
            return
        self._say(progress.rung if progress.seed is None else f"{progress.rung}, seed {progress.seed}")

    def stop(self) -> None:
        """Account for the rung so far."""
        now = time.monotonic()
        self._seconds[self._at] = self._seconds.get(self._at, 0.0) + now - self._since
        self._since = now


def means(scores: Sequence[tuple[str, float]]) -> dict[str, float]:
    """The mean of each metric over the seeds."""
    by_name: dict[str, list[float]] = {}
    for metric, value in scores:
        by_name.setdefault(metric, []).append(value)
    with np.errstate(all="ignore"):
        return {metric: float(np.mean(values)) for metric, values in by_name.items()}


def learning(metrics: Mapping[str, float], metric: str) -> tuple[tuple[int, float], ...]:
    """The learning curve of a metric: its points are metrics named `METRIC@STEP`, such as `score@30`."""
    points = []
    for name, value in metrics.items():
        match = _POINT.fullmatch(name)
        if match is not None and match.group(1) == metric:
            points.append((int(match.group(2)), value))
    return tuple(sorted(points))


def require_engine() -> None:
    """Refuse early where no candidate could be judged. Raises InfrastructureError with the next step."""
    from harness.judge.pipeline import open_bench  # noqa: PLC0415 - loads what judges

    open_bench(Options()).engine.close()


def undecided(reason: str) -> InfrastructureError:
    """The error for a row of candidates of which nothing could be decided."""
    return InfrastructureError(
        f"three candidates in a row were not decided, the last because: {reason}",
        remedy="`harness doctor` says what is wrong; resume the run after that",
    )
