"""The files that this project consists of, for digests and for the images that are made of them."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def project_root() -> Path:
    """Return the folder that holds `harness`, in a checkout or installed."""
    return Path(__file__).resolve().parents[2]


def contents(root: Path, *names: str, optional: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The files of that name, of that pattern or in that folder below `root`, by their names.

    What Python or an editor leaves behind is none. What is missing is an InfrastructureError, unless it is `optional`:
    a file below one of those folders.
    """
    try:
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for name in names
            for path in _files(root, name, optional)
        }
    except OSError as error:
        raise InfrastructureError(f"{error.filename} cannot be read: {error.strerror}", remedy="restore it") from error


def code_digest(what: str, files: Mapping[str, bytes], packages: Iterable[str]) -> str:
    """SHA-256 (hex) of the code behind an outcome: files by their names, and installed packages with their versions.

    `what` says of what: equal files behind two kinds of outcomes have two digests.
    """
    import importlib.metadata  # noqa: PLC0415 - takes a while, and a check begins without it

    whole = hashlib.sha256(f"harness-code/v1\0{what}\0{sys.version_info[:2]}\0".encode())
    for package in packages:
        whole.update(f"{package} {importlib.metadata.version(package)}\0".encode())
    for name, content in sorted(files.items()):
        whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return whole.hexdigest()


def _files(root: Path, name: str, optional: tuple[str, ...]) -> Iterator[Path]:
    found = sorted(root.glob(name))
    if not found and not name.startswith(optional):
        raise InfrastructureError(f"{root / name} is missing", remedy="check the files out again")
    for path in found:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in inside if file.is_file() and _is_source(file.relative_to(root)))


def _is_source(path: Path) -> bool:
    left = path.suffix == ".pyc" or path.name.endswith("~") or any(part.startswith(".") for part in path.parts)
    return not left and "__pycache__" not in path.parts
