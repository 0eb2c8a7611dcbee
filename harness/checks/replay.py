"""The frozen examples, put to a candidate: what Hypothesis drew for one that passed is asked of every other without it.

Hypothesis is settled to draw the same examples for every candidate until one fails (property_tests/configure.py), and
drawing them takes as long as judging the answers. A replay can only end in "all passed": at the first failure, of
whatever kind, it is broken off, and Hypothesis goes on from there, to find the simplest counterexample.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from harness.checks.properties import Skipped
from harness.checks.together import IN_ORDER, Together
from harness.core.errors import CandidateFault, InfrastructureError
from harness.core.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.checks.bank import Examples
    from harness.checks.properties import Property
    from harness.subject.subject import Subject

#: Why a property was not run that never came to its body: it has passed nothing.
NOTHING_ASKED = "it asked nothing"


class Replay:
    """What is known by heart of a collected suite."""

    def __init__(self, items: Sequence[Property]) -> None:
        #: The examples of each; None until they are known. A property that draws nothing has one.
        self._known: dict[Property, list[dict[str, Any]] | None] = {
            item: None if item.watched is not None else [{}] for item in items
        }
        #: The time that each property took in the last performance.
        self.seconds: dict[Property, float] = {}
        #: What ended the last performance, and the property where Hypothesis would have nothing to simplify.
        self.fault: CandidateFault | None = None
        self.settled: Property | None = None
        #: How far it came: what passed (or why it was not run), what skips itself, and where it broke off.
        self.went: dict[Property, str | None] = {}
        self.skipped: dict[Property, BaseException] = {}
        self.at: Property | None = None

    @property
    def complete(self) -> bool:
        """Whether the examples of every property are known."""
        return all(examples is not None for examples in self._known.values())

    def watch(self, item: Property) -> None:
        """The property is about to run under Hypothesis: see its examples, unless they are known."""
        if item.watched is not None:
            item.watched.calls = 0
            if self._known[item] is None:
                item.watched.sink = []

    def tried(self, item: Property) -> bool:
        """Whether the property that was watched last has had an example."""
        return item.watched is None or item.watched.calls > 0

    def passed(self, item: Property) -> None:
        """It passed: these are the examples of every candidate that passes."""
        if item.watched is not None and item.watched.sink is not None and self._known[item] is None:
            self._known[item] = [{k: v for k, v in each.items() if k != "candidate"} for each in item.watched.sink]

    def rest(self) -> None:
        """See no more examples."""
        for item in self._known:
            if item.watched is not None:
                item.watched.sink = None

    def examples(self) -> Examples:
        """The examples of every property."""
        return {item.name: examples for item, examples in self._known.items() if examples is not None}

    def know(self, examples: Examples) -> bool:
        """Know these examples. False: they are not for this suite."""
        if set(examples) != {item.name for item in self._known}:
            return False
        for item in self._known:
            self._known[item] = examples[item.name]
        return True

    def perform_together(self, subject: Subject) -> bool:
        """The same with the examples of most properties put at once: whether none failed.

        Where one did, nothing is known of the candidate: it has to be asked anew.
        """
        self._begin()
        apt = {i: examples for i, examples in self._known.items() if examples and i.rule.id not in IN_ORDER}
        for item in self._known:
            if item in apt:
                if item in self.went:
                    continue
                together = Together(subject)
                with quiet():
                    if not together.passed(apt):
                        return False
                self.went |= dict.fromkeys(apt)
                self.seconds |= together.seconds
            elif not self.performed(item, subject):
                return False
        return True

    def _begin(self) -> None:
        self.went = {}
        self.skipped = {}
        self.fault = self.settled = self.at = None

    def perform(self, subject: Subject) -> bool:
        """Put all examples to a candidate: whether none failed. Raises InfrastructureError for a fault of ours."""
        self._begin()
        for item in self._known:
            if not self.performed(item, subject):
                if all(each.watched is None for each in (*self.went, item)) and self.fault is not None:
                    self.settled = item
                self.at = item
                return False
        return True

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
            for item in self._known:
                try:
                    self._perform(item, subject)
                except CandidateFault as fault:
                    rules |= {finding.rule for finding in fault.findings}
        return rules

    def _perform(self, item: Property, subject: Subject) -> str | None:
        examples = self._known[item] or ()
        try:
            for example in examples:
                item.body(candidate=subject, **example)
        except Skipped as error:
            return str(error)
        return None if examples else NOTHING_ASKED
