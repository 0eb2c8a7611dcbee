"""By hand as many properties are asked as the profile has, of every contract, each by its name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.checks.properties import Properties
from harness.core.profiles import DEFAULTS, load

ROOT = Path(__file__).parents[3]


#: A plugin that says at the end which instructions numpy chose, and whether it was told to before it was loaded.
ASKS = """
import os, sys
from harness.core import pins
at_once = []
class Finder:
    def find_spec(self, name, *_):
        if name == "numpy":
            at_once.append(os.environ.get("NPY_DISABLE_CPU_FEATURES"))
def pytest_load_initial_conftests():
    sys.meta_path.insert(0, Finder())
def pytest_unconfigure():
    print("numpy was", pins.host_is_pinned(), at_once == [*pins.HOST.values()])
"""


@pytest.mark.parametrize("contract", DEFAULTS)
def test_every_property_of_the_profile_is_collected_with_a_numpy_that_is_pinned(contract: str, tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(ASKS)
    command = [sys.executable, "-m", "pytest", "-p", "asks", "property_tests", "--collect-only", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NPY_DISABLE_CPU_FEATURES": ""}
    command += ["--contract", contract]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "numpy was True True" in done.stdout
    wanted: dict[str, int] = {}
    for each in Properties(load(DEFAULTS[contract]), 0).all:
        file = each.name.partition("::")[0]
        wanted[file] = wanted.get(file, 0) + 1
    found = {
        path: int(count) for path, count in re.findall(r"^(property_tests/\S+\.py): (\d+)$", done.stdout, re.MULTILINE)
    }
    assert found == wanted
