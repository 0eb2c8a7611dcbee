"""Writing report files: whole or not at all, and never through a link that somebody planted."""

from __future__ import annotations

import errno
import stat
import sys
from pathlib import Path

from harness.core.errors import InfrastructureError, UserError
from harness.core.files import write_whole

#: What a disk says that is full or broken.
_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM}
#: The path that stands for standard output.
STDOUT = Path("-")


def check_destination(path: Path) -> None:
    """Refuse, before any work is done, a path that cannot be written. Raises UserError."""
    if path == STDOUT:
        return
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent}", remedy="Create it, or give another path.")
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise UserError(f"{path!s:.200} cannot be a report file", remedy="Give another path.") from error
    if not stat.S_ISREG(mode):
        # A link would be followed, and a device node replaced by a file.
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
        raise UserError(f"{path} is {kind}", remedy="Give the path of a file, or - for standard output.")


def save(text: str, path: Path) -> None:
    """Write a report as UTF-8; `-` is standard output. Raises UserError."""
    # No report holds a lone surrogate; were there one, it must not cost the verdict.
    data = text.encode("utf-8", "backslashreplace")
    if path != STDOUT:
        save_bytes(data, path)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def save_bytes(data: bytes, path: Path) -> None:
    """Write a new file beside the path and rename it over the path.

    Raises UserError, and InfrastructureError where the disk is full or broken.
    """
    check_destination(path)
    try:
        write_whole(path, data)
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> UserError | InfrastructureError:
    """A path that may not be written is the user's to change; a disk that is full or broken is no mistake of theirs."""
    kind = InfrastructureError if error.errno in _OURS else UserError
    return kind(
        f"{path} could not be written: {error.strerror}",
        remedy="Check the folder's permissions and the space on the disk, or give another path.",
    )
