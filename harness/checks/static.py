"""The tier that needs no container: read, screen, and say what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.checks.job import Job
from harness.checks.options import Options
from harness.core.candidate import read_candidate
from harness.core.errors import CandidateFault, InfrastructureError
from harness.core.profiles import DEFAULT, load
from harness.core.program import Told
from harness.core.result import CheckResult
from harness.core.verdict import Screened as NotJudged
from harness.core.verdict import Undecided, refused
from harness.core.version import __version__
from harness.screen import screen
from harness.screen.rules import DRAFTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.candidate import Candidate
    from harness.core.profiles import Profile
    from harness.core.program import Program
    from harness.core.verdict import Json, Verdict


@dataclass
class Screened:
    """A job after the screen; `fault` ends it early."""

    job: Job
    sha256: str = ""
    program: Program | None = None
    fault: CandidateFault | InfrastructureError | None = None
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def passed_program(self) -> Program:
        """The program of one that passed the screen; of any other, its fault is raised."""
        if self.program is None:
            raise self.fault or InfrastructureError("the screen gave no program")
        return self.program


def screen_result(ready: Screened) -> CheckResult:
    """The verdict of the screen alone: it can refuse, and accepts nobody."""
    verdict: Verdict
    if isinstance(ready.fault, CandidateFault):
        verdict = refused(ready.fault.findings)
    elif ready.fault is not None:
        verdict = Undecided(ready.fault.message, ready.fault.remedy)
    else:
        verdict = NotJudged()
    return make_result(ready, verdict, environment={"harness": __version__, "tier": "static"})


def screened(job: Job, options: Options) -> Screened:
    """Read and screen one candidate; a refusal is kept as its fault."""
    started = time.perf_counter()
    try:
        candidate = read_candidate(job.path, shown_as=job.shown)
    except (CandidateFault, InfrastructureError) as fault:
        ready = Screened(job, fault=fault)
    else:
        ready = replace(screened_text(candidate, load(options.profile), options), job=job)
    ready.timings["screen"] = time.perf_counter() - started
    return ready


def screened_text(candidate: Candidate, profile: Profile | None = None, options: Options | None = None) -> Screened:
    """Screen a candidate whose bytes are known, as a profile has it or the newest; a fault of its own is kept."""
    ready = Screened(Job(0, Path(candidate.path), candidate.path), sha256=candidate.sha256)
    profile, options = profile or load(DEFAULT), options or Options()
    started = time.perf_counter()
    try:
        ready.program = screen(
            candidate,
            entry=options.entry,
            policy=options.screen,
            contract=profile.contract,
            binding=profile.binding,
        )
    except (CandidateFault, InfrastructureError) as fault:
        ready.fault = fault
    ready.timings["screen"] = time.perf_counter() - started
    return ready


def make_result(
    ready: Screened,
    verdict: Verdict,
    *,
    environment: dict[str, Json],
    machine: Mapping[str, Json] | None = None,
    facts: dict[str, Json] | None = None,
    properties: dict[str, str] | None = None,
    not_run: dict[str, str] | None = None,
    output: str = "",
) -> CheckResult:
    """Put a result together from what is known of the candidate; how it was read is told with every verdict."""
    told = ready.program.told if ready.program is not None else Told()
    notes = tuple(DRAFTS.finding(note) for note in told.notes)
    return CheckResult(
        path=ready.job.shown,
        sha256=ready.sha256,
        name=ready.program.name if ready.program is not None else ready.job.path.stem,
        verdict=replace(verdict, findings=verdict.findings + notes) if notes else verdict,
        facts=told.facts | (facts or {}),
        properties=properties or {},
        not_run=not_run or {},
        environment=environment,
        machine=machine or {},
        timings={k: round(v, 6) for k, v in ready.timings.items()},
        output=output,
    )
