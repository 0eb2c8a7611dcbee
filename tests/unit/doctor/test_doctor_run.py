"""The parts of an examination that need no engine: the secret, the jobs side by side, the findings of a probe."""

from __future__ import annotations

import json
import os
import stat
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.doctor import inside, run
from harness.doctor.model import Check

if TYPE_CHECKING:
    from pathlib import Path

CHECK = Check("D199", "some-check", "Something holds.", "do something about it")


def test_the_secret_is_there_while_it_is_needed_and_gone_afterwards() -> None:
    with run._canary() as (path, secret):
        assert path.read_text("ascii") == secret
        assert os.environ["HARNESS_DOCTOR_CANARY"] == secret
        with run._canary() as (_, other):
            assert other != secret
        os.environ["HARNESS_DOCTOR_CANARY"] = secret
    assert not path.exists()
    assert "HARNESS_DOCTOR_CANARY" not in os.environ


def test_the_secret_has_the_mark_that_the_probe_looks_for() -> None:
    from harness.doctor.inside import files

    with run._canary() as (_, secret):
        assert files._MARK.search(secret.encode())
    # The probe's own text must not be taken for the secret.
    assert not files._MARK.search(inside.program("files", CANARY="/tmp/x").text.encode())


def test_jobs_run_side_by_side_and_answer_in_order() -> None:
    met = threading.Barrier(2, timeout=120)

    def job(name: str) -> Any:
        def work() -> list[Any]:
            met.wait()
            return [CHECK.ok(name)]

        return name, work

    said: list[str] = []
    found = [o.seen for outcomes in run._side_by_side([job("a"), job("b")], said.append) for o in outcomes]
    assert found == said == ["a", "b"]


def test_an_interrupt_lets_no_further_job_begin() -> None:
    begun: list[str] = []
    going = threading.Event()

    def interrupted() -> list[Any]:
        raise KeyboardInterrupt

    def slow() -> list[Any]:
        begun.append("slow")
        going.wait(120)
        begun.append("removed what it made")
        return []

    def never() -> list[Any]:
        begun.append("never")
        return []

    def wait(_: str) -> None:
        going.wait(0.1)

    jobs = [("one", interrupted), ("two", slow), *[("more", never)] * 20]
    threading.Timer(0.3, going.set).start()
    with pytest.raises(KeyboardInterrupt):
        list(run._side_by_side(jobs, wait))
    assert "removed what it made" in begun or "slow" not in begun


@pytest.mark.parametrize(("mode", "shown"), [(0o660, 0o660), (0o666, 0o666)])
def test_the_mode_of_a_socket_file(tmp_path: Path, mode: int, shown: int) -> None:
    path = tmp_path / "engine.sock"
    path.touch()
    path.chmod(mode)
    assert run._socket_mode(f"unix://{path}") == shown
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert run._socket_mode(f"unix://{tmp_path}/nothing") is None
    assert run._socket_mode("tcp://127.0.0.1:2375") is None


def test_the_toolkit_is_asked_for_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert run._toolkit_version() == ""
    old = tmp_path / "nvidia-container-cli"
    old.write_text("#!/bin/sh\necho 'cli-version: 1.16.1'\necho 'lib-version: 1.16.1'\n")
    old.chmod(0o755)
    assert run._toolkit_version() == "cli-version: 1.16.1"
    new = tmp_path / "nvidia-ctk"
    new.write_text("#!/bin/sh\necho 'NVIDIA Container Toolkit CLI version 1.19.1'\necho 'commit: x'\n")
    new.chmod(0o755)
    assert run._toolkit_version() == "NVIDIA Container Toolkit CLI version 1.19.1"


@dataclass
class Answering:
    """An oracle that answers with the bytes of a text."""

    text: str

    def answer(self, batch: Any) -> Any:
        values = np.frombuffer(self.text.encode().ljust(batch.pairs), dtype=np.uint8).astype(np.float64)
        return type("Answer", (), {"values": values})()


def test_findings_come_as_numbers() -> None:
    findings = {"calls": {"AF_INET": 1}, "list": ["a", "b"]}
    got = inside.ask(Answering(json.dumps(findings)))  # type: ignore[arg-type]
    assert got == findings
    for nonsense in ("", "[1, 2]", "{"):
        with pytest.raises((ValueError, TypeError)):
            inside.ask(Answering(nonsense))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["kernel", "files", "limits"])
def test_a_probe_is_a_program_of_the_contract(name: str) -> None:
    program = inside.program(name, WHICH="sleep", SECONDS=0.0, CANARY="/a path's")
    space: dict[str, Any] = {}
    exec(compile(program.text, "probe", "exec"), space)  # noqa: S102 - a text of our own, which only defines
    assert space["CANARY"] == "/a path's"
    assert callable(space[program.plan.entry])
    assert program.guarded is False


def test_a_probe_fits_into_its_answer() -> None:
    from harness.doctor.inside import answer, files, kernel

    findings = {"calls": dict.fromkeys([*answer.NUMBERS, *kernel._FAMILIES], 97), "network": {}}
    assert len(json.dumps(findings)) < inside.ROOM
    # The longest lists of the other probe are capped to this.
    longest = len(json.dumps(dict.fromkeys(files._SETTINGS, 13))) + 100 * 80 + 60 * 80
    assert longest < inside.ROOM
