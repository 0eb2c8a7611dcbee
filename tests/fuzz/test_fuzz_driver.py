"""The driver of `make fuzz` itself: what it says of a run, of a crash, and of a run that ended early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import run as driver
from targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path


def a_run(*, done: int = 10, crashes: list[Path] | None = None) -> driver.Run:
    made = driver.Run(TARGETS["ended"], 10, done=done, failed=bool(crashes), crashes=crashes or [])
    made.log = [b"Uncaught Python exception\n"]
    return made


def test_a_clean_run_is_exit_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert driver.report([a_run()], 10) == 0
    assert "10 inputs over 1 targets" in capsys.readouterr().out


def test_a_crash_is_exit_1_with_the_command_that_replays_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert driver.report([a_run(crashes=[tmp_path / "crash-1"])], 10) == 1
    out = capsys.readouterr().out
    assert f"--replay ended {tmp_path}/crash-1" in out
    assert "Uncaught Python exception" in out


def test_a_run_that_ended_early_has_shown_nothing() -> None:
    assert driver.report([a_run(done=9)], 10) == 3


def test_the_lines_of_libfuzzer_are_understood() -> None:
    made = a_run(done=0)
    made.heard(b"#4096\tpulse  cov: 70 ft: 110 corp: 20/1kb exec/s: 2048 rss: 60Mb\n")
    made.heard(b"INFO: seed corpus: files: 34\n")
    assert (made.done, made.coverage) == (4096, 70)


def test_a_replay_raises_what_the_input_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "crash-1"
    file.write_bytes(b"12345")
    assert driver.replay("ended", file) == 0
    monkeypatch.setattr("harness.protocol.frames.parse_ended", lambda _: (0, False))
    with pytest.raises(AssertionError):
        driver.replay("ended", file)


def test_the_shares_make_up_the_million() -> None:
    shares = sum(target.share for target in TARGETS.values())
    assert sum(-(-1_000_000 * target.share // shares) for target in TARGETS.values()) >= 1_000_000
