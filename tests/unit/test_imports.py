"""No module of the caller's folder is imported: candidates lie there, and would run on the host."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support import ROOT

from harness.core.imports import put_the_callers_path_behind, safe_children

if TYPE_CHECKING:
    from pathlib import Path

#: Modules that Python or the harness imports early, late, or in a process that multiprocessing starts.
NAMES = ("typing", "re", "random", "pickle", "queue", "click", "rich", "multiprocessing", "numpy", "property_tests")
PLANTED = "import os\nos.write(2, b'ran on the host')\nos._exit(86)\n"
START = (
    "import multiprocessing, sys\n"
    "from harness.core.imports import safe_children\n"
    "if __name__ == '__main__':\n"
    "    context = multiprocessing.get_context('spawn')\n"
    "    with safe_children():\n"
    "        channel = context.Queue()\n"
    "        child = context.Process(target=print, args=('started',))\n"
    "        child.start()\n"
    "    child.join()\n"
    "    sys.exit(child.exitcode)\n"
)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(PLANTED)
    return tmp_path


def called(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A process of Python's in the folder, with the harness on its path only behind it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_command_as_a_module(planted: Path) -> None:
    done = called(planted, "-m", "harness", "check", "--static", "random.py")
    assert done.returncode == 1, done.stderr
    assert "S112" in done.stdout
    assert "ran on the host" not in done.stderr


def test_the_processes_that_it_starts(planted: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    program = tmp_path / "elsewhere" / "start.py"
    program.write_text(START)
    done = called(planted, str(program))
    assert (done.returncode, done.stdout) == (0, "started\n"), done.stderr
    # And without it they would: the trap works.
    program.write_text(START.replace("with safe_children():", "if True:"))
    assert "ran on the host" in called(planted, str(program)).stderr


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for before in (None, "", "x"):
        monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
        if before is not None:
            monkeypatch.setenv("PYTHONSAFEPATH", before)
        with safe_children():
            assert os.environ["PYTHONSAFEPATH"] == "1"
        assert os.environ.get("PYTHONSAFEPATH") == before


def test_what_pythonpath_names_stands_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(ROOT), "/usr/lib/python3"])
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    put_the_callers_path_behind()
    assert sys.path == [str(ROOT), "/usr/lib/python3", str(tmp_path)]
    monkeypatch.delenv("PYTHONPATH")
    put_the_callers_path_behind()
    assert sys.path == [str(ROOT), "/usr/lib/python3", str(tmp_path)]


@pytest.mark.parametrize(
    "before", ["", "import harness.checks.options", "import harness.api", "from harness import check"]
)
def test_what_programs_import_can_be_called(before: str, tmp_path: Path) -> None:
    """Whatever was loaded before."""
    (tmp_path / "loss.py").write_text("import os\n")
    program = tmp_path / "program.py"
    program.write_text(
        f"{before}\n"
        "from harness import Ledger, check, submit, text_candidate\n"
        "import harness\n"
        "from harness.checks.options import Options\n"
        "for each in (check, harness.check):\n"
        "    report = each('loss.py', Options(static=True))\n"
        "    print(report.results[0].verdict.word, callable(submit), callable(text_candidate), Ledger.__name__)\n"
    )
    done = called(tmp_path, str(program))
    assert (done.returncode, done.stdout) == (0, "rejected True True Ledger\n" * 2), done.stderr
