"""Weights that are kept after a training: by their content, within a budget, the longest unused going first.

`weights/ADDRESS/files` holds what a training left, `manifest.json` beside it the digest of each file. The address is
the digest of those digests, which a rung's record names too (`files-SEED.json`); `weights/by-training/KEY` says what
a training came to. A set is whole or not there, and its files are held against their digests at each use. What was
removed can be trained again.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.digests import json_digest
from harness.core.errors import InfrastructureError
from harness.core.files import SMALL, read_bytes, write_whole
from harness.core.waiting import alone
from harness.training.kept import digests

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MANIFEST, _FILES, _INDEX, _LOCK = "manifest.json", "files", "by-training", ".lock"
#: Digits of an address, and of a key, in the name of a file.
_DIGITS = 32


def address_of(files: Mapping[str, str]) -> str:
    """Where weights lie, from the digests of their files by name."""
    return json_digest(dict(files))[:_DIGITS]


@dataclass(frozen=True)
class KeptSet:
    """One set: its address, what it is of (words for people), its size in bytes, and when it was used last."""

    address: str
    about: str
    size: int
    used: float


@dataclass(frozen=True)
class KeptWeights:
    """The weights below a project's folder."""

    folder: Path

    def keep(self, key: str, weights: Path, files: Mapping[str, str], about: str, budget: int) -> bool:
        """Keep what a training left; `key` tells it from all others, `files` are its digests by name.

        Others are removed, the longest unused first, until all of them together are within the budget. False where it
        alone is more than that. Raises OSError.
        """
        size = sum((weights / name).stat().st_size for name in files)
        if size > budget:
            return False
        place = self.folder / address_of(files)
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone(self.folder / _LOCK):
            if _manifest(place) is None or not _whole(place, files):
                shutil.rmtree(place, ignore_errors=True)
                there = sorted(self.listed(), key=lambda one: one.used)
                while there and sum(one.size for one in there) + size > budget:
                    _drop(self.folder / there.pop(0).address)
                _put(place, weights, {"files": dict(files), "about": about, "size": size})
            index = self.folder / _INDEX / key[:_DIGITS]
            index.parent.mkdir(exist_ok=True)
            write_whole(index, json.dumps({"key": key, "address": place.name}).encode())
        return True

    def of_training(self, key: str) -> Path | None:
        """The folder of what a training came to; None where it is not kept any more, or damaged."""
        try:
            found = json.loads(read_bytes(self.folder / _INDEX / key[:_DIGITS], SMALL))
            return self.at(str(found["address"])) if found["key"] == key else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def at(self, address: str) -> Path | None:
        """The folder of the files at an address; None where nothing whole lies there."""
        place = self.folder / address
        manifest = _manifest(place)
        if manifest is None or address_of(manifest["files"]) != address or not _whole(place, manifest["files"]):
            return None
        os.utime(place / _MANIFEST)
        return place / _FILES

    def listed(self) -> list[KeptSet]:
        """All that is kept, as the manifests say; files are not looked at."""
        found = []
        for place in sorted(self.folder.glob("*")):
            if not place.is_symlink() and (manifest := _manifest(place)) is not None:
                used = (place / _MANIFEST).stat().st_mtime
                found.append(KeptSet(place.name, str(manifest["about"]), int(manifest["size"]), used))
        return found

    def remove(self, address: str) -> bool:
        """Remove one. False where there is none."""
        with alone(self.folder / _LOCK):
            there = any(one.address == address for one in self.listed())
            if there:
                _drop(self.folder / address)
        return there


def _drop(place: Path) -> None:
    """Take it away in one stroke, so that nobody finds a part of it, and then remove it."""
    gone = place.with_name(f".gone-{place.name}")
    shutil.rmtree(gone, ignore_errors=True)
    place.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _put(place: Path, weights: Path, manifest: Mapping[str, object]) -> None:
    """Copy beside the place and move there: as links where that can be, since nothing of it is ever written to."""
    new = place.with_name(f".new-{place.name}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o755)

    def linked(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    shutil.copytree(weights, new / _FILES, copy_function=linked)
    write_whole(new / _MANIFEST, json.dumps(manifest, sort_keys=True).encode())
    new.replace(place)


def _manifest(place: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(read_bytes(place / _MANIFEST, SMALL))
        sound = (
            isinstance(found["files"], dict)
            and type(found["size"]) is int
            and found["size"] >= 0
            and isinstance(found["about"], str)
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if sound else None


def _whole(place: Path, files: Mapping[str, str]) -> bool:
    try:
        return digests(place / _FILES) == dict(files) and bool(files)
    except (OSError, InfrastructureError):
        return False
