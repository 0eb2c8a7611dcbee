"""Every script of bench/ runs: one turn of each, in a copy of this checkout, so that none rots unseen."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from bench_runs import ABSENT, AT_ONCE, LAST, LATER, LONG_SCRIPTS, SCRIPTS
from support import ROOT
from test_documented_commands import checkout

from bench.measure import environment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that scripts may write into."""
    return checkout(tmp_path_factory.mktemp("bench") / "checkout")


def run(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call a script of the copy, as somebody in its folder does."""
    # Before the packages of the environment, which has this checkout's own.
    where = environment() | {"PYTHONPATH": str(copy)}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=copy,
        env=where,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


_REST = (pytest.mark.rest, pytest.mark.container)
_WHOLE = (pytest.mark.whole, pytest.mark.container)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(AT_ONCE, id="at once"),
        *(pytest.param((name,), id=name, marks=_REST) for name in LATER),
        *(pytest.param((name,), id=name, marks=_WHOLE) for name in LAST),
    ],
)
def test_each_figure_is_measured_once(names: tuple[str, ...], copy: Path) -> None:
    done = run(copy, "bench", *names, "--small", "--times", "1")
    if done.returncode == ABSENT.get(names[0], 0) != 0:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr[-3000:]
    assert "not kept" in done.stderr
    # One turn is no figure: what was measured stays.
    assert (copy / "bench" / "results.json").read_bytes() == (ROOT / "bench" / "results.json").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        *(pytest.param(words, id=words, marks=_REST) for words in SCRIPTS),
        *(pytest.param(words, id=words, marks=_WHOLE) for words in LONG_SCRIPTS),
    ],
)
def test_each_script_runs_once(words: str, copy: Path) -> None:
    done = run(copy, *words.split())
    # 1: it was measured, and a target was missed, which one turn on a busy machine may.
    missed = done.returncode == 1 and "missed" in done.stdout
    assert done.returncode == 0 or missed, done.stdout[-3000:] + done.stderr[-3000:]
