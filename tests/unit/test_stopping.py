"""Told to stop: heard at once, in whatever the process waits, and obeyed in any case."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from harness.core.stopping import CODE, Stop, heeding

if TYPE_CHECKING:
    from collections.abc import Callable


def eventually(condition: Callable[[], object], seconds: float = 120.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_the_flag_and_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    left: list[int] = []
    stop = Stop(60.0, leave=left.append)
    with heeding(stop):
        assert not stop()
        os.kill(os.getpid(), number)
        assert eventually(stop)
    assert signal.getsignal(number) is before
    assert signal.set_wakeup_fd(-1) == -1
    assert not left
    assert eventually(lambda: "stop" not in [t.name for t in threading.enumerate()]), "nobody waits to end it any more"


def test_whoever_does_not_end_is_ended_and_that_is_said() -> None:
    left: list[int] = []
    said: list[str] = []
    stop = Stop(0.05, leave=left.append, say=said.append)
    stop.now()
    assert eventually(lambda: left == [CODE])
    assert "ended as it is" in said[0]


def test_told_a_second_time_it_ends_at_once_unless_it_was_the_same_word(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    stop = Stop(600.0, leave=left.append)
    stop.now()
    stop.now()  # a terminal and a supervisor
    assert not eventually(lambda: left, 0.1)
    monkeypatch.setattr("harness.core.stopping._ONCE", -1.0)
    patient = Stop(600.0, patient=True, leave=left.append)
    patient.now()
    patient.now()
    assert not eventually(lambda: left, 0.1)
    stop.now()
    assert eventually(lambda: left == [CODE])
    patient.over()


#: Waits in C, where no handler of Python's runs: for another one's lock on a database, as long as a minute.
_IN_C = """
import sqlite3, sys
from harness.core.stopping import Stop, heeding
first = sqlite3.connect(sys.argv[1], isolation_level=None)
first.execute("BEGIN EXCLUSIVE")
second = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
with heeding(Stop(0.5, say=print)):
    print("ready", flush=True)
    second.execute("BEGIN EXCLUSIVE")
"""


def test_one_who_waits_in_c_is_ended_all_the_same(tmp_path) -> None:
    words = [sys.executable, "-c", _IN_C, str(tmp_path / "db")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)  # it is in C by now, or soon: either way it has to end
        process.terminate()
        assert process.wait(120) == CODE
