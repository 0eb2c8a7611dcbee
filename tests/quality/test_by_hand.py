"""`pytest property_tests --candidate loss.py` and `harness check` agree: on who passes, and on what is broken.

Some in `make test-rest`; all of this folder and the catalogue in `make test-all`. What `harness check` finds by other
means than the properties - the screen, a second container, the other settings of declared parameters - is left out: by
hand the properties are asked, once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import verdicts

from harness.core.profiles import DEFAULTS

pytestmark = pytest.mark.container

ROOT = Path(__file__).parents[2]
#: Asked by hand, too: seen to pass, to fail in a property, to fail in several, and for classification.
SOME = {
    "harness/losses/dpo.py",
    "tests/quality/losses/inverted_tail.py",
    "tests/quality/losses/band_negative.py",
    "harness/losses/classification/cross_entropy.py",
    "tests/quality/classification/negated.py",
    "tests/quality/lists/by_position.py",
}
#: What the plugin writes to the path in the environment: the rules that were broken, of each test that failed.
COLLECTOR = """
import json, os, pytest
from harness.core.errors import CandidateFault
FOUND = []

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    if call.excinfo is not None and call.when != "teardown":
        error = call.excinfo.value
        if isinstance(error, CandidateFault):
            FOUND.append([f.rule for f in error.findings])
        elif not isinstance(error, pytest.skip.Exception):
            FOUND.append([type(error).__name__])
    return (yield)

def pytest_sessionfinish():
    open(os.environ["FOUND"], "w").write(json.dumps(FOUND))
"""


def by_hand(name: str, folder: Path) -> tuple[int, set[str]]:
    """The exit code of pytest, and the rules that were told."""
    (folder / "collector.py").write_text(COLLECTOR, "utf-8")
    contract = next((each for each in DEFAULTS if each in name), "preference")
    command = [sys.executable, "-m", "pytest", "property_tests", "-p", "collector", "--candidate", name]
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "FOUND": str(folder / "found.json")}
    done = subprocess.run(
        [*command, "--contract", contract], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    found = json.loads((folder / "found.json").read_text("utf-8")) if (folder / "found.json").exists() else []
    assert found or not done.returncode, done.stdout + done.stderr
    return done.returncode, {rule for rules in found for rule in rules}


def named() -> list[object]:
    folders = ("harness/losses/", "tests/quality/")
    names = sorted(name for name in verdicts.recorded() if name.startswith(folders) and name.endswith(".py"))
    assert set(names) >= SOME
    return [pytest.param(name, marks=pytest.mark.rest if name in SOME else pytest.mark.whole) for name in names]


@pytest.mark.parametrize("name", named())
def test_by_hand_it_is_as_by_the_command(name: str, tmp_path: Path, sandbox_image: object) -> None:
    del sandbox_image
    row = verdicts.recorded()[name]
    told = {rule for rule, *_ in row["findings"]}
    code, rules = by_hand(name, tmp_path)
    if row["verdict"] == "accepted":
        assert code == 0, rules
        return
    assert code == 1
    assert rules & told, f"by hand {rules}, by the command {told}"
