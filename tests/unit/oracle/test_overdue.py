"""Whose time it was: of a late request, with a clock that is turned by hand."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from harness.containers.request import Recipe
from harness.containers.stream import DeadlineError
from harness.core.errors import CandidateFault, SandboxLostError
from harness.core.profiles import load
from harness.oracle import overdue
from harness.oracle.overdue import CANDIDATE, HOST, NOBODY, Overdue
from harness.oracle.sandbox import Sandbox
from harness.property_tests.common import timing
from harness.sandbox import wire as layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.core.limits import Limits


class Clock:
    """A host: each look at it is a second later; `speed` is what a sandbox gets of a processor, `share` what we get."""

    def __init__(self, speed: float, share: float) -> None:
        self.now, self.speed, self.share = 0.0, speed, share

    def ends(self, allowed: float, patience: float = 10.0) -> tuple[str, float]:
        late = Overdue(allowed, patience, clock=lambda: self.now, share=lambda: self.share)
        for _ in range(1000):
            self.now += 1.0
            if whose := late.whose(self.now * self.speed, 0.0):
                return whose, self.now
        return NOBODY, self.now


@pytest.mark.parametrize(
    ("speed", "share", "ending"),
    [
        (1.0, 1.0, (CANDIDATE, 10.0)),  # it computes on a free host
        (0.0, 1.0, (CANDIDATE, 10.0)),  # it sleeps there
        (0.5, 0.4, (CANDIDATE, 21.0)),  # it computes on a busy host, and gets half of what it wants
        (0.05, 0.1, (HOST, 90.0)),  # it gets nothing, and nobody else does
        (0.0, 0.3, (HOST, 90.0)),
    ],
)
def test_whose_time_it_was(speed: float, share: float, ending: tuple[str, float]) -> None:
    assert Clock(speed, share).ends(10.0) == ending


def test_what_it_used_before_it_was_late_counts() -> None:
    assert Overdue(10.0, 10.0, share=lambda: 0.1).whose(14.0, 10.5) == CANDIDATE
    assert Overdue(10.0, 10.0, share=lambda: 0.1).whose(14.0, 9.5) == NOBODY


def test_an_engine_that_cannot_tell_leaves_the_clock_and_the_host() -> None:
    now = [0.0]
    late = Overdue(2.0, 10.0, clock=lambda: now[0], share=lambda: 1.0)
    for now[0] in (1.0, 1.9):
        assert late.whose(None, 0.0) == NOBODY
    now[0] = 2.1
    assert late.whose(None, 0.0) == CANDIDATE


def test_the_share_of_a_host_is_one_at_the_most() -> None:
    assert 0.0 < overdue.host_share() <= 1.0


class Engine:
    """One whose container runs, and has used what the host gave it."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def state(self, _: str) -> dict[str, Any]:
        return {"Running": True}

    def processor(self, _: str) -> float:
        return self.host.now * self.host.speed

    def remove(self, _: str) -> None:
        """It is gone."""


