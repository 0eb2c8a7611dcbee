"""Prepared data that two workers want at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import InfrastructureError, StoppedError
from harness.training.kept import kept

if TYPE_CHECKING:
    from pathlib import Path


def test_one_builds_and_the_others_wait_unless_they_are_told_to_stop(tmp_path: Path) -> None:
    began, go = threading.Event(), threading.Event()
    built: list[int] = []

    def build(folder: Path) -> dict[str, float]:
        built.append(1)
        (folder / "data.bin").write_bytes(b"data")
        began.set()
        assert go.wait(120)
        return {}

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(kept, tmp_path, "a" * 64, build)
        assert began.wait(120)
        with pytest.raises(StoppedError):
            kept(tmp_path, "a" * 64, build, lambda: True)
        second = pool.submit(kept, tmp_path, "a" * 64, build)
        go.set()
        assert first.result(10) == second.result(10)
    assert built == [1]
    assert (first.result() / "data.bin").read_bytes() == b"data"


def test_a_builder_that_was_killed_is_gone_on_with_and_halves_of_files_are_not(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def build(folder: Path) -> dict[str, float]:
        found = sorted(path.name for path in folder.iterdir())
        (folder / "one").write_bytes(b"1")
        (folder / ".new-half").write_bytes(b"h")
        if not found:
            raise Killed
        assert found == ["one"]
        if len(told) == 1:
            raise told.pop()
        (folder / ".new-half").unlink()
        return {}

    told: list[Exception] = [StoppedError()]
    with pytest.raises(Killed):
        kept(tmp_path, "a" * 64, build)
    with pytest.raises(StoppedError):
        kept(tmp_path, "a" * 64, build)
    assert [path.name for path in kept(tmp_path, "a" * 64, build).iterdir()] == ["one"]
    # What fails although it was gone on with may fail because of what it found: the next one begins anew.
    with pytest.raises(Killed):
        kept(tmp_path, "b" * 64, build)
    told.append(InfrastructureError("damaged"))
    with pytest.raises(InfrastructureError):
        kept(tmp_path, "b" * 64, build)
    with pytest.raises(Killed):
        kept(tmp_path, "b" * 64, build)


def test_another_set_is_not_waited_for(tmp_path: Path) -> None:
    def outer(folder: Path) -> dict[str, float]:
        (folder / "a").write_bytes(b"a")
        inner = kept(tmp_path, "b" * 64, lambda made: {"size": float((made / "b").write_bytes(b"b"))})
        assert (inner / "b").exists()
        return {}

    assert (kept(tmp_path, "a" * 64, outer) / "a").exists()
