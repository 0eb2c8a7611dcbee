"""The one service for candidates, without a container: what it screens, what it says of faults, what copies share."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from in_process import of_program
from judging import DPO as BY_FORMULA
from judging import subject as subject_by

from harness.checks import checker as service
from harness.checks import judging
from harness.checks import suite as suites
from harness.checks.checker import Checker
from harness.checks.job import Job
from harness.checks.options import Options
from harness.containers.request import Recipe
from harness.containers.started import Started
from harness.core.candidate import Candidate, read_candidate
from harness.core.errors import (
    CandidateFault,
    EngineUnavailableError,
    InfrastructureError,
    SandboxLostError,
    UserError,
)
from harness.core.limits import Limits
from harness.core.profiles import DEFAULT, DEFAULTS, load
from harness.core.program import POSITION
from harness.core.verdict import Accepted, Rejected, Undecided
from harness.oracle import sandbox as boxes_module
from harness.screen import front
from harness.screen.process import Died, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.checks.static import Screened
    from harness.core.result import CheckResult
    from harness.subject.subject import Subject

SIGNATURE = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
RHO = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"
HEAD = f"import torch.nn.functional as F\n\n\ndef loss({SIGNATURE}):\n    x = beta * ({RHO})\n"
GOOD = HEAD + "    return F.softplus(-x)\n"
#: It has no value where the margin is zero.
BROKEN = HEAD + "    return F.softplus(-x) + 0.0 / x\n"
REFUSED = "import os\n" + GOOD
#: Two rules in place of twenty, and no second container.
SMALL = replace(load(DEFAULT), properties=("P301", "P304"), examples=3, witness=None)


def text(source: str, name: str = "loss.py") -> Candidate:
    return Candidate(name, source.encode(), hashlib.sha256(source.encode()).hexdigest())


@dataclass
class Engine:
    """An engine that is only closed, or connected to once more."""

    closed: int = 0
    settled: int = 0
    others: list[Engine] = field(default_factory=list)

    def another(self) -> Engine:
        self.others.append(Engine())
        return self.others[-1]

    def settle(self) -> None:
        self.settled += 1

    def close(self) -> None:
        self.closed += 1


def checker_of(profile: Any = SMALL, **named: Any) -> Checker:
    """A checker as `open` makes it, on an engine that starts nothing."""
    engine: Any = Engine()
    return Checker(engine, Recipe("image", Limits(), labels=(("a", "1"),)), profile, Options(**named), {"image": "tag"})


class Box:
    """A sandbox that is none: candidates answer in this process."""

    versions, output, handed_over = ("3", "2"), "", None

    def __init__(self, boxes: Boxes, recipe: Recipe) -> None:
        self.boxes, self.recipe = boxes, recipe
        if boxes.fails is not None:
            raise boxes.fails
        boxes.made.append(self)
        boxes.open += 1

    def wait_ready(self) -> None:
        """It is ready."""

    def close(self) -> None:
        self.boxes.open -= 1

    dismiss = close


@dataclass
class Boxes:
    """Which sandboxes there were, and how many are open. `fails` is raised where one is started."""

    made: list[Box] = field(default_factory=list)
    open: int = 0
    #: Started early, and neither taken nor discarded.
    early: int = 0
    fails: InfrastructureError | None = None
    #: Raised where a candidate is loaded.
    breaks: BaseException | None = None

    def subject(self, _: object, __: object, one: Screened) -> Subject:
        if self.breaks is not None:
            raise self.breaks
        assert one.program is not None
        made = of_program(one.program)
        made.oracle.finish = lambda: None  # type: ignore[method-assign]
        return made


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> Boxes:
    made = Boxes()

    class Sandbox(Box):
        def __init__(self, _: object, recipe: Recipe, started: Started | None = None) -> None:
            if started is not None:
                made.early -= 1
            super().__init__(made, recipe)

    class Early(Started):
        def discard(self, _: object) -> None:
            made.early -= 1

    def start(_: object, recipe: Recipe) -> Started:
        made.early += 1
        return Early("c" * 64, None, recipe)

    monkeypatch.setattr(boxes_module, "Sandbox", Sandbox)
    monkeypatch.setattr(service, "start", start)
    monkeypatch.setattr(judging, "subject_of", made.subject)
    monkeypatch.setattr(judging, "facts_of", lambda _: {})  # they are not what is asked about here, and take seconds
    return made


# --- screening


def test_a_path_and_a_text_are_screened_alike(tmp_path: Path) -> None:
    path = tmp_path / "loss.py"
    path.write_text(GOOD)
    checker = checker_of()
    by_path, by_word = checker.screen(path), checker.screen(str(path))
    by_text = checker.screen(read_candidate(path, shown_as="loss.py"))
    for one in (by_path, by_word, by_text):
        assert one.fault is None
        assert one.program == by_path.program
        assert one.sha256 == by_path.sha256
    assert (by_path.job.shown, by_text.job.shown) == (str(path), "loss.py")


def test_it_screens_as_its_options_and_its_profile_say() -> None:
    classes = text("def loss(logits, targets):\n    return logits.sum()\n")
    assert isinstance(checker_of().screen(classes).fault, CandidateFault)
    assert checker_of(load(DEFAULTS["classification"])).screen(classes).fault is None
    two = text(GOOD + "\n\n" + GOOD.replace("def loss", "def another"))
    assert isinstance(checker_of().screen(two).fault, CandidateFault)
    chosen = checker_of(entry="another").screen(two).program
    assert chosen is not None
    assert chosen.plan.entry == "another"
    assert isinstance(checker_of().screen(text(REFUSED)).fault, CandidateFault)
    assert checker_of(screen=False).screen(text(REFUSED)).fault is None


def test_a_path_that_is_none_is_the_users_mistake(tmp_path: Path, boxes: Boxes) -> None:
    with pytest.raises(UserError):
        checker_of().check(tmp_path / "nothing.py")
    assert not boxes.made


# --- verdicts


def test_a_refusal_is_the_verdict_and_no_sandbox_is_started(boxes: Boxes) -> None:
    checker = checker_of()
    result = checker.check(text(REFUSED))
    assert isinstance(result.verdict, Rejected)
    screened = checker.screen(text(REFUSED)).fault
    assert isinstance(screened, CandidateFault)
    assert result.verdict.findings == screened.findings
    assert result.environment["image"] == "tag"
    with pytest.raises(CandidateFault) as raised, checker.oracle(text(REFUSED)):
        pass
    assert raised.value.findings == screened.findings
    assert not boxes.made


def test_good_and_bad_are_judged_each_in_a_sandbox_of_its_own(boxes: Boxes) -> None:
    checker = checker_of()
    good, bad = checker.check(text(GOOD)), checker.check(text(BROKEN))
    assert isinstance(good.verdict, Accepted)
    assert good.properties == {"P301": "passed", "P304": "passed"}
    assert [f.rule for f in bad.verdict.findings] == ["P304"]
    assert isinstance(bad.verdict, Rejected)
    assert (len(boxes.made), boxes.open) == (2, 0)
    assert all(box.recipe == checker.recipe for box in boxes.made)


def test_what_was_screened_before_is_judged_by_that(boxes: Boxes) -> None:
    checker = checker_of()
    one = checker.screen(text(GOOD))
    assert checker.judge(one).sha256 == one.sha256
    # A fault of ours that the screening met is no refusal.
    lost = checker.judge(replace(one, fault=InfrastructureError("no memory", remedy="buy some")))
    assert lost.verdict == Undecided("no memory", "buy some")
    assert (len(boxes.made), boxes.open) == (1, 0)


@pytest.mark.parametrize("error", [EngineUnavailableError("no engine"), SandboxLostError("gone")])
def test_where_no_sandbox_starts_nobody_is_judged(boxes: Boxes, error: InfrastructureError) -> None:
    boxes.fails = error
    checker = checker_of()
    result = checker.check(text(GOOD))
    assert result.verdict == Undecided(error.message, error.remedy)
    assert result.properties == {}
    with pytest.raises(type(error)), checker.oracle(text(GOOD)):
        pass
    # The next one is tried again.
    boxes.fails = None
    assert isinstance(checker.check(text(GOOD)).verdict, Accepted)


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), SandboxLostError("gone"), KeyboardInterrupt()])
def test_the_sandbox_is_removed_whatever_is_raised(boxes: Boxes, error: Any) -> None:
    boxes.breaks = error
    checker = checker_of()
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            checker.check(text(GOOD))
    else:
        assert isinstance(checker.check(text(GOOD)).verdict, Undecided)
    assert (len(boxes.made), boxes.open) == (1, 0)
    with pytest.raises(type(error)), checker.oracle(text(GOOD)):
        pass
    assert (len(boxes.made), boxes.open) == (2, 0)


def test_who_asks_it_something_has_a_sandbox_meanwhile(boxes: Boxes) -> None:
    checker = checker_of()
    for candidate in (text(GOOD), checker.screen(text(GOOD))):
        with checker.oracle(candidate) as subject:
            assert boxes.open == 1
            assert subject.smallest_batch == subject_by(BY_FORMULA).smallest_batch
        assert boxes.open == 0
    with pytest.raises(ZeroDivisionError), checker.oracle(text(GOOD)):
        raise ZeroDivisionError
    assert boxes.open == 0


def test_an_engine_that_is_away_is_told_where_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(EngineUnavailableError) as caught:
        Checker.open()
    assert caught.value.remedy
    with pytest.raises(UserError, match="no profile"):
        Checker.open(Options(profile="1999.1"))


# --- many


def jobs(folder: Path, *texts: str) -> Iterator[Job]:
    for place, source in enumerate(texts):
        path = folder / f"{place}.py"
        path.write_text(source)
        yield Job(place, path, path.name)


@pytest.mark.parametrize("eager", [False, True])
def test_all_are_checked_in_order_and_a_fault_ends_nothing(boxes: Boxes, tmp_path: Path, *, eager: bool) -> None:
    told: list[tuple[str, str]] = []

    def emit(job: Job, result: CheckResult) -> None:
        told.append((job.shown, result.verdict.word))

    with checker_of() as checker:
        checker.check_all(jobs(tmp_path, GOOD, REFUSED, BROKEN), emit, eager=eager)
        assert told == [("0.py", "accepted"), ("1.py", "rejected"), ("2.py", "rejected")]
        assert (len(boxes.made), boxes.open, boxes.early) == (2, 0, 0)
        boxes.fails, told[:] = EngineUnavailableError("no engine"), []
        checker.check_all(jobs(tmp_path, GOOD, REFUSED), emit, eager=eager)
        # Refused is refused, with an engine and without.
        assert told == [("0.py", "undecided"), ("1.py", "rejected")]
    assert checker.engine.closed == 1  # type: ignore[attr-defined]


def test_each_starts_while_the_one_before_is_judged(
    boxes: Boxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = judging.judged
    started: list[int] = []

    def judge(*given: Any) -> CheckResult:
        place = len(started)
        following = min(place + 2, 3)
        end = time.monotonic() + 60
        while len(boxes.made) < following and time.monotonic() < end:
            time.sleep(0.002)
        started.append(len(boxes.made))
        return judged(*given)

    monkeypatch.setattr(judging, "judged", judge)
    with checker_of() as checker:
        checker.check_all(jobs(tmp_path, GOOD, BROKEN, GOOD), lambda *_: None, eager=False)
    # The next one, and none beyond it: a sandbox that waits takes memory.
    assert started == [2, 3, 3]


def test_one_that_is_refused_hides_nobodys_start(boxes: Boxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = judging.judged
    started: dict[str, int] = {}

    def judge(*given: Any) -> CheckResult:
        name = given[2].screened.job.shown
        end = time.monotonic() + 60
        while name == "0.py" and len(boxes.made) < 2 and time.monotonic() < end:
            time.sleep(0.002)
        started[name] = len(boxes.made)
        return judged(*given)

    monkeypatch.setattr(judging, "judged", judge)
    with checker_of() as checker:
        checker.check_all(jobs(tmp_path, GOOD, REFUSED, REFUSED, GOOD), lambda *_: None, eager=False)
    # The last one's was started while the first was judged.
    assert started["0.py"] == 2
    assert [*started] == ["0.py", "1.py", "2.py", "3.py"]


@pytest.mark.parametrize("eager", [False, True])
def test_no_sandbox_is_left_where_all_ends_early(boxes: Boxes, tmp_path: Path, *, eager: bool) -> None:
    def stops(_: Job, __: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checker_of().check_all(jobs(tmp_path, GOOD, BROKEN, GOOD), stops, eager=eager)
    assert (boxes.open, boxes.early) == (0, 0)
    with pytest.raises(UserError):
        checker_of().check_all([Job(0, tmp_path / "none.py", "none.py")], stops, eager=eager)
    assert (boxes.open, boxes.early) == (0, 0)


# --- copies


def test_copies_share_one_suite_which_is_made_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[object, int]] = []

    def suite(profile: object, seed: int) -> object:
        made.append((profile, seed))
        return object()

    monkeypatch.setattr(suites, "Suite", suite)
    checker = checker_of(seed=3)
    labelled = checker.labelled({"b": "2"})
    with checker.connected() as connected:
        assert not made
        assert labelled.suite is checker.suite is connected.suite
        assert labelled.labelled({"c": "3"}).suite is checker.suite
    assert made == [(SMALL, 3)]
    assert checker_of().suite is not checker.suite


def test_labels_are_added_and_nothing_else_changes() -> None:
    checker = checker_of()
    labelled = checker.labelled({"b": "2"})
    assert labelled.recipe.labels == (("a", "1"), ("b", "2"))
    assert checker.recipe.labels == (("a", "1"),)
    assert replace(labelled, recipe=checker.recipe) == checker


def test_another_thread_has_a_connection_of_its_own_and_it_is_closed() -> None:
    with checker_of() as checker:
        engine: Any = checker.engine
        with checker.connected() as connected:
            assert connected.engine is engine.others[0] is not engine
            assert replace(connected, engine=engine) == checker
        with pytest.raises(ZeroDivisionError), checker.connected():
            raise ZeroDivisionError
        assert (engine.closed, [other.closed for other in engine.others]) == (0, [1, 1])
    assert engine.closed == 1


# --- a text is read once


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """The questions to the screening process; what it knows from other tests is forgotten."""
    front._screened.cache_clear()
    seen = Asked(ask)
    monkeypatch.setattr(front, "ask", seen)
    yield seen
    front._screened.cache_clear()


@dataclass
class Asked:
    ask: Callable[..., Any]
    times: int = 0
    #: In place of an answer.
    instead: Died | InfrastructureError | None = None

    def __call__(self, *words: Any) -> Any:
        self.times += 1
        if isinstance(self.instead, InfrastructureError):
            raise self.instead
        return self.instead or self.ask(*words)


def test_the_process_is_asked_once_for_one_text(asked: Asked, boxes: Boxes) -> None:
    checker = checker_of()
    first, again = checker.screen(text(GOOD)), checker.screen(text(GOOD, "under_another_name.py"))
    assert first.program == again.program is not None
    checker.check(text(GOOD))
    assert asked.times == 1
    faults = [checker.screen(text(REFUSED)).fault for _ in range(2)]
    assert asked.times == 2
    assert all(isinstance(fault, CandidateFault) for fault in faults)
    assert faults[0].findings == faults[1].findings  # type: ignore[union-attr]
    assert faults[0] is not faults[1], "an exception that was raised is nobody else's"
    assert len(boxes.made) == 1


def test_whatever_decides_besides_makes_it_another_question(asked: Asked) -> None:
    one = text(GOOD)
    ways: list[dict[str, Any]] = [{}, {"entry": "loss"}, {"policy": False}, {"binding": POSITION}]
    for way in (*ways, {"contract": "classification"}, *ways):
        try:
            front.screen(one, **way)
        except CandidateFault:
            assert way == {"contract": "classification"}
    assert asked.times == 5
    front.screen(text(GOOD + "\n"))
    assert asked.times == 6, "and a byte more is another text"


def test_what_did_not_end_is_not_kept(asked: Asked) -> None:
    """It may end another time: a machine under load is no property of a text."""
    for instead, fault in ((Died("took too long"), CandidateFault), (InfrastructureError("x"), InfrastructureError)):
        asked.times, asked.instead = 0, instead
        for _ in range(2):
            with pytest.raises(fault):
                front.screen(text(GOOD))
        assert asked.times == 2
    asked.instead = None
    assert front.screen(text(GOOD)).name == "loss"
    assert asked.times == 3
