"""One pytest session, many candidates: the suite is collected once and run anew for each of them."""

from __future__ import annotations

import gc
import importlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest
from _pytest.runner import runtestprotocol
from hypothesis.errors import Flaky

import property_tests
from harness.contract import CLASSIFICATION
from harness.errors import CandidateFault, InfrastructureError, SandboxLostError
from harness.judge.rehearsal import Rehearsal
from property_tests.configure import draw, prepare
from property_tests.editions import belongs
from property_tests.strategies import judge_over

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from harness.judge.rehearsal import Learnt
    from harness.judge.subject import Subject
    from harness.profiles import Profile
    from harness.rules import Rule
    from harness.verdict import Finding, Json

#: What sessions of this process learnt, by what decides about it: the profile, the seed, whether there is a GPU.
_LEARNT: dict[tuple[object, ...], Learnt] = {}
#: A failure of these ends the run for this candidate.
ESSENTIAL = ("P301", "P315", "P401", "P415")


@dataclass
class Outcome:
    """What the properties said: findings in order, and for each rule id how it went."""

    findings: list[Finding] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)


class Suite:
    """The collected properties; calling it judges one candidate."""

    def __init__(self, items: list[pytest.Item], plugin: _Plugin) -> None:
        self._items = items
        self._plugin = plugin
        self._rehearsal = Rehearsal(items)

    def rule(self, name: str) -> Rule:
        """The rule of one of the properties, by the name of its file."""
        rule: Rule = getattr(self._plugin.properties, f"test_{name}").RULE
        return rule

    def learn(self, subject: Subject) -> None:
        """Learn the suite by heart from one that passes it, unless this process has done that."""
        if self._rehearsal.complete:
            return
        key = (*self._plugin.drawn_by, subject.oracle.has_gpu)
        if key in _LEARNT:
            self._rehearsal.take(_LEARNT[key])
            return
        self(subject)
        if self._rehearsal.complete:
            _LEARNT[key] = self._rehearsal.learnt()

    def rehearsed(self, subject: Subject) -> Outcome | None:
        """Put the examples that are known by heart to the candidate: what came of it, or None.

        None where they are not known yet, and where any property failed: then nothing is known of the
        candidate, and the suite has to be called. Raises InfrastructureError for a fault of ours.
        """
        if not self._rehearsal.complete:
            return None
        went = self._rehearsal.perform(subject)
        if went is None:
            # Before the first joint question all is as it is without a rehearsal: an end there is the end.
            return self._ended_at(self._rehearsal.settled) if self._rehearsal.settled is not None else None
        outcome = Outcome()
        for item, how in went.items():
            outcome.properties.setdefault(item.module.RULE.id, how)  # type: ignore[attr-defined]
        return _with_notes(outcome, subject)

    def noticed(self, subject: Subject) -> set[str]:
        """The rules that the learnt examples find broken, without looking for simple ones: for measuring."""
        return self._rehearsal.noticed(subject)

    def _ended_at(self, place: pytest.Item) -> Outcome:
        """The outcome of a candidate that fell at one of the first properties, as `_judge` gives it."""
        outcome, fault = Outcome(), self._rehearsal.fault
        for item in self._items:
            rule = item.module.RULE  # type: ignore[attr-defined]
            if item is place and fault is not None:
                outcome.findings += self._findings(fault, rule)[:1]
                outcome.properties[rule.id] = "failed"
            else:
                outcome.properties.setdefault(rule.id, "not-run" if outcome.findings else "passed")
        return outcome

    def recall(self, outcome: Outcome) -> None:
        """Hold the rehearsal's fault against a run that found none: the same questions had other answers."""
        fault = self._rehearsal.fault
        if fault is None or outcome.findings or fault.findings[0].rule in {"W203", "P315", "P415"}:
            return
        deterministic = self._plugin.properties.test_determinism.RULE
        first = fault.findings[0]
        message = f"{first.rule} failed once and passed when asked again: its answers vary"
        outcome.findings.append(deterministic.finding(message, counterexample=first.counterexample))

    def __call__(self, subject: Subject) -> Outcome:
        """Run every property. Raises InfrastructureError for a fault of ours, and then nothing is known."""
        outcome = Outcome()
        self._plugin.subject = subject
        try:
            self._judge(subject, outcome)
        finally:
            # A run that stops early leaves its last module set up, and the next candidate would trip over it.
            self._items[0].session._setupstate.teardown_exact(None)  # noqa: SLF001 - as pytest's own runner does
            self._rehearsal.rest()
        return _with_notes(outcome, subject)

    def _judge(self, subject: Subject, outcome: Outcome) -> None:
        stop = False
        for place, item in enumerate(self._items):
            rule = item.module.RULE  # type: ignore[attr-defined]
            if stop:
                outcome.properties.setdefault(rule.id, "not-run")
                continue
            following = self._items[place + 1] if place + 1 < len(self._items) else None
            self._rehearsal.watch(item, subject)
            error = self._run(item, following)
            if error is None:
                outcome.properties.setdefault(rule.id, "passed")
                self._rehearsal.passed(item, subject)
            elif isinstance(error, pytest.skip.Exception):
                outcome.properties[rule.id] = "not-run"
                self._rehearsal.passed(item, subject)
            else:
                # One finding a rule: the first is the simplest, and the rest say the same.
                told = {f.rule for f in outcome.findings}
                outcome.findings += [f for f in self._findings(error, rule)[:1] if f.rule not in told]
                outcome.properties[rule.id] = "failed"
                stop = subject.fault is not None or rule.id in ESSENTIAL

    def _findings(self, error: BaseException, rule: Rule) -> tuple[Finding, ...]:
        return _findings(error, rule, self._plugin.properties.test_determinism.RULE)

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> BaseException | None:
        self._plugin.error = None
        # Candidates answer NaN and infinity as a matter of course; numpy need not remark on it.
        with np.errstate(all="ignore"):
            runtestprotocol(item, log=False, nextitem=following)
        return self._plugin.error


