"""A sandbox lies in the control group of the harness's own, with all of its own limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks.checker import Checker
from harness.containers.cgroup import VARIABLE, group_of
from harness.oracle.sandbox import Sandbox


def test_the_sandbox_lies_in_it_and_keeps_its_limits() -> None:
    with Checker.open() as checker:
        wanted = group_of(checker.engine.url, checker.engine.info(), podman=checker.recipe.podman)
        assert checker.recipe.group == wanted.parent
        if wanted.parent is None:
            pytest.skip(wanted.told)
        sandbox = Sandbox(checker.engine, checker.recipe)
        try:
            sandbox.wait_ready()  # the preflight has found every limit in force
            described = checker.engine.describe(sandbox.container)
            assert described["HostConfig"]["CgroupParent"] == wanted.parent
            assert described["HostConfig"]["Memory"] == checker.recipe.limits.memory
            lines = Path(f"/proc/{described['State']['Pid']}/cgroup")
            if lines.exists():  # the engine's processes are seen from here
                assert f"{wanted.parent.strip('/')}/" in lines.read_text()
            assert checker.engine.processor(sandbox.container) is not None
        finally:
            sandbox.close()


def test_it_can_be_left_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "none")
    with Checker.open() as checker:
        assert checker.recipe.group is None
