"""The build context: one archive, the same bytes for the same inputs, and nothing else of the checkout."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import IO

    from harness.images.wheelhouse import Wheel

# Wheels are zip archives, which know no time before 1980; nothing else reads the times.
EPOCH = 315532800


def write_context(target: IO[bytes], files: Mapping[str, bytes], wheels: Iterable[Wheel]) -> None:
    """Write the archive to `target`: the files by name, then the wheels below `wheelhouse/`."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        folders = {parent for name in files for parent in _parents(name)} | {"wheelhouse"}
        for folder in sorted(folders):
            archive.addfile(_member(folder, 0, tarfile.DIRTYPE, 0o755))
        for name, content in sorted(files.items()):
            archive.addfile(_member(name, len(content)), io.BytesIO(content))
        for wheel in sorted(wheels, key=lambda wheel: wheel.path.name):
            _add_wheel(archive, wheel.path)


def _add_wheel(archive: tarfile.TarFile, path: Path) -> None:
    with path.open("rb") as stream:
        archive.addfile(_member(f"wheelhouse/{path.name}", path.stat().st_size), stream)


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _member(name: str, size: int, kind: bytes = tarfile.REGTYPE, mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode, member.mtime = size, kind, mode, EPOCH
    return member