class _Plugin:
    """Gives the suite its fixture, and keeps the exceptions themselves, which reports would flatten."""

    def __init__(self, body: Callable[[Suite], None], profile: Profile, seed: int) -> None:
        self._body = body
        self._profile = profile
        self._seed = seed
        self.properties = _suite(profile.contract)
        #: What decides about the examples that are drawn.
        self.drawn_by = (profile, seed)
        self.subject: Subject | None = None
        self.error: BaseException | None = None
        self.failure: BaseException | None = None

    @pytest.fixture
    def oracle(self) -> Subject:
        """The candidate under judgement."""
        if self.subject is None:
            raise SandboxLostError
        return self.subject

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep what was raised, whichever phase raised it."""
        del item
        if call.excinfo is not None:
            self.error = call.excinfo.value
        return (yield)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running each test once, hand the collected suite to the one who asked."""
        edition = self._profile.edition
        judge_over(self._profile.domain, edition)
        wanted = self._profile.properties
        items = [i for i in session.items if i.module.RULE.id in wanted and belongs(i.function, edition)]  # type: ignore[attr-defined]
        items.sort(key=lambda i: wanted.index(i.module.RULE.id))  # type: ignore[attr-defined]
        for item in items:
            function = item.function  # type: ignore[attr-defined]
            if hasattr(function, "hypothesis"):
                draw(function, self._profile.examples)
                # Without a seed, too: the modules outlive the session, and with them the seed of the one before.
                hypothesis.seed(self._seed or None)(function)
        prepare([item.function for item in items])  # type: ignore[attr-defined]
        # What is loaded by now stays: the collector need not walk it again and again.
        gc.freeze()
        gc.enable()
        try:
            self._body(Suite(items, self))
        except BaseException as error:  # noqa: BLE001 - pytest would turn it into an exit code
            self.failure = error
        return True


def _suite(contract: str) -> Any:
    """The package that holds the properties of a contract."""
    if contract == CLASSIFICATION.name:
        return importlib.import_module("property_tests.classification")
    return property_tests


def run_session(body: Callable[[Suite], None], profile: Profile, seed: int) -> None:
    """Collect the suite and call `body` with it, in this thread. Whatever `body` raises is raised here."""
    plugin = _Plugin(body, profile, seed)
    folder = Path(property_tests.__file__).parent
    files = [str(module.__file__) for module in plugin.properties.PROPERTY_MODULES]
    arguments = ["-c", os.devnull, f"--rootdir={folder.parent}", "--noconftest", "--assert=plain"]
    arguments += ["--capture=no", "--disable-plugin-autoload"]
    for name in (
        "terminal",
        "cacheprovider",
        "junitxml",
        "logging",
        "doctest",
        "unittest",
        "pastebin",
        "faulthandler",
        # These two collect all garbage several times before the session may end, to warn about tests of its own.
        "unraisableexception",
        "threadexception",
    ):
        arguments += ["-p", f"no:{name}"]
    code = pytest.main([*arguments, *files], plugins=[plugin])
    if plugin.failure is not None:
        raise plugin.failure
    if code == pytest.ExitCode.INTERRUPTED:
        # While the suite was collected: pytest takes an interrupt for itself there.
        raise KeyboardInterrupt
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.TESTS_FAILED}:
        raise InfrastructureError(f"the property suite could not be run (pytest ended with {int(code)})")


def _findings(
    error: BaseException, rule: Rule, deterministic: Rule = property_tests.test_determinism.RULE
) -> tuple[Finding, ...]:
    """The findings that an exception amounts to; faults of ours are raised."""
    if isinstance(error, CandidateFault):
        return error.findings
    if isinstance(error, BaseExceptionGroup) and (ours := error.subgroup(InfrastructureError)):
        raise ours.exceptions[0]
    if isinstance(error, Flaky):
        message = f"{rule.name} failed once and passed when asked again: its answers vary"
        return (deterministic.finding(message, counterexample=_first_counterexample(error)),)
    if isinstance(error, (InfrastructureError, KeyboardInterrupt, SystemExit)):
        raise error
    raise InfrastructureError(f"the property {rule.id} itself failed: {type(error).__name__}: {error}") from error


def _with_notes(outcome: Outcome, subject: Subject) -> Outcome:
    """Add what was noted and does not reject."""
    for note in subject.notes:
        outcome.findings.append(note)
        if outcome.properties.get(note.rule) == "passed":
            outcome.properties[note.rule] = "warned"
    return outcome


def _first_counterexample(error: BaseException) -> Mapping[str, Json] | None:
    """The numbers of the first candidate's fault inside a group of errors."""
    if isinstance(error, CandidateFault):
        return error.findings[0].counterexample
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if (found := _first_counterexample(inner)) is not None:
            return found
    return None
