"""By hand as many properties are asked as the profile has, of every contract, each by its name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.checks.properties import Properties
from harness.core.profiles import DEFAULTS, load

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("contract", DEFAULTS)
def test_every_property_of_the_profile_is_collected(contract: str) -> None:
    command = [sys.executable, "-m", "pytest", "property_tests", "--collect-only", "-q", "--contract", contract]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wanted: dict[str, int] = {}
    for each in Properties(load(DEFAULTS[contract]), 0).all:
        file = each.name.partition("::")[0]
        wanted[file] = wanted.get(file, 0) + 1
    found = {
        path: int(count) for path, count in re.findall(r"^(property_tests/\S+\.py): (\d+)$", done.stdout, re.MULTILINE)
    }
    assert found == wanted
