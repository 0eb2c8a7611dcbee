"""The tests themselves: what is not installed is told, and what fails is told at once."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiers import soon

ROOT = Path(__file__).resolve().parents[2]
# The fuzzer has a module of that name as well.
_found = importlib.util.spec_from_file_location("run_of_the_tests", ROOT / "tests" / "run.py")
assert _found is not None
assert _found.loader is not None
runner = importlib.util.module_from_spec(_found)
sys.modules[_found.name] = runner
_found.loader.exec_module(runner)
#: What stands for a package that is not installed.
HIDES = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{package}":
            raise ModuleNotFoundError("hidden", name=name)

sys.meta_path.insert(0, Hidden())
"""
FAILS = """
def test_that_is_wrong():
    assert 1 == 2
"""


def pytest_on(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), str(ROOT), str(ROOT / "tests")])
    known = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTEST_ADDOPTS"}}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=ROOT,
        env={**known, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("ci", soon([False, True], 1))
def test_a_package_that_is_not_installed_leaves_out_its_tests_and_is_named(tmp_path: Path, *, ci: bool) -> None:
    (tmp_path / "hides.py").write_text(HIDES.format(package="vaderSentiment"), "utf-8")
    done = pytest_on(
        tmp_path, "-p", "hides", "--collect-only", "tests/unit/trainer_reviews", **({"CI": "true"} if ci else {})
    )
    if ci:
        assert done.returncode == 2
        assert "No module named 'vaderSentiment'" in done.stdout or "hidden" in done.stdout
    else:
        assert done.returncode == 0, done.stdout
        assert "SKIPPED [1] tests/unit/trainer_reviews/test_reviews_grammar.py:0: vaderSentiment is not" in done.stdout
        assert "test_reviews_model.py" in done.stdout, "and the others are there"


def test_a_module_of_ours_that_is_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "hides.py").write_text(HIDES.format(package="harness"), "utf-8")
    done = pytest_on(tmp_path, "-p", "hides", "--collect-only", "tests/unit/trainer_reviews")
    assert done.returncode not in {0, 5}, done.stdout


def test_what_fails_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "test_wrong.py"
    place.write_text(FAILS, "utf-8")
    done = pytest_on(tmp_path, "-p", "conftest", str(place))
    assert done.returncode == 1
    said = next(line for line in (done.stderr + done.stdout).splitlines() if line.startswith("FAILED AT ONCE: "))
    assert said.endswith("test_wrong.py::test_that_is_wrong (call): assert 1 == 2")
    log = tmp_path / "log"
    log.write_text(f"..F\n{said}\n.. [ 50%]\n", "utf-8")
    with (
        log.open("rb") as open_log,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process,
    ):
        stream = runner.Stream("one", process, open_log)
        stream.tell()
        stream.tell()
        assert str(stream) == "one: 50 %, 1 failed"
        process.kill()
    assert capsys.readouterr().out.count("test_that_is_wrong") == 1
