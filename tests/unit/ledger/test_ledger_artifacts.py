"""The store by content: kept once, mended, refused where it was changed, and told of where the disk fails."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from harness.core.errors import UserError
from harness.ledger.documents import Artifacts
from harness.ledger.failures import LedgerError


@pytest.fixture
def store(tmp_path):
    return Artifacts(tmp_path / "deep" / "artifacts")


def files(tmp_path):
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def test_bytes_come_back_under_their_digest(store, tmp_path):
    data = os.urandom(10_000)
    digest = store.put(data)
    assert digest == hashlib.sha256(data).hexdigest() == store.put(data)
    assert store.get(digest) == data
    assert len(files(tmp_path)) == 1
    assert store.get(store.put(b"")) == b""


def test_what_was_changed_is_not_given_out_and_is_mended_by_the_next_who_has_it(store, tmp_path):
    digest = store.put(b"weights")
    (path,) = files(tmp_path)
    path.chmod(0o644)
    path.write_bytes(b"wrights")
    with pytest.raises(LedgerError, match="no longer what it was"):
        store.get(digest)
    path.write_bytes(b"")
    with pytest.raises(LedgerError):
        store.get(digest)
    store.put(b"weights")
    assert store.get(digest) == b"weights"


@pytest.mark.parametrize("digest", ["", "../" * 21 + "x", "A" * 64, "a" * 63, "a" * 64])
def test_what_is_not_there_and_what_is_no_digest(store, digest):
    with pytest.raises(UserError):
        store.get(digest)


def test_many_writers_of_the_same_and_of_other_bytes(store, tmp_path):
    datas = [bytes([n]) * 50_000 for n in range(4)]
    got: list[str] = []

    def write(turn):
        got.extend(store.put(datas[(turn + n) % 4]) for n in range(8))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert len(got) == 48
    assert len(files(tmp_path)) == 4
    assert sorted(store.get(d) for d in {*got}) == datas


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_a_disk_that_takes_no_more_leaves_no_half_file(store, tmp_path, monkeypatch, failing):
    store.put(b"before")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(LedgerError, match="No space left") as told:
        store.put(b"after")
    assert "make room" in told.value.remedy
    assert len(files(tmp_path)) == 1
    monkeypatch.undo()
    assert store.get(store.put(b"after")) == b"after"


def test_names_are_on_the_disk_too_before_a_digest_is_given(store, tmp_path, monkeypatch):
    """A file whose folder was not written is gone after a power loss, however well its bytes are kept."""
    synced, real = [], os.fsync

    def note(descriptor):
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    digest = store.put(b"data")
    folder = tmp_path / "deep" / "artifacts"
    assert synced[-1] == str(folder / digest[:2])
    assert {str(tmp_path), str(tmp_path / "deep"), str(folder)} <= {*synced}
