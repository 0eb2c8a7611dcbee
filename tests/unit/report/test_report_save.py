"""Report files are written whole or not at all, and through no link."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from harness.core.errors import InfrastructureError, UserError
from harness.core.files import STDOUT, save, save_bytes

# The package exports a function of the same name, so that the module is to be had by its full name only.
MODULE = importlib.import_module("harness.core.files")


def test_a_file_is_written_and_nothing_is_left_beside_it(tmp_path):
    save("é\n", tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == "é\n".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_an_old_report_is_replaced(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("something much longer than the new text")
    save("new", path)
    assert path.read_text() == "new"


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        save("x", tmp_path / "a")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_planted_link_is_neither_followed_nor_replaced(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "report.json").symlink_to(victim)
    with pytest.raises(UserError, match="symbolic link"):
        save("x", tmp_path / "report.json")
    assert victim.read_text() == "precious"


def test_a_link_planted_after_the_check_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    target = tmp_path / "report.json"

    def plant(path):
        path.symlink_to(victim)

    monkeypatch.setattr(MODULE, "check_destination", plant)
    save("x", target)
    assert victim.read_text() == "precious"
    assert not target.is_symlink()
    assert target.read_text() == "x"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_regular_file_is_refused(tmp_path, make):
    make(tmp_path / "a")
    with pytest.raises(UserError, match="not a regular file"):
        save("x", tmp_path / "a")


def test_a_device_is_not_replaced_by_a_file():
    with pytest.raises(UserError, match="not a regular file"):
        save("x", Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


def test_a_missing_folder_is_the_users_to_make(tmp_path):
    with pytest.raises(UserError, match="there is no folder") as caught:
        save("x", tmp_path / "no" / "a")
    assert caught.value.exit_code == 2


def test_a_failed_write_leaves_the_old_report_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(InfrastructureError, match="No space left"):
        save_bytes(b"new", path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_an_interrupted_write_leaves_no_litter(tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_bytes(b"new", tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_dash_is_standard_output(capfdbinary):
    save("é ρ\n", STDOUT)
    assert capfdbinary.readouterr().out == "é ρ\n".encode()
