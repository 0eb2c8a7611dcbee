"""The script for a GPU: what may be said of a part, and that a part that hangs, dies or disagrees is told."""

from __future__ import annotations

import json
import math
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from bench.gpu import run
from bench.gpu.smaller import main as smaller

if TYPE_CHECKING:
    from pathlib import Path

    from harness.protocol.batch import Answer, Batch, Complaint

OK = {"status": "ok", "figures": {"ratio": 1.0}, "device": "cpu"}


def test_without_a_gpu_nothing_is_told_as_seen() -> None:
    told = run.judged("worker", OK, seen=False)
    assert told["status"] == "skipped"
    assert "no GPU" in told["reason"]
    assert told["rehearsal"] == {"ratio": 1.0}
    assert "figures" not in told


def test_a_part_that_ran_beside_the_gpu_has_failed() -> None:
    assert run.judged("worker", OK, seen=True)["status"] == "failed"
    assert run.judged("worker", OK | {"device": "cuda"}, seen=True)["status"] == "ok"


def test_a_rehearsal_that_fails_has_failed() -> None:
    assert run.judged("worker", {"status": "failed", "reason": "x", "device": "cpu"}, seen=False)["status"] == "failed"


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("import os; os._exit(3)", "ended with 3"),
        ("import time; time.sleep(60)", "not done after 2 s"),
        ("import sys, pathlib; pathlib.Path(sys.argv[2]).write_text('{')", "ended with 0"),
    ],
    ids=["dies", "hangs", "half"],
)
def test_a_part_that_does_not_come_to_its_end_is_told(
    does: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "bench" / "gpu"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "parts.py").write_text(does, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    told = run.done("worker", 2.0, small=True)
    assert told["status"] == "failed"
    assert said in told["reason"]


def test_what_there_is_no_time_for_is_skipped() -> None:
    assert run.done("worker", 0.5, small=True)["status"] == "skipped"


def test_wheels_lose_what_is_not_used_and_nothing_else(tmp_path: Path) -> None:
    kept = {"pyarrow/lib.so": b"1", "pyarrow/libarrow_python.so.2600": b"2", "other/tests/x.py": b"3"}
    lost = {"pyarrow/tests/a.py": b"4", "pyarrow/include/b.h": b"5", "pyarrow/libarrow_flight.so.2600": b"6"}
    wheel = tmp_path / "pyarrow-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        for name, content in (kept | lost).items():
            made.writestr(name, content)
    smaller(tmp_path)
    with zipfile.ZipFile(wheel) as found:
        assert {name: found.read(name) for name in found.namelist()} == kept


def test_names_of_calls_are_read_from_a_trace() -> None:
    pytest.importorskip("torch")
    from bench.gpu.parts import calls

    trace = '12 read(0, ""..., 16) = 16\n13 <... futex resumed> = 0\n13 +++ exited with 0 +++\n13 --- SIGCHLD {} ---\n'
    assert calls(trace) == {"read", "futex"}


@pytest.mark.parametrize("apart", [1.0, math.nan])
def test_losses_that_differ_are_a_failure(apart: float) -> None:
    pytest.importorskip("torch")
    from bench.gpu import parts

    assert parts._within({}, 0.0) == {}
    with pytest.raises(RuntimeError, match="nats apart"):
        parts._within({}, apart)


def test_a_device_that_answers_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from dataclasses import replace

    from bench.gpu import parts, workers

    honest = workers.WorkerOracle.ask

    def ask(
        oracle: workers.WorkerOracle, batches: list[Batch], *, gpu: bool = False, **others: Any
    ) -> list[Answer | Complaint]:
        told: list[Any] = honest(oracle, batches, gpu=gpu, **others)
        return [replace(each, values=each.values * 1.01) for each in told] if gpu else told

    monkeypatch.setattr(workers.WorkerOracle, "ask", ask)
    with pytest.raises(RuntimeError, match=r"devices do not agree.*dpo"):
        parts.worker(small=True)


def test_a_worker_that_is_gone_says_why() -> None:
    pytest.importorskip("torch")
    from bench.gpu.workers import Worker

    with pytest.raises(RuntimeError, match="it ended"):
        Worker("false")


def test_results_are_json() -> None:
    assert json.dumps(run.machine())
