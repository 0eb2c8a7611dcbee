"""One pytest session, many candidates: the suite is collected once and run anew for each of them."""

from __future__ import annotations

import gc
import importlib
import inspect
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

import property_tests
from harness.contract import CLASSIFICATION
from harness.errors import CandidateFault, InfrastructureError, SandboxLostError
from harness.judge.alone import Alone, quiet
from harness.judge.bank import kept
from harness.judge.rehearsal import NOTHING_ASKED, Rehearsal
from harness.verdict import rejects
from property_tests.configure import draw, prepare, seeded
from property_tests.editions import belongs
from property_tests.strategies import judge_over

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from harness.judge.bank import Examples
    from harness.judge.rehearsal import Learnt
    from harness.judge.subject import Subject
    from harness.profiles import Profile
    from harness.rules import Rule
    from harness.verdict import Finding, Json

#: What sessions of this process learnt, by what decides about it: the profile, the seed, whether there is a GPU.
_LEARNT: dict[tuple[object, ...], Learnt] = {}
#: A failure of these ends the run for this candidate.
ESSENTIAL = ("P301", "P315", "P401", "P415")


#: How a rule may have gone, from the best to the worst: a rule goes as the worst of its tests.
_WORSE = ("passed", "warned", "not-run", "failed")


@dataclass
class Outcome:
    """What the properties said: findings in order, and for each rule id how it went, and why where it did not run.

    `seconds` has the time that each rule took.
    """

    findings: list[Finding] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def went(self, rule: str, how: str, why: str = "") -> None:
        """Note how a rule went in one test, or at one setting: what was worse before stays."""
        before = self.properties.get(rule)
        if before is not None and _WORSE.index(how) <= _WORSE.index(before):
            return
        self.properties[rule] = how
        self.not_run.pop(rule, None)
        if how == "not-run":
            self.not_run[rule] = why

    def took(self, rule: str, seconds: float) -> None:
        """Note the time that a test of a rule took."""
        self.seconds[rule] = self.seconds.get(rule, 0.0) + seconds

    def unanswered(self, allowed: Mapping[str, str]) -> list[str]:
        """The rules that leave a candidate undecided, each with what is wrong.

        A rule may be not run for the one reason that the profile allows it (`allowed`, by rule id), and a broken one
        has a finding.
        """
        out = []
        for rule, how in self.properties.items():
            why = self.not_run.get(rule, "")
            if how == "not-run" and why != allowed.get(rule):
                out.append(f"{rule} ({why or 'not run'})")
            elif how == "failed" and not rejects(self.findings):
                out.append(f"{rule} (broken, by no finding that rejects)")
        return out


