"""Which commit a record says that the code was of, from checkouts of each form; nothing where there is none."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from harness.ladder import checkout as module
from harness.ladder.checkout import checkout
from harness.ladder.record_parts import harness_part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHO = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def git(root: Path, *words: str) -> str:
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
    words = ("git", *WHO, "-C", str(root), *words)
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    """It is asked once in a process, and here files change in between."""
    checkout.cache_clear()
    yield
    checkout.cache_clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with one commit of one file of code."""
    folder = tmp_path / "checkout"
    (folder / "harness").mkdir(parents=True)
    (folder / "harness" / "a.py").write_text("a = 1\n")
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    return folder


def asked(root: Path) -> dict[str, Any]:
    checkout.cache_clear()
    return checkout(root)


def test_the_commit_of_every_form_of_a_checkout(root: Path, tmp_path: Path) -> None:
    first = {"commit": git(root, "rev-parse", "HEAD"), "changed": False}
    assert asked(root) == first
    git(root, "pack-refs", "--all")
    assert asked(root) == first
    git(root, "commit", "--quiet", "--allow-empty", "-m", "two")
    second: dict[str, Any] = {"commit": git(root, "rev-parse", "HEAD"), "changed": False}
    assert asked(root) == second != first
    git(root, "checkout", "--quiet", "--detach", "HEAD~1")
    assert asked(root) == first
    for options in (("--detach",), ("-b", "another")):
        other = tmp_path / options[-1]
        git(root, "worktree", "add", "--quiet", *options, str(other), second["commit"])
        assert (other / ".git").is_file()
        assert asked(other) == second
        git(root, "pack-refs", "--all")
        assert asked(other) == second


def test_what_is_changed_is_the_code_and_nothing_else(root: Path) -> None:
    (root / "loss.py").write_text("mine\n")
    (root / "harness" / "__pycache__").mkdir()
    (root / "harness" / "__pycache__" / "a.pyc").write_text("left by Python\n")
    (root / "harness" / "a.py").touch()
    assert asked(root)["changed"] is False
    (root / "harness" / "b.py").write_text("new\n")
    assert asked(root)["changed"] is True
    (root / "harness" / "b.py").unlink()
    (root / "harness" / "a.py").write_text("a = 2\n")
    assert asked(root)["changed"] is True
    git(root, "add", ".")
    assert asked(root)["changed"] is True


def test_no_program_that_settings_name_is_run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of the repository nor the user's, nor what the environment says of another repository."""
    ran, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0" >> {ran}\ncat\n')
    program.chmod(0o755)
    settings = f'[core]\n\tfsmonitor = {program}\n\thooksPath = {tmp_path}\n[filter "f"]\n\tclean = {program}\n'
    (root / ".gitattributes").write_text("*.py filter=f\n")
    (root / "harness" / "a.py").write_text("a = 3\n")
    for place in (root / ".git" / "config", tmp_path / ".gitconfig"):
        with place.open("a") as file:
            file.write(settings)
    for name, value in {"HOME": tmp_path, "GIT_DIR": tmp_path / "none", "GIT_INDEX_FILE": tmp_path / "none"}.items():
        monkeypatch.setenv(name, str(value))
    assert asked(root)["changed"] is True
    assert not ran.exists()
    subprocess.run(
        ("git", "-C", str(root), "status"), env={"PATH": os.environ["PATH"]}, capture_output=True, check=True
    )
    assert ran.exists(), "these settings do run it"


def test_nothing_is_written_to_the_repository(root: Path) -> None:
    (root / "harness" / "a.py").touch()
    before = {path: path.stat().st_mtime_ns for path in (root / ".git").rglob("*")}
    assert asked(root)["changed"] is False
    assert {path: path.stat().st_mtime_ns for path in (root / ".git").rglob("*")} == before


def test_a_checkout_above_is_somebody_elses(root: Path) -> None:
    assert asked(root / "harness") == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".git", ""),
        (".git", "gitdir: /nowhere"),
        (".git", "\udcff"),
        (".git/HEAD", "ref: refs/heads/.invalid"),
        (".git/HEAD", "ref: ../../../../etc/hostname"),
        (".git/HEAD", "c" * 39),
        (".git/HEAD", "\0"),
    ],
)
def test_where_it_cannot_be_known_nothing_is_told(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert asked(tmp_path) == {}


def test_a_git_that_is_not_there_or_does_not_end_leaves_the_commit(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = {"commit": git(root, "rev-parse", "HEAD")}
    program = tmp_path / "git"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert asked(root) == commit
    program.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(module, "_SECONDS", 0.2)
    assert asked(root) == commit


def test_a_record_says_it_of_the_code_that_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.ladder.record_parts.checkout", lambda: {"commit": "c" * 40, "changed": True})
    told: Any = harness_part("screen")["annotations"]
    assert (told["commit"], told["changed"]) == ("c" * 40, True)
    monkeypatch.setattr("harness.ladder.record_parts.checkout", dict)
    told = harness_part("screen")["annotations"]
    assert not {"commit", "changed"} & told.keys()
