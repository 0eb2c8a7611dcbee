"""The one way in which an archive is packed: a ZIP file whose every byte follows from the names and contents in it.

Nothing is compressed, as compressors differ; entries are sorted and have one date. So an archive that was changed
anywhere, in a name, a date or a length too, is not what its own contents are packed as.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The first date that a ZIP file knows.
_DATE = (1980, 1, 1, 0, 0, 0)
#: The most files that an archive may have: more than any run leaves.
_MOST = 20_000


class NoArchiveError(Exception):
    """It is no archive as the harness packs them. The message says why."""


def packed(files: Mapping[str, bytes]) -> bytes:
    """The archive of these files, by their names. Raises ValueError for a name that could lead out of a folder."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            if wrong := _wrong(name):
                raise ValueError(f"{name!r:.80} cannot be a file of an archive: {wrong}")
            about = zipfile.ZipInfo(name, _DATE)
            about.external_attr = 0o644 << 16
            about.create_system = 3
            archive.writestr(about, files[name])
    return out.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of an archive by their names. Raises NoArchiveError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed = archive.infolist()
            if len(listed) > _MOST:
                raise NoArchiveError(f"it has {len(listed)} files, and no run leaves as many")
            if any(one.compress_type != zipfile.ZIP_STORED or one.file_size > len(data) for one in listed):
                raise NoArchiveError("something in it is compressed: it was packed by another program")
            files = {one.filename: archive.read(one) for one in listed}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise NoArchiveError(f"it is damaged: {error}") from error
    if wrong := next((f"{name!r:.80}: {why}" for name in files if (why := _wrong(name))), ""):
        raise NoArchiveError(f"it has a file that no archive has, {wrong}")
    if packed(files) != data:
        raise NoArchiveError("it is not packed as its contents are: a byte was changed, added or lost")
    return files


def _wrong(name: str) -> str:
    path = PurePosixPath(name)
    if not name or name.endswith("/") or path.as_posix() != name or "\\" in name or ":" in name:
        return "that is no plain path"
    if path.is_absolute() or ".." in path.parts:
        return "it leads out"
    return "" if name.isascii() and name.isprintable() else "it is no plain text"
