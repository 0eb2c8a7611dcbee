"""Whose sandboxes are counted, by which file of the kernel's; and what is told of many files."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from bench import many, used
from harness.containers.request import OWNER_LABEL


@pytest.fixture
def watcher():
    found: Any = object.__new__(used.Sandboxes)
    found._process = os.getpid()
    return found


def owned(process: int) -> dict[str, Any]:
    return {"Labels": {OWNER_LABEL: f"boot:{process}:1"}}


def test_the_command_and_what_it_started_is_counted_and_nobody_else(watcher):
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert watcher._is_ours(owned(os.getpid()))
            assert watcher._is_ours(owned(child.pid))
            watcher._process = child.pid
            assert not watcher._is_ours(owned(os.getpid()))
        finally:
            child.kill()
    assert not watcher._is_ours(owned(1))
    assert not watcher._is_ours({"Labels": {}})
    assert not watcher._is_ours({"Labels": {OWNER_LABEL: "boot:x:1"}})


@pytest.mark.parametrize(
    ("name", "text", "seconds"),
    [
        ("cpuacct.usage", "1500000000\n", 1.5),
        ("cpu.stat", "usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n", 2.5),
    ],
)
def test_the_kernels_account_is_read_in_both_forms(name, text, seconds, tmp_path):
    (tmp_path / name).write_text(text)
    assert used._seconds(tmp_path / name) == seconds


def test_a_process_has_a_file_or_it_is_told_that_it_has_none(tmp_path, monkeypatch):
    (tmp_path / "7").mkdir()
    monkeypatch.setattr(used, "_PROCESSES", tmp_path)
    monkeypatch.setattr(used, "_CGROUPS", tmp_path)
    told = tmp_path / "7" / "cgroup"
    told.write_text("5:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n0::/docker/b\n")
    assert used.accounting(7) == tmp_path / "cpuacct" / "docker" / "a" / "cpuacct.usage"
    told.write_text("5:memory:/docker/a\n0::/docker/b\n")
    with pytest.raises(OSError, match="counts no processor time"):
        used.accounting(7)
    (tmp_path / "cgroup.controllers").write_text("cpu")
    assert used.accounting(7) == tmp_path / "docker" / "b" / "cpu.stat"


def test_memory_that_grows_and_time_that_does_not_are_told_apart():
    rows = [{"files": n, "seconds": 2.0 * n, "worker": 100.0 + n, "own": 50.0} for n in range(1, 101)]
    told = many.summary(rows)
    assert told["memory_end_over_middle"] == pytest.approx(200 / 150, abs=1e-3)
    assert told["time_second_half_over_first"] == 1.0


def test_the_files_are_many_and_different_and_always_the_same():
    files = many.mixed(many.FILES)
    assert len(set(files)) == many.FILES == 200
    assert files == many.mixed(many.FILES)
    assert many.mixed(10) == files[:10]
