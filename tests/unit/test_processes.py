"""Names of processes: whose they are, and when their owner is certainly dead."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.core import processes


def test_this_process_has_a_name_and_lives() -> None:
    machine, pid, started = processes.this().split(":")
    assert (machine, pid) == (processes.machine(), str(os.getpid()))
    assert started == processes.start_time(os.getpid())
    assert not processes.is_gone(processes.this())


def test_a_process_that_has_ended_is_gone_even_before_anybody_asked_how() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        name = f"{processes.machine()}:{child.pid}:{processes.start_time(child.pid)}"
        assert not processes.is_gone(name)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
        assert processes.is_gone(name)
    assert processes.is_gone(name)


def test_a_number_that_was_given_again_is_another_process() -> None:
    parent = os.getppid()
    assert processes.is_gone(f"{processes.machine()}:{parent}:{int(processes.start_time(parent)) + 1}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "host/17",
        f"{'0' * 36}.1:{1 << 30}:12345",
        f"{processes.machine()}:x:12345",
        f"{processes.machine()}:{1 << 30}",
        f"{processes.machine()}x:{1 << 30}:12345",
    ],
)
def test_nothing_is_said_of_another_machine_or_of_what_is_no_name(name: str) -> None:
    """Neither of another boot, nor of a container with numbers of its own on this one."""
    assert not processes.is_gone(name)


def test_the_namespace_of_numbers_is_a_part_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = f"{processes.machine().partition('.')[0]}.{1}:{1 << 30}:12345"
    assert not processes.is_gone(elsewhere)
    monkeypatch.setattr(processes, "machine", lambda: elsewhere.partition(":")[0])
    assert processes.is_gone(elsewhere)
