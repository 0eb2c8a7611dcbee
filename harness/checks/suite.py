"""The properties of a profile, put to one candidate after the other: what they find, and how each rule went.

The examples are known: a bank ships, or Hypothesis draws them once. They are put to a candidate by `Replay`, and where
one fails, Hypothesis runs that property and looks for the simplest counterexample.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.checks.bank import kept
from harness.checks.outcome import Outcome
from harness.checks.properties import Properties, Skipped
from harness.checks.replay import NOTHING_ASKED, Replay
from harness.core.errors import CandidateFault, InfrastructureError
from harness.core.quiet import quiet
from harness.core.verdict import rejects
from harness.subject.drawing import drawn_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.checks.bank import Examples
    from harness.checks.drawn import Drawn
    from harness.checks.properties import Property
    from harness.core.profiles import Profile
    from harness.core.rules import Rule
    from harness.core.verdict import Finding, Json
    from harness.subject.drawing import Key
    from harness.subject.subject import Subject

#: The examples that this process has read or drawn, by what decides about them; and the batches that it found nowhere,
#: and has yet to keep for the next process.
_KNOWN: dict[tuple[Profile, int], Examples] = {}
_TO_KEEP: dict[tuple[Profile, int], Drawn] = {}
#: A failure of these ends the run for this candidate.
ESSENTIAL = ("P301", "P315", "P401", "P415")


class Suite:
    """The properties of a profile and a seed; calling it judges one candidate."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self._properties = Properties(profile, seed)
        self._items = self._properties.all
        self._replay = Replay(self._items)
        #: What decides about the examples that are drawn.
        self._drawn_by = (profile, seed)

    def rule(self, name: str) -> Rule:
        """The rule of one of the properties, by the name of its file."""
        rule: Rule = getattr(self._properties.package, f"test_{name}").RULE
        return rule

    def know(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Have the examples: those that ship, or else those that are drawn for a loss that passes.

        Raises KeyboardInterrupt where `stopping` said so while they were drawn.
        """
        if self._replay.complete:
            return
        examples = _KNOWN.get(self._drawn_by)
        if examples is None and (bank := kept(*self._drawn_by)) is not None:
            examples = bank.examples
            if not bank.drawn.read():
                _TO_KEEP[self._drawn_by] = bank.drawn
        if examples is None or not self._replay.know(examples):
            examples = self.drawn(stopping)
        if self._replay.complete:
            _KNOWN[self._drawn_by] = examples

    def keep(self) -> None:
        """Leave the batches that were drawn for the next process, where there were none to read."""
        if (drawn := _TO_KEEP.pop(self._drawn_by, None)) is not None:
            drawn.keep()

    def drawn(self, stopping: Callable[[], bool] = lambda: False) -> Examples:
        """The examples of every property as Hypothesis draws them for one that passes."""
        from harness.checks.reference_oracle import reference_for  # noqa: PLC0415 - where a bank is there, nobody needs it

        self(reference_for(self._properties.profile, stopping=stopping))
        return self._replay.examples()

    def draws(self) -> tuple[Key, ...]:
        """What the properties draw of their own where the examples are put to one that passes, in order."""
        from harness.checks.reference_oracle import reference_for  # noqa: PLC0415 - see above

        reference = reference_for(self._properties.profile)
        return tuple(drawn_by(lambda: self.replayed(reference)))

    def together(self, subject: Subject) -> Outcome | None:
        """Put the examples to a candidate that is known to be stateless, many at once: what came of it, or None.

        None where it is not known to be, and where anything failed: then nothing is known of it, and it has to be
        asked anew, one question after the other. Raises InfrastructureError for a fault of ours.
        """
        if not (self._replay.complete and subject.oracle.program.stateless):
            return None
        self._properties.settle()
        return self._called(subject, by_heart=True) if self._replay.perform_together(subject) else None

    def replayed(self, subject: Subject) -> Outcome | None:
        """Put the examples that are known by heart to the candidate: what came of it, or None.

        None where they are not known yet, and where any property failed: then nothing is known of the
        candidate, and the suite has to be called. Raises InfrastructureError for a fault of ours.
        """
        if not self._replay.complete:
            return None
        self._properties.settle()
        if not self._replay.perform(subject):
            # Hypothesis would simplify nothing: an end there is the end.
            return self._ended_at(self._replay.settled) if self._replay.settled is not None else None
        return self._called(subject, by_heart=True)

    def partly(self, subject: Subject) -> Outcome | None:
        """After a replay that broke off at a property: go on from there, with Hypothesis where one fails.

        What passes by heart passes: Hypothesis draws the same examples until one fails. None where the sandbox is gone,
        and where it goes before the end: then the suite has to be called for a new one.
        """
        if not self._replay.complete or self._replay.fault is None or subject.fault is not None:
            return None
        return self._called(subject, by_heart=True)

    def noticed(self, subject: Subject) -> set[str]:
        """The rules that the learnt examples find broken, without looking for simple ones: for measuring."""
        self._properties.settle()
        return self._replay.noticed(subject)

    def _ended_at(self, place: Property) -> Outcome:
        """The outcome of a candidate that fell at one of the first properties, as `_judge` gives it."""
        outcome, fault = Outcome(), self._replay.fault
        ended = ""
        for item in self._items:
            rule = item.rule
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
        for rule, why in self._properties.absent.items():
            outcome.went(rule, "not-run", why)
        return outcome

    def recall(self, outcome: Outcome) -> None:
        """Hold the replay's fault against a run that found none: the same questions had other answers."""
        fault = self._replay.fault
        if fault is None or outcome.findings or fault.findings[0].rule in {"W203", "P315", "P415"}:
            return
        deterministic = self._properties.package.test_determinism.RULE
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
        self._properties.settle()
        try:
            self._judge(subject, outcome, by_heart=by_heart)
        except _GoneError:
            return None
        finally:
            self._replay.rest()
        return self._whole(outcome, subject)

    def _judge(self, subject: Subject, outcome: Outcome, *, by_heart: bool) -> None:
        ended = ""
        for item in self._items:
            rule = item.rule
            if ended:
                outcome.went(rule.id, "not-run", _after(ended))
                continue
            started = time.perf_counter()
            known = by_heart and self._known(item, subject)
            if not known:
                self._replay.watch(item)
            error = self._replay.skipped.get(item) if known else self._run(item, subject)
            outcome.took(rule.id, self._replay.seconds[item] if known else time.perf_counter() - started)
            if error is None and by_heart and not known:
                self.recall(outcome)
            asked = self._replay.went[item] != NOTHING_ASKED if known else self._replay.tried(item)
            if error is None and not asked:
                outcome.went(rule.id, "not-run", NOTHING_ASKED)
            elif error is None:
                outcome.went(rule.id, "passed")
                self._replay.passed(item)
            elif isinstance(error, Skipped):
                outcome.went(rule.id, "not-run", str(error))
                self._replay.passed(item)
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
            if finding.rule in self._properties.profile.properties and rejects((finding,)):
                outcome.went(finding.rule, "failed")
        return found[0].rule if found else rule.id

    def _known(self, item: Property, subject: Subject) -> bool:
        """Whether a property passes by heart, or is not run; raises _GoneError where the sandbox is gone over it."""
        if item in self._replay.went:
            return True
        if item is not self._replay.at:
            if self._replay.performed(item, subject):
                return True
            if subject.fault is not None or self._replay.fault is None:
                raise _GoneError
        return False

    def _findings(self, error: BaseException, rule: Rule) -> tuple[Finding, ...]:
        """The one finding that is told of an exception: the first that rejects."""
        found = _findings(error, rule, self._properties.package.test_determinism.RULE)
        return next(((f,) for f in found if rejects((f,))), found[:1])

    def _run(self, item: Property, subject: Subject) -> BaseException | None:
        """Let Hypothesis run a property: what it raised, with the simplest example."""
        self._properties.ready_for_hypothesis()
        try:
            with quiet():
                item.function(candidate=subject)
        except Exception as error:  # noqa: BLE001 - `_findings` sorts them by fault
            return error
        return None


class _GoneError(Exception):
    """The sandbox ended, or a property itself failed, while examples were put by heart."""


def _findings(error: BaseException, rule: Rule, deterministic: Rule) -> tuple[Finding, ...]:
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
