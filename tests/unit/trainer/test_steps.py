"""What a step says and leaves, read by somebody who believes none of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from places import Scripted

from harness.containers.trainer_request import TrainerLimits
from harness.core.errors import InfrastructureError, UserError
from harness.protocol.job import Job, Progress, Step, line
from harness.training.left_behind import check_weights
from harness.training.steps import End, run_step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMITS = TrainerLimits(disk=1 << 20)


def run(out: Path, said: bytes | str, end: End | None = None, limits: TrainerLimits = LIMITS) -> dict[str, float]:
    where = Scripted(said if isinstance(said, bytes) else said.encode(), end)
    try:
        return run_step(where, Job("tiny", Step.TRAIN, 0, {}, str(out)), limits)
    finally:
        assert where.closed == 1


def test_metrics_come_through_with_what_json_has_no_word_for(tmp_path: Path) -> None:
    got = run(tmp_path, line(metrics={"a": 1.5, "b": float("inf"), "c": float("nan"), "d": 3}) + "\n")
    assert (got["a"], got["b"], got["d"]) == (1.5, float("inf"), 3.0)
    assert got["c"] != got["c"]


def test_progress_is_passed_on(tmp_path: Path) -> None:
    seen: list[Progress] = []
    said = line(progress={"done": 1, "total": 2, "what": "x", "curve": {"loss": float("nan")}}) + "\n"
    where = Scripted((said + line(metrics={}) + "\n").encode())
    run_step(where, Job("tiny", Step.TRAIN, 0, {}, str(tmp_path)), LIMITS, say=seen.append)
    assert [(p.done, p.total, p.what, list(p.curve)) for p in seen] == [(1, 2, "x", ["loss"])]


@pytest.mark.parametrize(
    "said",
    [
        "hello\n",
        '{"metrics": {"score": 1.0}}\n{"metrics": {"score": 2.0}}\n',
        '{"metrics": {"score": 1.0}}\n{"progress": {"done": 1, "total": 1}}\n',
        '{"metrics": {"score": "1e9"}}\n',
        '{"metrics": {"score": "Infinity"}}\n',
        '{"metrics": {"Score": 1.0}}\n',
        '{"metrics": {"a b": 1.0}}\n',
        '{"metrics": {"\\u001b[2J": 1.0}}\n',
        '{"metrics": {"score": true}}\n',
        '{"metrics": {"score": null}}\n',
        '{"metrics": {"score": [1]}}\n',
        '{"metrics": {"score": 1.0}, "progress": {"done": 1, "total": 1}}\n',
        '{"progress": {"done": -1, "total": 1}}\n',
        '{"progress": {"done": 1, "total": 1, "more": 1}}\n',
        '{"failed": {"fault": "nobody", "message": ""}}\n',
        '{"metrics": {' + ",".join(f'"m{i}": 1' for i in range(1025)) + "}}\n",
        "{}\n",
        "[1]\n",
        b"\xff\xfe\n",
        "[" * 60_000 + "\n",
        '{"metrics": {"score": 1.0}}',
        '{"progress": {"done": 1, "total": 1}}\n',
        "",
        "x" * 70_000 + "\n",
        "x" * 200_000,
    ],
    ids=range(25),
)
def test_hostile_lines_are_refused(tmp_path: Path, said: str | bytes) -> None:
    with pytest.raises(InfrastructureError):
        run(tmp_path, said)


def test_a_step_that_blames_the_candidate_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="saw no fault"):
        run(tmp_path, '{"failed": {"fault": "candidate", "message": "nonsense"}}\n', End(1))


def test_the_users_fault_is_the_users(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="malformed"):
        run(tmp_path, '{"failed": {"fault": "user", "message": "malformed", "remedy": "mend"}}\n', End(2))


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (End(-9), "exit code -9"),
        (End(1, errors="Traceback: oh"), "Traceback: oh"),
        (End(137, starved=True), "memory_mib"),
    ],
)
def test_an_end_without_a_last_word(tmp_path: Path, end: End, why: str) -> None:
    with pytest.raises(InfrastructureError) as raised:
        run(tmp_path, "", end)
    assert why in raised.value.message + raised.value.remedy


def test_metrics_and_a_bad_exit_are_no_success(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="exit code 1"):
        run(tmp_path, '{"metrics": {"score": 1.0}}\n', End(1))


def test_time_that_is_over_ends_it(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="longer than"):
        run(tmp_path, '{"metrics": {}}\n', limits=TrainerLimits(seconds=-1.0))


def safetensors(header: Mapping[str, object], body: bytes) -> bytes:
    words = json.dumps(header).encode()
    return len(words).to_bytes(8, "little") + words + body


GOOD = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x05cos\nsystem\n",
        b"\xff" * 16,
        safetensors(GOOD, b"\0" * 7),
        safetensors(GOOD, b"\0" * 9),
        safetensors({"w": {**GOOD["w"], "dtype": "PICKLE"}}, b"\0" * 8),
        safetensors({"w": {**GOOD["w"], "shape": [3]}}, b"\0" * 8),
        safetensors({"w": {**GOOD["w"], "shape": [-1]}}, b"\0" * 8),
        safetensors({"w": {**GOOD["w"], "data_offsets": [0, 8, 9]}}, b"\0" * 8),
        safetensors({"w": GOOD["w"], "v": GOOD["w"]}, b"\0" * 8),
        safetensors({"w": []}, b"\0" * 8),
        safetensors({"__metadata__": {"a": 1}}, b""),
    ],
    ids=range(12),
)
def test_weights_that_are_none_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(data)
    with pytest.raises(InfrastructureError, match="no safetensors"):
        check_weights(tmp_path)


def test_weights_and_their_words_pass(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w.safetensors").write_bytes(safetensors(GOOD, b"\0" * 8))
    (tmp_path / "model" / "config.json").write_text("{}")
    assert len(check_weights(tmp_path)) == 2
    (tmp_path / "model" / "more.json").write_text("{")
    with pytest.raises(InfrastructureError, match="no JSON"):
        check_weights(tmp_path)


def test_no_weights_are_no_training(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="no weights"):
        check_weights(tmp_path)
