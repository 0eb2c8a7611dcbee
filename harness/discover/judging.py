"""What comes of a candidate: one climb of the ladder, or the ledger's answer. All of it by the public interface.

Nothing is checked beforehand: the findings and the facts are those of the report that the rung of the properties
attached to the run, and which losses are one function is the ledger's word. A function that it knows is not trained
again: its run answers, whoever submitted it.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from harness.api import submit, text_candidate
from harness.checks.checker import Checker
from harness.checks.static import screened_text
from harness.core import profiles
from harness.core.errors import CandidateFault, InfrastructureError
from harness.core.files import SMALL, load_bytes, save_bytes
from harness.core.verdict import Severity
from harness.discover import confirmation as duel
from harness.discover.archive import KEPT
from harness.ladder.baselines import baseline_candidate
from harness.ladder.climb import REPORT, SCREEN_REPORT
from harness.ladder.curves import by_seed, mean_curves, means
from harness.ladder.gate import interval
from harness.ladder.worker import WorkerConfig, WorkerSlot, work
from harness.ledger.queue import owner_name
from harness.ledger.records import FINAL, State
from harness.report.json_report import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.core.candidate import Candidate
    from harness.core.result import CheckResult
    from harness.core.verdict import Finding, Json
    from harness.discover.confirmation import Done
    from harness.ladder.context import Progress
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Run


#: States in which a run says nothing of its candidate.
_SILENT = frozenset({State.FAILED, State.CANCELLED})
_ALPHA = 0.05


@dataclass(frozen=True)
class Judged:
    """What came of one candidate. `fate`, `rung` and the scores are as in `Outcome`.

    `findings` are the errors that it was rejected for. `seconds` say what each rung took here; those of an answered run
    cost nothing. `run` is the ledger's number of the run that answers, 0 for a function of this run in other words.
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


#: Whether a function (the ledger's word for it), or an id, belongs to a loss of the run.
Seen: TypeAlias = "Callable[[str, str], bool]"


class Judge(Protocol):
    """Judges candidates. `LadderJudge` is the one that is used; tests have others."""

    @property
    def gpu_rungs(self) -> frozenset[str]:
        """Rungs whose seconds count as GPU time."""

    def judge(self, source: str, name: str, seen: Seen) -> Judged:
        """Climb, unless `seen` knows the function. Raises InfrastructureError where nothing can be done."""

    def catalogue(self, name: str) -> tuple[str, Judged]:
        """Source and outcome of a loss of the catalogue."""

    def duel(self, own: tuple[str, str], against: Sequence[str], seeds: Sequence[int], done: Done) -> None:
        """Measure a judged loss (name, id) and losses of the catalogue at fresh seeds, where a rung is there for it."""


