"""A user's files as a container sees them: what has to be mounted, and whether its user may read it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from harness.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: How the hub's own cache names a repository's folder: `snapshots` in it holds links to `blobs` beside them.
_CACHED = ("models--", "datasets--")


def mounted(path: Path) -> Path:
    """What to mount so that all of an input is there: itself, or the folder of the hub's cache that it lies in.

    Raises UserError where links lead out of it to anywhere else.
    """
    path = path.absolute()
    outside = [file.resolve() for file in _links(path) if not file.resolve().is_relative_to(path.resolve())]
    if not outside:
        return path
    cached = next((folder for folder in path.parents if folder.name.startswith(_CACHED)), None)
    if cached is not None and all(target.is_relative_to(cached.resolve()) for target in outside):
        return cached
    raise UserError(
        f"{path} has links that lead out of it, to {outside[0]}, and a container sees none of that",
        remedy=f"copy it with what they lead to: cp -rL {path} ANOTHER",
    )


def must_be_readable(path: Path, user: str) -> None:
    """Refuse what everybody but its owner is kept from: a harness that is root trains as `user`, and not as root.

    Raises UserError with the first file or folder that is not for others to read.
    """
    for file in (path, *(path.rglob("*") if path.is_dir() else ())):
        try:
            mode = file.stat().st_mode
        except OSError as error:
            raise UserError(f"{file} cannot be read: {error.strerror}", remedy="mend it, or leave it out") from error
        needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
        if mode & needed != needed:
            raise UserError(
                f"{file} is for its owner alone, and trainers run as user {user}", remedy=f"chmod -R a+rX {path}"
            )


def _links(path: Path) -> Iterator[Path]:
    if path.is_symlink():
        return  # the engine mounts what it leads to
    yield from (file for file in path.rglob("*") if file.is_symlink())
