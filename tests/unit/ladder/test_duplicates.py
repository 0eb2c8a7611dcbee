"""Two candidates are asked the same secret questions at the same settings, in sandboxes of their own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from in_process import of_program

from harness.checks.static import screened_text
from harness.core.candidate import Candidate
from harness.core.errors import CandidateFault, InfrastructureError
from harness.ladder import duplicates
from harness.protocol.rules import RAISED_ON_LOAD

if TYPE_CHECKING:
    from harness.checks.static import Screened
    from harness.subject.subject import Subject

HEAD = "import torch.nn.functional as F\n"
SIGNATURE = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
RHO = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"


def screened(value: str, more: str = "", declared: str = "") -> Screened:
    """A candidate that gives `value` of x, with arguments and a declaration of its own."""
    text = f"{HEAD}{declared}\ndef loss({SIGNATURE}{more}):\n    x = beta * ({RHO})\n    return {value}\n"
    one = screened_text(Candidate("loss.py", text.encode(), "0" * 64))
    assert one.program is not None, one.fault
    return one


DPO = screened("F.softplus(-x)")
TAU = 'PARAMS = {"tau": (0.5, 2.0, "log")}\n'
TUNABLE = screened("F.softplus(-tau * x)", ", tau", TAU)
#: At the ends and in the middle of its range it is what it says; between them it is not.
AT_KNOWN_VALUES = screened("F.softplus(-tau * x) if tau in (0.5, 1.0, 2.0) else F.softplus(x)", ", tau", TAU)


class Boxes:
    """Sandboxes that are none: which there were, and which are open. `fails` is raised by those of that number."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.open = 0
        self.asked: list[list[bytes]] = []
        self.fails: dict[int, Exception] = {}

    def make(self, engine: object, recipe: object) -> Any:
        del engine
        box = SimpleNamespace(recipe=recipe, number=len(self.made), wait_ready=lambda: None, reset_clock=lambda: None)
        box.close = self._close
        self.made.append(box)
        self.open += 1
        return box

    def _close(self) -> None:
        self.open -= 1

    def compared(self, one: Screened, other: Screened, key: bytes = b"secret") -> str | None:
        def labelled(labels: object) -> Any:
            return SimpleNamespace(opened=lambda: self.make(None, labels))

        checker: Any = SimpleNamespace(labelled=labelled)
        return duplicates.compared(checker, {"harness.run": "x/1"}, key, one, other)

    def subject(self, checker: object, box: Any, one: Screened) -> Subject:
        del checker
        if box.number in self.fails:
            raise self.fails[box.number]
        assert one.program is not None
        made = of_program(one.program)
        ask = made.oracle.ask
        seen: list[bytes] = []
        self.asked.append(seen)

        def noted(batches: Any, **more: Any) -> Any:
            seen.extend(b.raw for b in batches)
            return ask(batches, **more)

        made.oracle.ask = noted  # type: ignore[method-assign]
        return made


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> Boxes:
    made = Boxes()
    monkeypatch.setattr(duplicates, "subject_of", made.subject)
    return made


def test_both_are_asked_the_same_and_nobody_else_is_asked_it(boxes: Boxes) -> None:
    assert boxes.compared(DPO, screened("-F.logsigmoid(x)")) is None
    assert boxes.compared(DPO, screened("F.softplus(-x) * (1.5 if x.numel() > 64 else 1.0)"), b"another")
    assert [box.recipe for box in boxes.made] == [{"harness.run": "x/1"}] * 4
    assert boxes.open == 0
    first, second, third, fourth = boxes.asked
    assert len(first) > 250
    assert first == second
    assert third == fourth
    assert not set(first) & set(third), "another key asks other questions"
    assert boxes.compared(DPO, DPO) is None
    assert boxes.asked[4] == first, "and the same key the same"


@pytest.mark.rest
def test_open_candidates_are_held_against_each_other_at_values_that_nobody_knows(boxes: Boxes) -> None:
    assert boxes.compared(TUNABLE, screened("-F.logsigmoid(tau * x)", ", tau", TAU)) is None
    assert len(boxes.made) == 2, "all settings of a side in one sandbox"
    where = boxes.compared(TUNABLE, AT_KNOWN_VALUES)
    assert where is not None
    assert "tau = " in where


@pytest.mark.rest
def test_other_ranges_are_another_function_and_what_changes_nothing_is_none(boxes: Boxes) -> None:
    wider = TAU.replace("2.0", "3.0")
    assert boxes.compared(TUNABLE, screened("F.softplus(-tau * x)", ", tau", wider)) == "their parameters differ"
    assert not boxes.made
    inert = screened("F.softplus(-x) + 0.0 * tau", ", tau", TAU)
    assert boxes.compared(DPO, inert) is None
    assert boxes.compared(inert, DPO) is None
    assert boxes.compared(DPO, TUNABLE)


@pytest.mark.parametrize("number", [0, 1])
def test_a_side_that_fails_is_another_function(boxes: Boxes, number: int) -> None:
    boxes.fails = {number: CandidateFault(RAISED_ON_LOAD.finding("no"))}
    assert boxes.compared(DPO, DPO) == "one of them fails"
    assert boxes.open == 0


def test_two_that_fail_are_no_duplicates(boxes: Boxes) -> None:
    boxes.fails = dict.fromkeys((0, 1), CandidateFault(RAISED_ON_LOAD.finding("no")))
    assert boxes.compared(DPO, DPO) == "both of them fail"


def test_a_fault_of_ours_decides_nothing(boxes: Boxes) -> None:
    boxes.fails = {1: InfrastructureError("no engine")}
    with pytest.raises(InfrastructureError, match="no engine"):
        boxes.compared(DPO, DPO)
    assert boxes.open == 0


def test_a_text_that_no_longer_passes_the_screen_answers_for_nobody(boxes: Boxes) -> None:
    refused = screened_text(Candidate("loss.py", b"import os\n", "0" * 64))
    assert boxes.compared(DPO, refused) == "one of them no longer passes the screen"
    assert not boxes.made


def test_where_there_is_a_gpu_both_are_asked_there_too(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    made = boxes.subject

    def on_gpu(checker: object, box: Any, one: Screened) -> Subject:
        subject = made(checker, box, one)
        subject.oracle.has_gpu = True
        ask = subject.oracle.ask

        def turned(batches: Any, *, gpu: bool = False, **more: Any) -> Any:
            if gpu and box.number == 1:
                batches = [b.swapped() for b in batches]
            return ask(batches, **more)

        subject.oracle.ask = turned  # type: ignore[method-assign]
        return subject

    monkeypatch.setattr(duplicates, "subject_of", on_gpu)
    assert boxes.compared(DPO, DPO), "the second differs there"
