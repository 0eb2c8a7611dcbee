"""Reading candidates from disk: once, from regular files only."""

import hashlib
import os
import socket
from pathlib import Path

import pytest

from harness.core.candidate import SIZE_LIMIT, discover, read_candidate
from harness.core.errors import CandidateFault, UserError


def rule_of(path):
    with pytest.raises(CandidateFault) as fault:
        read_candidate(path)
    return [finding.rule for finding in fault.value.findings]


def test_bytes_and_digest_are_of_one_reading(tmp_path):
    path = tmp_path / "loss.py"
    path.write_bytes(b"x = 1\r\n")
    read = read_candidate(path, shown_as="given/loss.py")
    assert read.data == b"x = 1\r\n"
    assert read.sha256 == hashlib.sha256(b"x = 1\r\n").hexdigest()
    assert read.path == "given/loss.py"


@pytest.mark.parametrize("name", ["absent.py", "folder/absent.py", "file.py/inside.py", "nul\0.py"])
def test_a_path_that_does_not_exist_is_the_users_mistake(tmp_path, name):
    (tmp_path / "file.py").write_text("x")
    with pytest.raises(UserError) as error:
        read_candidate(tmp_path / name)
    assert error.value.exit_code == 2
    assert error.value.remedy


def test_links_are_refused_even_to_good_files(tmp_path):
    (tmp_path / "good.py").write_text("x = 1")
    (tmp_path / "link.py").symlink_to(tmp_path / "good.py")
    (tmp_path / "dangling.py").symlink_to(tmp_path / "absent.py")
    assert rule_of(tmp_path / "link.py") == ["S110"]
    assert rule_of(tmp_path / "dangling.py") == ["S110"]


def test_a_link_that_appears_after_the_first_look_is_refused(tmp_path, monkeypatch):
    (tmp_path / "good.py").write_text("x = 1")
    (tmp_path / "link.py").symlink_to(tmp_path / "good.py")
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)
    assert rule_of(tmp_path / "link.py") == ["S110"]


def test_a_pipe_without_a_writer_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    assert rule_of(tmp_path / "pipe.py") == ["S110"]


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/dev/tty", "/"])
def test_devices_and_folders_are_refused(path):
    assert rule_of(Path(path)) == ["S110"]


def test_sockets_are_refused(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.py"))
        assert rule_of(tmp_path / "s.py") == ["S110"]


def test_the_size_limit_is_exact(tmp_path):
    path = tmp_path / "loss.py"
    path.write_bytes(b"#" * SIZE_LIMIT)
    assert len(read_candidate(path).data) == SIZE_LIMIT
    path.write_bytes(b"#" * (SIZE_LIMIT + 1))
    assert rule_of(path) == ["S104"]


def test_ten_megabytes_are_not_read(tmp_path, monkeypatch):
    path = tmp_path / "loss.py"
    path.write_bytes(b"#" * 10_000_000)
    monkeypatch.setattr(os, "read", lambda *_: pytest.fail("the file was read"))
    assert rule_of(path) == ["S104"]


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "loss.py"
    path.write_bytes(b"x")
    monkeypatch.setattr(os, "read", lambda _, most: b"#" * most)
    assert rule_of(path) == ["S104"]


def test_no_descriptor_stays_open(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        assert rule_of(Path("/dev/null")) == ["S110"]
        assert rule_of(tmp_path) == ["S110"]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_folders_give_their_candidates_sorted(tmp_path):
    for name in (
        "b.py",
        "a.json",
        "notes.txt",
        ".hidden.py",
        "__init__.py",
        "sub/c.py",
        "__pycache__/d.py",
        ".git/e.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = discover([tmp_path, tmp_path / "b.py"]).candidates
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a.json", "b.py", "sub/c.py"]


def test_given_files_are_kept_in_their_order_whatever_their_name(tmp_path):
    paths = [tmp_path / "z.txt", tmp_path / "a.py"]
    assert discover(paths) == (paths, [])


def test_a_folder_without_a_candidate_is_the_users_mistake(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError):
        discover([tmp_path])