class LadderJudge:
    """Judges by a ladder. Texts are kept in `folder` under their digests.

    `say` is told what is being done. `stopping` is asked while anything is waited for: a climb that was stopped raises
    KeyboardInterrupt, and its run goes back to the queue. Held-out rungs are not climbed, and what another worker has
    made of a run there is not looked at.
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
        self._ladder, self._ledger, self._folder = ladder.searched, ledger, folder
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
        """Submit and climb."""
        return self._judge(text_candidate(source, f"{name}.py"), seen)

    def catalogue(self, name: str) -> tuple[str, Judged]:
        """A loss of the catalogue, judged as any other. Raises UserError for a name that is not there."""
        candidate = replace(baseline_candidate(name), path=f"{name}.py")
        return candidate.data.decode("utf-8"), self._judge(candidate, lambda _, __: False)

    def duel(self, own: tuple[str, str], against: Sequence[str], seeds: Sequence[int], done: Done) -> None:
        """Measure a judged loss and baselines at fresh seeds; nothing where the last rung is too dear for it."""
        if duel.rung_of(self._ladder) is None or not seeds:
            return
        name, identity = own
        self.say(f"{name} against {' and '.join(against)}, on fresh seeds")
        text = self._text(identity)
        tuned = duel.tuned_for(self._ledger, self._ladder, identity, text)
        duel.fight(self._ladder, (name, text), against, seeds, done, tuned=tuned, gpu=self._gpu, runtime=self._runtime)

    def _text(self, identity: str) -> str:
        """A text that was judged, as it was."""
        path = self._path(identity)
        data = load_bytes(path, SMALL, "the candidate", remedy="restore it", fault=InfrastructureError)
        if hashlib.sha256(data).hexdigest() != identity:
            raise InfrastructureError(f"{path} is no longer what was judged", remedy="restore it from the ledger")
        return data.decode("utf-8")

    def _path(self, identity: str) -> Path:
        return self._folder / f"{identity[:16]}.py"

    def _judge(self, candidate: Candidate, seen: Seen) -> Judged:
        self._folder.mkdir(parents=True, exist_ok=True)
        save_bytes(candidate.data, self._path(candidate.sha256))
        self.say("start")
        seconds: dict[str, float] = {}
        own, worked = self._submitted(candidate, seconds)
        result = self._result(own, "properties")
        facts = result.loss_facts.as_json(*KEPT) if result is not None else {}
        if own.function:
            facts["function"] = own.function
        base = Judged("", candidate.sha256, "", facts=facts, seconds=seconds)
        if findings := self._broken(own, candidate):
            rung = "screen" if findings[0].rule.startswith("S") else "properties"
            return replace(base, fate="rejected", rung=rung, findings=findings, run=own.id, answered=not worked)
        if own.function and seen(own.function, candidate.sha256):
            return replace(base, fate="known", rung="properties")
        answers, worked = self._followed((own, worked), seconds)
        return self._told(answers, replace(base, answered=not worked))

    def _result(self, run: Run, kind: str) -> CheckResult | None:
        """What the rung of this kind said of a run's candidate; None where it did not come to it."""
        rungs = {plan.name for plan in self._ladder.rungs if plan.kind == kind}
        made = [
            one for one in self._ledger.attachments(run.id) if one.rung in rungs and one.name in {REPORT, SCREEN_REPORT}
        ]
        return read_json(self._ledger.document(made[-1].sha256)).results[0] if made else None

    def _broken(self, run: Run, candidate: Candidate) -> tuple[Finding, ...]:
        """The findings that a run was rejected for before anything was trained."""
        kind = self._ladder.rungs[min(run.rung, len(self._ladder.rungs) - 1)].kind
        if run.state is not State.REJECTED or kind not in {"screen", "properties"}:
            return ()
        found: tuple[Finding, ...] = ()
        if (result := self._result(run, kind)) is not None:
            found = result.verdict.findings
        elif kind == "screen":  # a run of a version that kept no findings of the screen
            fault = screened_text(candidate, profiles.load(self._ladder.properties)).fault
            found = fault.findings if isinstance(fault, CandidateFault) else ()
        return tuple(finding for finding in found if finding.severity is Severity.ERROR)

    def _submitted(self, candidate: Candidate, seconds: dict[str, float]) -> tuple[Run, bool]:
        """The candidate's own run at its end, and whether any of it was climbed here."""
        number = submit([candidate], ledger=self._ledger, profile=self._ladder.source)[0].run
        run = self._ledger.run(number)
        if self._silent(run) and (heir := self._heir(run)) is not None:
            return replace(run, state=State.DUPLICATE, same_as=heir), False
        return self._ended(run, seconds)

    def _heir(self, run: Run) -> int | None:
        """The run that has taken the place of one that was cancelled or has failed: it is the same function."""
        if not run.function:
            return None
        for other in self._ledger.runs(profile_digest=self._ladder.digest):
            silent = other.state in _SILENT or other.state is State.DUPLICATE
            if other.function == run.function and not silent:
                return other.id
        return None

    def _followed(self, found: tuple[Run, bool], seconds: dict[str, float]) -> tuple[Run, bool]:
        """The run that answers for a run: itself, unless it is a duplicate. Another worker may measure that now."""
        run, worked = found
        while run.state is State.DUPLICATE and run.same_as is not None:
            run, worked = self._ended(self._ledger.run(run.same_as), seconds)
        return run, worked

    def _ended(self, run: Run, seconds: dict[str, float]) -> tuple[Run, bool]:
        """A run at its end, and whether any of it was climbed here. One that has failed or was cancelled goes on."""
        if self._silent(run):
            run = self._ledger.retry(run.id)
        if run.state in FINAL or run.state is State.HELD or self._is_through(run):
            return run, False
        self._work(run.id, seconds)
        if self.stopping():
            raise KeyboardInterrupt
        return self._ledger.run(run.id), True

    def _work(self, number: int, seconds: dict[str, float]) -> None:
        needs = tuple(sorted({plan.needs for plan in self._ladder.rungs}))
        place = WorkerSlot(f"{owner_name()}/discover", needs=needs, gpu=self._gpu)
        folder = self._ledger.folder
        orders = WorkerConfig(
            folder,
            self._ladder.source,
            database=self._database,
            drain=True,
            only=number,
            runtime=self._runtime,
            below=len(self._ladder.rungs),
        )
        clock = Clock(seconds, self.say)
        self.climbing = True
        try:
            work(place, orders, stopping=self.stopping, watch=clock.watch)
        finally:
            self.climbing = False
            clock.stop()

    def _told(self, run: Run, base: Judged) -> Judged:
        """The outcome of a run that came to its end."""
        if self._silent(run):
            return replace(base, fate="undecided", rung=self._rung(run.rung), told=run.reason, run=run.id)
        scores = self._ledger.scores(run.id)
        measured = [plan for plan in self._ladder.rungs if plan.gate is not None and plan.name in scores]
        decisions = dict(self._ledger.decisions(run.id))
        through, last = self._is_through(run), self._ladder.rungs[-1].name
        fate = "stopped" if run.state is State.REJECTED and not through else "measured"
        told = decisions[last].reason if through and last in decisions else run.reason
        place = min(run.rung, len(self._ladder.rungs))
        out = replace(base, fate=fate, rung=self._rung(run.rung), told=told, place=place, run=run.id)
        if not measured or measured[-1].gate is None:
            return out
        plan, metric = measured[-1], measured[-1].gate.metric
        found = scores[plan.name]
        values = [score.value for score in found if score.metric == metric]
        low, high = interval(values, _ALPHA)
        decided = decisions.get(plan.name)
        gain = decided.detail.get("difference") if decided is not None else None
        metrics = means([(score.metric, score.value) for score in found])
        return replace(
            out,
            score=float(np.mean(values)),
            low=low,
            high=high,
            gain=float(gain) if isinstance(gain, float | int) else None,
            metrics=metrics,
            learning=mean_curves(by_seed(found).values()).get(metric, ()),
        )

    def _is_through(self, run: Run) -> bool:
        """Whether a run has passed every rung that a search may be told of."""
        return run.rung >= len(self._ladder.rungs)

    def _silent(self, run: Run) -> bool:
        """Whether a run says nothing of its candidate."""
        return run.state in _SILENT and not self._is_through(run)

    def _rung(self, place: int) -> str:
        return self._ladder.rungs[min(place, len(self._ladder.rungs) - 1)].name


def require_engine() -> None:
    """Refuse early where no candidate could be judged. Raises InfrastructureError with the next step."""
    with Checker.open():
        pass


def undecided(reason: str) -> InfrastructureError:
    """The error for a row of candidates of which nothing could be decided."""
    return InfrastructureError(
        f"three candidates in a row were not decided, the last because: {reason}",
        remedy="`harness doctor` says what is wrong; resume the run after that",
    )


class Clock:
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
