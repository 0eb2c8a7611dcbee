"""The environment is remade when what it was made of changes, and only then; steps are shown plainly."""

from __future__ import annotations

import importlib.util
import io
import json
from typing import TYPE_CHECKING

import pytest

from harness.setup import environment
from harness.setup.steps import Display, SetupError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment is up to date."""
    locks = tmp_path / "dockerfiles" / "locks"
    locks.mkdir(parents=True)
    (locks / "host.txt").write_text("click==1 --hash=sha256:00\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "harness", "pip"):
        (tmp_path / ".venv" / "bin" / name).touch()
    stamp = json.dumps(environment.stamp_of(tmp_path))
    (tmp_path / ".venv" / "harness-setup.json").write_text(stamp)
    return tmp_path


def test_an_up_to_date_environment_is_left_alone(checkout: Path) -> None:
    assert environment.is_ready(checkout)


@pytest.mark.parametrize("name", ["dockerfiles/locks/host.txt", "pyproject.toml"])
def test_a_changed_input_asks_for_a_new_one(checkout: Path, name: str) -> None:
    (checkout / name).write_text("changed\n")
    assert not environment.is_ready(checkout)


@pytest.mark.parametrize("name", ["bin/python", "bin/harness", "harness-setup.json"])
def test_a_broken_environment_asks_for_a_new_one(checkout: Path, name: str) -> None:
    (checkout / ".venv" / name).unlink()
    assert not environment.is_ready(checkout)


def test_a_moved_checkout_asks_for_a_new_one(checkout: Path) -> None:
    moved = checkout.rename(checkout.with_name("moved"))
    assert not environment.is_ready(moved)


def test_a_damaged_stamp_asks_for_a_new_one(checkout: Path) -> None:
    (checkout / ".venv" / "harness-setup.json").write_text("{")
    assert not environment.is_ready(checkout)


def test_everything_is_installed_by_digest_and_the_project_from_nowhere_else(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def record(command: list[str], **_: object) -> None:
        ran.append(command)
        (checkout / ".venv").mkdir(exist_ok=True)

    monkeypatch.setattr(environment, "run", record)
    (checkout / ".venv" / "pyvenv.cfg").write_text("version = 2.7.18\n")
    environment.make(checkout)
    created, packages, project = ran
    assert created[1:3] == ["-m", "venv"]
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(packages)
    assert {"--no-index", "--no-deps", "--no-build-isolation", "--editable", "editable_mode=compat"} <= set(project)


def test_a_failure_leaves_no_stamp(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **_: object) -> None:
        raise SetupError(f"{command[0]} failed")

    monkeypatch.setattr(environment, "run", fail)
    with pytest.raises(SetupError):
        environment.make(checkout)
    assert not environment.is_ready(checkout)


def test_a_folder_that_is_no_environment_is_not_deleted(checkout: Path) -> None:
    (checkout / ".venv" / "thesis.txt").write_text("years of work")
    with pytest.raises(SetupError, match="is no environment") as caught:
        environment.make(checkout)
    assert "mv " in caught.value.remedy
    assert (checkout / ".venv" / "thesis.txt").exists()


def test_a_python_without_ensurepip_names_the_package(monkeypatch: pytest.MonkeyPatch, checkout: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(environment, "may_install", lambda: False)
    with pytest.raises(SetupError) as caught:
        environment.make(checkout)
    assert "-venv" in caught.value.remedy


def test_steps_are_plain_lines_away_from_a_terminal() -> None:
    stream = io.StringIO()
    display = Display(stream)
    with display.step("one thing"):
        pass
    with pytest.raises(ValueError, match="no"), display.step("another"):
        raise ValueError("no")
    said = stream.getvalue()
    assert "\x1b" not in said
    assert "one thing: done" in said
    assert "another: failed" in said


def test_a_terminal_sees_the_seconds_run() -> None:
    stream = io.StringIO()
    with Display(stream, live=True).step("one thing"):
        pass
    assert stream.getvalue().endswith(" s)\n")
    assert "\r\x1b[2K" in stream.getvalue()
