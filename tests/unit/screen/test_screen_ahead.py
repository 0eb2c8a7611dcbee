"""A screening process that is started before its text is known: it reads one text, or ends with who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from screening import LOSS

from harness.core.errors import InfrastructureError
from harness.screen import process

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
ASK = (LOSS.encode(), "on", "", "preference", "names")
#: The command, which tells what was loaded when each of its processes was started.
TELLS = """
import sys

def hear(event, given):
    if event == "subprocess.Popen":
        print("started", "harness.cli.check" in sys.modules, file=sys.stderr)

sys.addaudithook(hear)
sys.argv = ["harness", "check", *sys.argv[1:]]
from harness.cli import main
main()
"""
LEFT = "from harness.screen import process; process.start_ahead(); print(process._ahead[0].process.pid)"


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The processes that are started; none is left waiting."""
    seen: list[int] = []
    start = process._start

    def noting(policy: str) -> process._Started:
        one = start(policy)
        seen.append(one.process.pid)
        return one

    monkeypatch.setattr(process, "_start", noting)
    yield seen
    while process._ahead:
        one = process._ahead.pop()
        one.tell(b"")
        with one.process:
            pass


def test_one_that_was_started_ahead_answers_as_one_that_was_not_and_once(started: list[int]) -> None:
    plain = process.ask(*ASK)
    process.start_ahead()
    assert len(started) == 2
    assert process.ask(*ASK) == plain
    assert len(started) == 2
    assert process.ask(*ASK) == plain
    assert len(started) == 3


def test_without_the_policy_it_is_not_asked(started: list[int]) -> None:
    process.start_ahead()
    process.ask(ASK[0], "off", *ASK[2:])
    assert len(started) == 2
    assert len(process._ahead) == 1


def test_one_that_is_killed_while_it_waits_is_our_fault(started: list[int]) -> None:
    process.start_ahead()
    os.kill(started[0], signal.SIGKILL)
    with pytest.raises(InfrastructureError, match=r"did not start|killed from outside") as caught:
        process.ask(*ASK)
    assert caught.value.remedy


def test_one_that_cannot_be_started_ahead_is_told_of_to_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    process.start_ahead()
    assert process._ahead == []
    with pytest.raises(InfrastructureError, match="could not be started"):
        process.ask(*ASK)


def test_one_that_cannot_be_given_its_text_is_ended(started: list[int]) -> None:
    process.start_ahead()
    one = process._ahead.pop()
    one.text.close()
    with Path("/dev/full").open("w+b", buffering=0) as full:
        process._ahead.append(one._replace(text=full))
        with pytest.raises(InfrastructureError, match="No space left") as caught:
            process.ask(*ASK)
    assert "TMPDIR" in caught.value.remedy
    assert one.process.returncode is not None
    assert one.process.stdout is not None
    assert one.process.stdout.closed
    assert len(started) == 1


def test_one_that_nobody_asks_ends_with_who_started_it() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT], cwd=ROOT, capture_output=True, text=True, check=True)
    waited = Path("/proc") / done.stdout.strip() / "stat"
    end = time.monotonic() + 60
    while waited.exists() and waited.read_text().rpartition(")")[2].split()[0] != "Z" and time.monotonic() < end:
        time.sleep(0.01)
    assert not waited.exists() or waited.read_text().rpartition(")")[2].split()[0] == "Z"


def test_of_two_who_ask_at_once_one_takes_it(started: list[int]) -> None:
    process.start_ahead()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: process.ask(*ASK), range(2)))
    assert answers[0] == answers[1]
    assert len(started) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--static", "examples/dpo.py"), ["started False"]),
        (("--static", "--screen", "off", "examples/dpo.py"), ["started False", "started True"]),
        (("--static", "examples/dpo.py", "examples/discopop.py"), ["started False", "started True"]),
        (("--static", "nowhere.py"), ["started False"]),
    ],
)
def test_the_static_tier_starts_its_process_before_it_loads_itself(words: tuple[str, ...], told: list[str]) -> None:
    command = [sys.executable, "-c", TELLS, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if line.startswith("started ")] == told
    assert ("2" if "nowhere.py" in words else "3") == str(done.returncode)