class Suite:
    """The collected properties; calling it judges one candidate."""

    def __init__(self, items: list[pytest.Item], plugin: _Plugin) -> None:
        self._items = items
        self._plugin = plugin
        self._rehearsal = Rehearsal(items)
        #: Rules of which nothing, or not everything, was collected, and why: nobody is accepted without them.
        self._absent = _absent(items, plugin)

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
        examples = kept(*self._plugin.drawn_by)
        if examples is None or not self._rehearsal.know(examples, subject):
            self(subject)
        if self._rehearsal.complete:
            _LEARNT[key] = self._rehearsal.learnt()

    def drawn(self, subject: Subject) -> Examples:
        """The examples of every property as Hypothesis draws them for one that passes."""
        self(subject)
        return self._rehearsal.examples()

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
        for item, why in went.items():
            rule = item.module.RULE.id  # type: ignore[attr-defined]
            outcome.went(rule, "passed" if why is None else "not-run", why or "")
            outcome.took(rule, self._rehearsal.seconds[item])
        return self._whole(outcome, subject)

    def partly(self, subject: Subject) -> Outcome | None:
        """After a rehearsal that broke off at a property: go on from there, with Hypothesis where one fails.

        What passes by heart passes: Hypothesis draws the same examples until one fails. None where the sandbox is gone,
        and where it goes before the end: then the suite has to be called for a new one.
        """
        if not self._rehearsal.complete or self._rehearsal.fault is None or subject.fault is not None:
            return None
        return self._called(subject, by_heart=True)

    def noticed(self, subject: Subject) -> set[str]:
        """The rules that the learnt examples find broken, without looking for simple ones: for measuring."""
        return self._rehearsal.noticed(subject)

    def _ended_at(self, place: pytest.Item) -> Outcome:
        """The outcome of a candidate that fell at one of the first properties, as `_judge` gives it."""
        outcome, fault = Outcome(), self._rehearsal.fault
        ended = ""
        for item in self._items:
            rule = item.module.RULE  # type: ignore[attr-defined]
            if item is place and fault is not None:
                found = self._findings(fault, rule)
                outcome.findings += found
                ended = self._broken(outcome, rule, found)
            elif ended:
                outcome.went(rule.id, "not-run", _after(ended))
            else:
                outcome.went(rule.id, "passed")
        return outcome

    def _whole(self, outcome: Outcome, subject: Subject) -> Outcome:
        """The outcome with what was noted and does not reject, and with the rules that no test asked about."""
        for note in subject.notes:
            outcome.findings.append(note)
            if outcome.properties.get(note.rule) == "passed":
                outcome.went(note.rule, "warned")
        for rule, why in self._absent.items():
            outcome.went(rule, "not-run", why)
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
        outcome.went(deterministic.id, "failed")

    def __call__(self, subject: Subject) -> Outcome:
        """Run every property. Raises InfrastructureError for a fault of ours, and then nothing is known."""
        outcome = self._called(subject, by_heart=False)
        if outcome is None:
            raise InfrastructureError("the suite ended before its end")
        return outcome

    def _called(self, subject: Subject, *, by_heart: bool) -> Outcome | None:
        outcome = Outcome()
        self._plugin.subject = subject
        try:
            self._judge(subject, outcome, by_heart=by_heart)
        except _GoneError:
            return None
        finally:
            # A run that stops early leaves its last module set up, and the next candidate would trip over it.
            self._items[0].session._setupstate.teardown_exact(None)  # noqa: SLF001 - as pytest's own runner does
            self._rehearsal.rest()
        return self._whole(outcome, subject)

    def _judge(self, subject: Subject, outcome: Outcome, *, by_heart: bool) -> None:
        ended = ""
        for place, item in enumerate(self._items):
            rule = item.module.RULE  # type: ignore[attr-defined]
            if ended:
                outcome.went(rule.id, "not-run", _after(ended))
                continue
            # By heart, nobody knows which will be the next that pytest runs: each is torn down.
            following = None if by_heart or place + 1 == len(self._items) else self._items[place + 1]
            started = time.perf_counter()
            known = by_heart and self._known(item, subject)
            if not known:
                self._rehearsal.watch(item, subject)
            error = self._rehearsal.skipped.get(item) if known else self._run(item, following)
            outcome.took(rule.id, time.perf_counter() - started)
            if error is None and by_heart and not known:
                self.recall(outcome)
            asked = self._rehearsal.went[item] != NOTHING_ASKED if known else self._rehearsal.tried(item)
            if error is None and not asked:
                outcome.went(rule.id, "not-run", NOTHING_ASKED)
            elif error is None:
                outcome.went(rule.id, "passed")
                self._rehearsal.passed(item, subject)
            elif isinstance(error, pytest.skip.Exception):
                outcome.went(rule.id, "not-run", str(error))
                self._rehearsal.passed(item, subject)
            else:
                # One finding a rule: the first is the simplest, and the rest say the same.
                told = {f.rule for f in outcome.findings if rejects((f,))}
                found = self._findings(error, rule)
                outcome.findings += [f for f in found if f.rule not in told]
                broken = self._broken(outcome, rule, found)
                subject.rejected = subject.rejected or rejects(outcome.findings)
                if subject.fault is not None or rule.id in ESSENTIAL:
                    ended = broken

    def _broken(self, outcome: Outcome, rule: Rule, found: Sequence[Finding]) -> str:
        """Note how a rule went in whose test this was found; give the rule that was broken, which may be another.

        A property that is broken by what another one's tests found was not left out, though none of its own ran.
        """
        outcome.went(rule.id, "failed")
        for finding in found:
            if finding.rule in self._plugin.profile.properties and rejects((finding,)):
                outcome.went(finding.rule, "failed")
        return found[0].rule if found else rule.id

    def _known(self, item: pytest.Item, subject: Subject) -> bool:
        """Whether a property passes by heart, or is not run; raises _GoneError where the sandbox is gone over it."""
        if item in self._rehearsal.went:
            return True
        if item is not self._rehearsal.at:
            if self._rehearsal.performed(item, subject):
                return True
            if subject.fault is not None or self._rehearsal.fault is None:
                raise _GoneError
        subject.foresight.expect(())
        return False

    def _findings(self, error: BaseException, rule: Rule) -> tuple[Finding, ...]:
        """The one finding that is told of an exception: the first that rejects."""
        found = _findings(error, rule, self._plugin.properties.test_determinism.RULE)
        return next(((f,) for f in found if rejects((f,))), found[:1])

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> BaseException | None:
        self._plugin.error = None
        with quiet():
            runtestprotocol(item, log=False, nextitem=following)
        return self._plugin.error


class _GoneError(Exception):
    """The sandbox ended, or a property itself failed, while examples were put by heart."""


