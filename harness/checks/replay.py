"""The frozen examples, put to a candidate: what Hypothesis drew for one that passed is asked of every other without it.

Hypothesis is settled to draw the same examples for every candidate until one fails (property_tests/configure.py),
and drawing them takes as long as judging the answers. What they ask is learnt from a reference
(`harness.checks.reference_oracle`) while the first sandbox still starts. A replay can only end in "all passed": at the
first failure, of whatever kind, it is broken off, nothing of it counts, and the suite runs from the beginning, with
Hypothesis to find the simplest counterexample.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from harness.core.errors import CandidateFault, InfrastructureError
from harness.core.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.checks.bank import Examples
    from harness.checks.properties import Property
    from harness.property_tests.configure import Watched
    from harness.subject.batched_queries import Joint
    from harness.subject.subject import Subject


#: Raised by a property that cannot be asked here, as on a host without a GPU.
Skipped = pytest.skip.Exception
#: Why a property was not run that never came to its body: it has passed nothing.
NOTHING_ASKED = "it asked nothing"
#: By property: its examples, and its questions by smallest batch.
Learnt: TypeAlias = "dict[str, tuple[list[dict[str, Any]] | None, dict[int | None, tuple[Joint | None, ...]]]]"


@dataclass
class Part:
    """One property by heart: its examples, and for each smallest batch size the questions that they ask."""

    watched: Watched | None
    examples: list[dict[str, Any]] | None = None
    questions: dict[int | None, tuple[Joint | None, ...]] = field(default_factory=dict)


class Replay:
    """What is known by heart of a collected suite."""

    def __init__(self, items: Sequence[Property]) -> None:
        self._parts: dict[Property, Part] = {}
        #: The time that each property took in the last performance.
        self.seconds: dict[Property, float] = {}
        #: What ended the last performance, and the property where it was asked nothing jointly before: that is settled.
        self.fault: CandidateFault | None = None
        self.settled: Property | None = None
        #: How far it came: what passed (or why it was not run), what skips itself, and where it broke off.
        self.went: dict[Property, str | None] = {}
        self.skipped: dict[Property, BaseException] = {}
        self.at: Property | None = None
        for item in items:
            self._parts[item] = Part(item.watched, None if item.watched is not None else [{}])

    @property
    def complete(self) -> bool:
        """Whether every property has passed once, so that all examples are known."""
        return all(part.examples is not None for part in self._parts.values())

    def watch(self, item: Property) -> None:
        """The property is about to run under Hypothesis: see its examples, unless they are known."""
        part = self._parts[item]
        if part.watched is not None:
            part.watched.calls = 0
        if part.watched is not None and part.examples is None:
            part.watched.sink = []

    def tried(self, item: Property) -> bool:
        """Whether the property that was watched last has had an example."""
        watched = self._parts[item].watched
        return watched is None or watched.calls > 0

    def passed(self, item: Property) -> None:
        """It passed: these are the examples of every candidate that passes."""
        part = self._parts[item]
        if part.watched is not None and part.watched.sink is not None and part.examples is None:
            part.examples = [{k: v for k, v in each.items() if k != "candidate"} for each in part.watched.sink]

    def learnt(self) -> Learnt:
        """What is known by heart, for another session of this process."""
        return {item.name: (part.examples, part.questions) for item, part in self._parts.items()}

    def take(self, learnt: Learnt) -> None:
        """Know what another session learnt, of the same profile and seed."""
        for item, part in self._parts.items():
            part.examples, part.questions = learnt[item.name]

    def examples(self) -> Examples:
        """The examples of every property."""
        return {item.name: part.examples for item, part in self._parts.items() if part.examples is not None}

    def know(self, examples: Examples, subject: Subject) -> bool:
        """Know the kept examples, and from one that passes, what they ask. False: they are not for this suite."""
        if set(examples) != {item.name for item in self._parts}:
            return False
        for item, part in self._parts.items():
            part.examples = examples[item.name]
        if self.perform(subject) is not None:
            return True
        for part in self._parts.values():
            part.examples = None if part.watched is not None else [{}]
            part.questions.clear()
        return False

    def rest(self) -> None:
        """See no more examples."""
        for part in self._parts.values():
            if part.watched is not None:
                part.watched.sink = None

    def perform(self, subject: Subject) -> dict[Property, str | None] | None:
        """Put all examples to a candidate: None where a property failed.

        Else, for each property, why it was not run, or None where it passed. Raises InfrastructureError for a fault of
        ours.
        """
        self.went = {}
        self.skipped = {}
        self.fault = self.settled = self.at = None
        for item in self._parts:
            if not self.performed(item, subject):
                if all(self._parts[each].watched is None for each in (*self.went, item)) and self.fault is not None:
                    self.settled = item
                self.at = item
                return None
        return self.went

    def performed(self, item: Property, subject: Subject) -> bool:
        """Put one property's examples: whether it passed, or was not run. `fault` says what it was where it failed."""
        self.fault = None
        started = time.perf_counter()
        try:
            with quiet():
                why = self._perform(item, subject)
        except InfrastructureError:
            raise
        except CandidateFault as fault:
            self.fault = fault
            return False
        except Exception:  # noqa: BLE001 - the run that counts will say what it was
            return False
        self.went[item] = why
        self.seconds[item] = time.perf_counter() - started
        if why is not None and why != NOTHING_ASKED:
            self.skipped[item] = Skipped(why)
        return True

    def noticed(self, subject: Subject) -> set[str]:
        """The rules that the examples find broken, each property by itself and none of them shrunk to its simplest."""
        rules: set[str] = set()
        with quiet():
            for item in self._parts:
                try:
                    self._perform(item, subject)
                except CandidateFault as fault:
                    rules |= {finding.rule for finding in fault.findings}
        return rules

    def _perform(self, item: Property, subject: Subject) -> str | None:
        part, smallest = self._parts[item], subject.known_smallest
        known = part.questions.get(smallest) if part.watched is not None else None
        if known is None and part.watched is not None:
            subject.queries.listen()
        else:
            subject.queries.expect(known or ())
        try:
            for example in part.examples or ():
                item.body(candidate=subject, **example)
        except Skipped as error:
            return str(error)
        if known is None and part.watched is not None:
            part.questions[smallest] = subject.queries.heard()
        return None if part.examples else NOTHING_ASKED