class Host(Clock):
    """The clock of `time.monotonic`, and streams on which an answer comes when the sandbox has had `needs` seconds."""

    def __init__(self, speed: float, share: float, needs: float) -> None:
        super().__init__(speed, share)
        self.needs, self.output, self.answer = needs, bytearray(), b""

    def monotonic(self) -> float:
        return self.now

    def write(self, data: bytes, _: float) -> None:
        sequence = layout.HEADER.unpack(data[: layout.HEADER.size])[2]
        self.answer = layout.HEADER.pack(layout.MAGIC, layout.ANSWER, sequence, 0)
        self.done = self.now + self.needs / max(self.speed, 1e-9)

    def read(self, size: int, deadline: float) -> bytes:
        if self.done > deadline:
            self.now = max(self.now, deadline)
            raise DeadlineError
        self.now = max(self.now, self.done)
        data, self.answer = self.answer[:size], self.answer[size:]
        return data

    def close(self) -> None:
        """Nobody reads any more."""

    def discarded(self) -> Any:
        import contextlib

        return contextlib.nullcontext()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Ask a sandbox on such a host, so many requests of so many batches, within the limits of a profile."""

    def ask(profile: str, host: Host, *, requests: int = 1, batches: int = 1) -> None:
        monkeypatch.setattr(time, "monotonic", host.monotonic)
        monkeypatch.setattr(overdue, "host_share", lambda: host.share)
        limits: Limits = load(profile).limits()
        one = Sandbox.__new__(Sandbox)
        one._engine, one._streams, one.container = Engine(host), host, "c"  # type: ignore[assignment]
        one._limits, one.recipe, one.evidence = limits, Recipe("image", limits), None
        one._spent = one._starting = one._look = 0.0
        one._batches = 0
        for _ in range(requests):
            one.request(layout.EVAL, b"", (layout.ANSWER,), limits.call, batches=batches)

    return ask


@pytest.mark.parametrize("milliseconds", [1.0, 6.6, 20.0, 60.0])
def test_a_loss_within_its_time_for_a_call_is_never_late(asked: Any, milliseconds: float) -> None:
    """In bundles as a check asks them, the largest of which has some 1300 batches."""
    seconds = milliseconds / 1000
    asked("2026.2", Host(1.0, 1.0, 1300 * seconds), batches=1300)
    asked("2026.2", Host(1.0, 1.0, 256 * seconds), requests=60, batches=256)


def test_in_2026_1_it_is_as_it_was(asked: Any) -> None:
    with pytest.raises(CandidateFault, match="longer than 10 s for one answer"):
        asked("2026.1", Host(1.0, 1.0, 256 * 0.06), batches=256)
    with pytest.raises(CandidateFault, match="longer than 120 s for all"):
        asked("2026.1", Host(1.0, 1.0, 8.0), requests=16)


def test_a_busy_host_is_no_finding(asked: Any) -> None:
    """A bundle of DPO's that takes a hundred times as long as usual, and many of them."""
    asked("2026.2", Host(0.01, 0.1, 0.04), requests=40, batches=256)
    asked("2026.2", Host(0.1, 0.1, 5.0))
    with pytest.raises(SandboxLostError, match="processor's time"):
        asked("2026.2", Host(0.001, 0.1, 5.0))


@pytest.mark.parametrize(("speed", "share", "needs"), [(1.0, 1.0, 1e9), (0.3, 0.3, 1e9), (0.0, 1.0, 1.0)])
def test_a_candidate_that_loops_or_sleeps_is_ended(asked: Any, speed: float, share: float, needs: float) -> None:
    host = Host(speed, share, needs)
    with pytest.raises(CandidateFault, match=r"longer than 35\.6 s for one answer"):
        asked("2026.2", host, batches=256)
    assert host.now <= 4 * 35.6 + 5


class Timed:
    """An oracle whose calls take so long by the clock and of a processor."""

    def __init__(self, clock: float, processor: float | None) -> None:
        self.clock, self.processor = clock, processor
        self.now = self.used = 0.0
        self.asked = 0

    def perf_counter(self) -> float:
        return self.now

    def ask(self, _: int) -> None:
        self.asked += 1
        self.now += self.clock
        self.used += self.processor or 0.0

    def cpu(self) -> float | None:
        return None if self.processor is None else self.used


@pytest.mark.parametrize(
    ("clock", "processor", "share", "why"),
    [
        (0.09, 0.09, 1.0, ""),
        (0.11, 0.11, 1.0, "of a processor"),
        (2.0, 0.0002, 0.1, ""),  # DPO on a host that has other things to do
        (2.0, 0.11, 0.1, "of a processor"),
        (0.125, 0.001, 1.0, "waits"),
        (0.125, None, 1.0, "waits"),
        (0.125, None, 0.3, ""),
    ],
)
def test_a_call_is_judged_by_its_own_time(
    monkeypatch: pytest.MonkeyPatch, clock: float, processor: float | None, share: float, why: str
) -> None:
    oracle = Timed(clock, processor)
    monkeypatch.setattr(time, "perf_counter", oracle.perf_counter)
    monkeypatch.setattr(timing, "host_share", lambda: share)
    said = timing.too_slow(oracle, oracle.ask, allowed=0.1, tries=5)  # type: ignore[arg-type]
    assert (why in said) if why else not said
    assert oracle.asked == 10  # however busy the host was: a report tells how many calls there were


def test_more_batches_never_make_a_request_shorter() -> None:
    limits = load("2026.2").limits()
    times = [limits.call + limits.batch * n for n in (1, 64, 256, 1300)]
    assert all(a < b for a, b in pairwise(times))
    assert limits.patience > 1.0 == load("2026.1").limits().patience
