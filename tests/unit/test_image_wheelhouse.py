"""Packages are asked for by digest, for the image's platform, and not at all when they are there."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.images import wheelhouse
from harness.images.wheelhouse import DownloadError, download_command, fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTENT = b"a wheel"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock.txt"
    path.write_text(f"torch==2.13.0+cpu --hash=sha256:{DIGEST}\n")
    return path


def never(_command: Sequence[str], _env: Mapping[str, str]) -> tuple[int, str]:
    pytest.fail("pip was asked although the wheelhouse is complete")


def test_the_command_takes_nothing_without_a_digest(lock: Path) -> None:
    command = download_command(Path("/w"), lock)
    assert {"--require-hashes", "--only-binary=:all:", "--no-deps", "--dest=/w"} <= set(command)
    assert "--python-version=3.11" in command
    assert "--platform=manylinux_2_28_x86_64" in command
    assert not [word for word in command if "index" in word]


def test_a_complete_wheelhouse_asks_nobody(tmp_path: Path, lock: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    (house / "torch.whl").write_bytes(CONTENT)
    (wheel,) = fill(house, [lock], run=never)
    assert (wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest()) == ("torch.whl", DIGEST)


def test_a_file_that_no_lock_names_is_not_used(tmp_path: Path, lock: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    (house / "torch.whl").write_bytes(CONTENT)
    (house / "evil.whl").write_bytes(b"something else")
    assert [wheel.name for wheel in fill(house, [lock], run=never)] == ["torch.whl"]


def test_what_is_missing_is_downloaded(tmp_path: Path, lock: Path) -> None:
    house = tmp_path / "house"

    def pip(command: Sequence[str], _env: Mapping[str, str]) -> tuple[int, str]:
        assert f"--dest={house}" in command
        (house / "torch.whl").write_bytes(CONTENT)
        return 0, ""

    assert len(fill(house, [lock], run=pip)) == 1


def test_the_cpu_build_is_asked_for_once_more_at_its_makers(
    tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(wheelhouse.TORCH_INDEX_VARIABLE, raising=False)
    asked: list[str] = []

    def pip(command: Sequence[str], _env: Mapping[str, str]) -> tuple[int, str]:
        asked.append(next((word for word in command if "index" in word), "ordinary"))
        if len(asked) == 2:
            (tmp_path / "house" / "torch.whl").write_bytes(CONTENT)
        return 2 - len(asked), ""

    fill(tmp_path / "house", [lock], run=pip)
    assert asked == ["ordinary", f"--extra-index-url={wheelhouse.TORCH_INDEX}"]


def test_a_mirror_of_the_cpu_builds_can_be_named(tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(wheelhouse.TORCH_INDEX_VARIABLE, "https://mirror.example/cpu")
    asked: list[Sequence[str]] = []

    def pip(command: Sequence[str], _env: Mapping[str, str]) -> tuple[int, str]:
        asked.append(command)
        return 1, "no matching distribution"

    with pytest.raises(DownloadError, match="no matching distribution"):
        fill(tmp_path / "house", [lock], run=pip)
    assert "--extra-index-url=https://mirror.example/cpu" in asked[1]


def test_the_cuda_build_is_asked_for_once(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"torch==2.13.0 --hash=sha256:{DIGEST}\n")
    asked: list[Sequence[str]] = []

    def pip(command: Sequence[str], _env: Mapping[str, str]) -> tuple[int, str]:
        asked.append(command)
        return 1, "offline"

    with pytest.raises(DownloadError, match="offline") as caught:
        fill(tmp_path / "house", [lock], run=pip)
    assert len(asked) == 1
    assert str(tmp_path / "house") in caught.value.remedy


def test_a_download_that_brings_other_bytes_is_refused(tmp_path: Path, lock: Path) -> None:
    def pip(_command: Sequence[str], _env: Mapping[str, str]) -> tuple[int, str]:
        (tmp_path / "house" / "torch.whl").write_bytes(b"other bytes")
        return 0, ""

    with pytest.raises(DownloadError, match=r"torch 2\.13\.0\+cpu"):
        fill(tmp_path / "house", [lock], run=pip)
