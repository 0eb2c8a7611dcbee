"""What a step tells: progress seldom, and every point of a curve, however quick the machine is."""

from __future__ import annotations

from harness.protocol.job import Progress
from harness.trainer.__main__ import _Teller


def test_points_of_a_curve_are_all_told_and_progress_without_any_seldom() -> None:
    told: list[str] = []
    tell = _Teller(told.append)
    for done in range(1, 101):
        tell(Progress(done, 1000, "trains", {"loss": 1.0}))
    assert len(told) == 100
    told.clear()
    for done in range(1, 101):
        tell(Progress(done, 1000, "reads"))
    assert len(told) <= 2
    tell(Progress(1000, 1000, "reads"))
    assert '"done": 1000' in told[-1]