class _Plugin:
    """Gives the suite its fixture, and keeps the exceptions themselves, which reports would flatten."""

    def __init__(self, body: Callable[[Suite], None], profile: Profile, seed: int) -> None:
        self._body = body
        self.profile = profile
        self._seed = seed
        self.properties = _suite(profile.contract)
        #: The caller's environment, put back once pytest has been set up, and whether it came that far.
        self.alone = Alone()
        self.begun = False
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
        self.begun = True
        self.alone.end()
        edition = self.profile.edition
        judge_over(self.profile.domain, edition)
        wanted = self.profile.properties
        items = [i for i in session.items if i.module.RULE.id in wanted and belongs(i.function, edition)]  # type: ignore[attr-defined]
        items.sort(key=lambda i: wanted.index(i.module.RULE.id))  # type: ignore[attr-defined]
        for item in items:
            function = item.function  # type: ignore[attr-defined]
            if hasattr(function, "hypothesis"):
                draw(function, self.profile.examples)
                # Without a seed, too: the modules outlive the session, and with them the seed of the one before.
                seeded(function, self._seed or None)
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
    """The package that holds the properties of a contract: ours, and none of that name that lies elsewhere."""
    found = Path(property_tests.__file__).resolve().parents[1]
    if found != (ours := Path(__file__).resolve().parents[2]):
        message = f"the package property_tests was found in {found}, and belongs in {ours}"
        raise InfrastructureError(message, remedy="see what PYTHONPATH holds, and run the check again without it")
    if contract == CLASSIFICATION.name:
        return importlib.import_module("property_tests.classification")
    return property_tests


def _absent(items: list[pytest.Item], plugin: _Plugin) -> dict[str, str]:
    """The rules of the profile of which a test was not collected, by what the suite's modules say there is."""
    collected = {(i.module.RULE.id, i.function.__name__) for i in items}  # type: ignore[attr-defined]
    modules = {module.RULE.id: module for module in plugin.properties.PROPERTY_MODULES}
    out = {}
    for rule in plugin.profile.properties:
        if rule not in modules:
            out[rule] = "there is no such rule"
            continue
        tests = [
            name
            for name, test in vars(modules[rule]).items()
            if name.startswith("test_") and inspect.isfunction(test) and belongs(test, plugin.profile.edition)
        ]
        lost = [name for name in tests if (rule, name) not in collected]
        if lost or not tests:
            out[rule] = f"not collected: {', '.join(lost)}" if lost else "it has no test in this edition"
    return out


def run_session(body: Callable[[Suite], None], profile: Profile, seed: int) -> None:
    """Collect the suite and call `body` with it, in this thread. Whatever `body` raises is raised here.

    What is collected depends on the profile alone: no configuration, no plugin and no environment of the caller's is
    read, and a test that is missing all the same leaves every candidate undecided.
    """
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
        # It would read the filters that the interpreter was given; `quiet` is what is wanted here.
        "warnings",
    ):
        arguments += ["-p", f"no:{name}"]
    with plugin.alone:
        code = pytest.main([*arguments, *files], plugins=[plugin])
    if plugin.failure is not None:
        raise plugin.failure
    if code == pytest.ExitCode.INTERRUPTED:
        # While the suite was collected: pytest takes an interrupt for itself there.
        raise KeyboardInterrupt
    if not plugin.begun or code not in {
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
        pytest.ExitCode.TESTS_FAILED,
    }:
        raise InfrastructureError(f"the property suite could not be run (pytest ended with {int(code)})")


def _findings(
    error: BaseException, rule: Rule, deterministic: Rule = property_tests.test_determinism.RULE
) -> tuple[Finding, ...]:
    """The findings that an exception amounts to; faults of ours are raised."""
    if isinstance(error, CandidateFault):
        return error.findings
    if isinstance(error, BaseExceptionGroup) and (ours := error.subgroup(InfrastructureError)):
        raise ours.exceptions[0]
    from hypothesis.errors import Flaky  # noqa: PLC0415 - not before property_tests, which loads it without plugins

    if isinstance(error, Flaky):
        message = f"{rule.name} failed once and passed when asked again: its answers vary"
        return (deterministic.finding(message, counterexample=_first_counterexample(error)),)
    if isinstance(error, (InfrastructureError, KeyboardInterrupt, SystemExit)):
        raise error
    raise InfrastructureError(f"the property {rule.id} itself failed: {type(error).__name__}: {error}") from error


def _after(ended: str) -> str:
    """Why a rule was not run after the finding that ended the run, told by its rule."""
    return f"{ended} was broken before it"


def _first_counterexample(error: BaseException) -> Mapping[str, Json] | None:
    """The numbers of the first candidate's fault inside a group of errors."""
    if isinstance(error, CandidateFault):
        return error.findings[0].counterexample
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if (found := _first_counterexample(inner)) is not None:
            return found
    return None
