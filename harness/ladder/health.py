"""What a worker stands on: an engine that starts sandboxes. Found at the start, found again after a fault of ours.

A fault of ours costs the run that met it one of its attempts. It must not cost those behind it theirs: after each such
fault a worker claims nothing before a known-good loss has passed through a sandbox here.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.checks.checker import Checker
from harness.containers import request
from harness.containers.engine import remove_labelled
from harness.core.errors import InfrastructureError
from harness.core.verdict import Accepted, Undecided
from harness.core.waiting import growing
from harness.ladder.baselines import baseline_candidate
from harness.oracle.supply import Supply

if TYPE_CHECKING:
    from harness.checks.options import Options
    from harness.core.waiting import Patience

#: The label that containers have by the place that they were made at.
PLACE_LABEL = "harness.place"
#: The loss of each contract that has to pass, and the first and the longest wait between two tries, in seconds.
_KNOWN_GOOD = {"preference": "dpo", "classification": "cross_entropy", "lists": "multiway_dpo"}
_FIRST, _LONGEST = 1.0, 30.0
#: From so many faults of ours in a row on, a worker also slows down: what it meets is not seen by a single check.
MANY_FAULTS = 3


def checker_when_it_answers(options: Options, patience: Patience) -> Checker:
    """Open the checker; wait for an engine that is away. Raises InfrastructureError for all that does not pass."""
    return patience.until_it_works(lambda: Checker.open(options), "the engine", first=_FIRST, longest=_LONGEST)


class Health(contextlib.AbstractContextManager["Health"]):
    """One worker's place: its label, what is left in it, whether work is possible there, how often it was not.

    Used in a `with`: sandboxes are started ahead for what is worked on there, and are gone at its end.
    """

    def __init__(self, checker: Checker, ledger_name: str, place: str, patience: Patience) -> None:
        """Nothing is started ahead before somebody says how many sandboxes will be needed: `checker.supply`."""
        self._label = (PLACE_LABEL, f"{ledger_name}/{place}")
        labels = (*checker.recipe.labels, self._label)
        #: Its sandboxes are known by their place, and are waited for no longer than the worker is to work.
        recipe = replace(checker.recipe, labels=labels, stopping=patience.stopping)
        self.supply = Supply(checker.engine, recipe)
        self.checker = replace(checker, recipe=recipe, supply=self.supply)
        self._patience = patience
        self._in_a_row = 0

    def __exit__(self, *_: object) -> None:
        """Remove what was started ahead."""
        self.supply.close()

    def clear(self) -> int:
        """Remove what was left here by whoever worked here before, for whichever run; give how many there were.

        Only for the one who has the place by the ledger: nobody else may be at work in it. Raises InfrastructureError.
        """
        return remove_labelled(self.checker.engine, self._label)

    def held(self) -> None:
        """An attempt ended without a fault of ours."""
        self._in_a_row = 0

    def on_fault(self, why: str) -> None:
        """After a fault of ours: wait until a known-good loss can be judged here, or until it is to stop."""
        self._in_a_row += 1
        self.supply.drop()  # whatever it was, it may be wrong with these too
        waits = growing(_FIRST * 2.0 ** max(self._in_a_row - MANY_FAULTS + 1, 0), _LONGEST)
        if self._in_a_row >= MANY_FAULTS:
            pause = next(waits)
            self._patience.tell(f"{self._in_a_row} faults of ours in a row, the last: {why}; it waits {pause:.0f} s")
            self._patience.wait(pause)
        told = False
        while not self._patience.stopping():
            problem = self._problem()
            if problem is None:
                if told:
                    self._patience.tell("sandboxes work again; it goes on")
                return
            if not told:
                self._patience.tell(f"nothing is claimed before a known-good loss can be judged here: {problem}")
                told = True
            self._patience.wait(next(waits))

    def _problem(self) -> str | None:
        """Why a known-good loss cannot be judged here now; None where it can."""
        try:
            # Not `clear`: the place is not ours by the ledger now. What this process made, and could not remove, is.
            remove_labelled(self.checker.engine, (request.OWNER_LABEL, request.owner()))
            known_good = baseline_candidate(_KNOWN_GOOD[self.checker.profile.contract])
            verdict = self.checker.check(known_good).verdict
        except InfrastructureError as error:
            return error.message
        if isinstance(verdict, Accepted):
            return None
        return verdict.reason if isinstance(verdict, Undecided) else f"it is {verdict.word} here"
