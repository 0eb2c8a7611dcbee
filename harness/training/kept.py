"""Prepared data, kept once for all candidates under the digest of whatever decides about it.

A set is whole or not there: it is built beside its place and moved there, and a builder that was killed or stopped is
gone on with by the next one, from the pieces that it left. What lies in it is held against the digests
in its manifest at each use, so that a spoiled file is made again and never trained on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING

from harness.core.errors import InfrastructureError, StoppedError, UserError
from harness.core.files import LINES, read_bytes, remove_halves, write_whole
from harness.core.waiting import alone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MANIFEST = "manifest.json"
_FILES = "files"


def kept(
    folder: Path, key: str, build: Callable[[Path], dict[str, float]], stopping: Callable[[], bool] = lambda: False
) -> Path:
    """The folder of a set's files; `build` fills an empty one where there is none, or where it is damaged.

    Two workers that want the same set at once: one builds, the other waits. Raises StoppedError where that one is
    told to stop.
    """
    place = folder / key[:32]
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / f".{key[:32]}.lock", stopping):
        if _whole(place, key):
            return place / _FILES
        shutil.rmtree(place, ignore_errors=True)
        new = folder / f".new-{key[:32]}"
        files, again = new / _FILES, new.exists()
        new.mkdir(mode=0o700, exist_ok=True)
        files.mkdir(exist_ok=True)
        remove_halves(files)
        try:
            metrics = build(files)
        except (UserError, InfrastructureError) as error:
            # What was gone on with, and fails, may be what makes it fail: the next one begins anew.
            if again and not isinstance(error, StoppedError):
                shutil.rmtree(new, ignore_errors=True)
            raise
        manifest = {"key": key, "files": digests(files), "metrics": metrics}
        write_whole(new / _MANIFEST, json.dumps(manifest, sort_keys=True, indent=1).encode())
        new.chmod(0o755)
        new.replace(place)
        return place / _FILES


def metrics_of(files: Path) -> dict[str, float]:
    """What was said of a set when it was built; `files` is what `kept` gave. Raises InfrastructureError."""
    try:
        manifest = json.loads(read_bytes(files.parent / _MANIFEST, LINES))
        return {str(name): float(value) for name, value in manifest["metrics"].items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InfrastructureError(f"the manifest of {files.parent.name} is damaged", remedy="run it again") from error


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 (hex) of each file by its name. Raises InfrastructureError for what is neither file nor folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InfrastructureError(f"{path.name} among prepared data is neither a file nor a folder")
        if path.is_file():
            with path.open("rb") as file:
                found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def must_be_data(path: Path) -> None:
    """Refuse what lies there and is neither a file nor a folder. Raises UserError."""
    try:
        if path.is_file() or path.is_dir() or not path.exists():
            return
        why = "is neither a file nor a folder"
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    raise UserError(f"{path} {why}", remedy="name data that lies on a disk")


def digest_of_input(path: Path) -> str:
    """SHA-256 (hex) of a file or a folder of the user's, by names and contents; links are followed.

    The digest of a file is remembered beside its size and times for as long as the process lives. Raises UserError
    for a pipe or a device.
    """
    must_be_data(path)
    if not path.exists():
        return "missing"
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    whole = hashlib.sha256()
    for file in files:
        name = file.relative_to(path).as_posix() if file != path else ""
        whole.update(f"{name}\0{_remembered(file)}\0".encode())
    return whole.hexdigest()


_seen: dict[tuple[str, int, int, int], str] = {}


def _remembered(file: Path) -> str:
    stat = os.stat(file)  # noqa: PTH116 - through links, as the hub's own cache has them
    key = (str(file), stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if key not in _seen:
        with file.open("rb") as handle:
            _seen[key] = hashlib.file_digest(handle, "sha256").hexdigest()
    return _seen[key]


def _whole(place: Path, key: str) -> bool:
    try:
        manifest = json.loads(read_bytes(place / _MANIFEST, LINES))
        return bool(manifest["key"] == key and manifest["files"] == digests(place / _FILES))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, InfrastructureError):
        return False
