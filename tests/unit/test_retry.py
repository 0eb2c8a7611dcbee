"""Waits grow to a limit; what passes is waited for, what does not is told, and either can be called off."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import EngineUnavailableError, InfrastructureError
from harness.core.waiting import Patience, growing
from harness.ladder.health import checker_when_it_answers

if TYPE_CHECKING:
    from collections.abc import Callable


def test_waits_grow_and_no_longer_than_the_longest() -> None:
    assert list(itertools.islice(growing(1.0, 5.0), 5)) == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert next(growing(9.0, 5.0)) == 5.0


def failing(times: int, error: InfrastructureError) -> Callable[[], str]:
    left = [error] * times

    def what() -> str:
        if left:
            raise left.pop()
        return "done"

    return what


def test_what_passes_is_waited_for_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    waited: list[float] = []
    monkeypatch.setattr(Patience, "wait", lambda _, seconds: waited.append(seconds))
    patience = Patience(60.0, lambda: False, told.append)
    away = failing(3, EngineUnavailableError("it is away"))
    assert patience.until_it_works(away, "the engine", first=1.0, longest=2.0) == "done"
    assert waited == [1.0, 2.0, 2.0]
    assert told == ["it is away; it waits", "the engine answers again, after 0 s"]
    assert patience.until_it_works(lambda: 1, "the engine") == 1
    assert len(told) == 2


@pytest.mark.parametrize(
    ("seconds", "stop", "kind"),
    [(60.0, "", InfrastructureError), (60.0, "stop", EngineUnavailableError), (-1.0, "", EngineUnavailableError)],
)
def test_what_does_not_pass_or_is_called_off_is_raised_at_once(
    seconds: float, stop: str, kind: type[InfrastructureError]
) -> None:
    told: list[str] = []
    with pytest.raises(kind, match="x"):
        Patience(seconds, lambda: bool(stop), told.append).until_it_works(failing(1, kind("x")), "it")
    assert not told


def test_who_waits_wakes_early_where_it_is_to_stop() -> None:
    began = time.monotonic()
    Patience(60.0, lambda: time.monotonic() - began > 0.3, print).wait(30.0)
    assert 0.3 < time.monotonic() - began < 10.0


def test_an_engine_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    opens = failing(2, EngineUnavailableError("it is away"))
    monkeypatch.setattr("harness.ladder.health.Checker.open", lambda _: opens())
    monkeypatch.setattr(Patience, "wait", lambda *_: None)
    told: list[str] = []
    assert checker_when_it_answers(None, Patience(60.0, lambda: False, told.append)) == "done"  # type: ignore[arg-type, comparison-overlap]
    assert len(told) == 2
