"""Reading files on the trusted side: one descriptor, regular files only, a cap on the size, strict text.

`open_to_write` asks the same of a file that is locked or written to in its place. A whole file is written by
`write_whole`, or by `replacing` where it does not lie in memory: whatever happens, there is the old one or the new one.
Reports are written by `save`: as that, and never through a link that somebody planted.

Whoever names a file to the harness may name a pipe that nobody writes to, a device without an end, or a link to
either; so no path from outside is opened anywhere else (a test walks the code). `read_bytes` raises what `open` would,
and OSErrors of its own; the others turn all of that into one kind of error with a next step.

Covered: what kind of file it is, asked of the descriptor that is read; how large it is, asked before and while reading;
text, TOML and JSON that are none, at which line, nested too deeply, or with numbers too long to be read. Not covered: a
disk that does not answer.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
import sys
import tomllib
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from harness.core.errors import HarnessError

MIB = 1 << 20
#: What people write by hand; what programs write line by line; what a run keeps.
SMALL, LINES, LARGE = 1 * MIB, 64 * MIB, 1024 * MIB
#: How a file is opened that may be none: no waiting for the other end of a pipe, no link, no terminal of ours.
OPENED = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_PIECE = 1 << 20
#: How the name of a file begins that is not in its place yet.
_HALF = ".new-"
#: Controls, text that runs backwards, ends of lines and paragraphs, and what has no character.
_UNSEEN = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
#: What a disk says that is full or broken.
_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM}
#: The path that stands for standard output.
STDOUT = Path("-")


class NotAFileError(OSError):
    """What lies there is no regular file; `kind` says what it is."""

    def __init__(self, kind: str) -> None:
        """Keep what it is, in words."""
        self.kind = kind
        super().__init__(errno.EINVAL, f"it is {kind}, and a regular file is wanted")


class TooLargeError(OSError):
    """The file has `size` bytes or more, and `cap` are the most."""

    def __init__(self, size: int, cap: int) -> None:
        """Keep both numbers."""
        self.size, self.cap = size, cap
        super().__init__(errno.EFBIG, f"it has {size} bytes or more, and {cap} are the most")


def read_bytes(path: Path, cap: int, *, links: bool = False, cut: bool = False) -> bytes:
    """The bytes of a regular file of up to `cap`; a link is followed where `links` says so.

    What is longer is refused, or cut there where `cut` says so. Raises NotAFileError, TooLargeError, and whatever
    OSError opening and reading gives; ValueError for no path at all.
    """
    if not links and path.is_symlink():  # named as such; O_NOFOLLOW below is what makes sure
        raise NotAFileError("a symbolic link")
    descriptor = _open(path, os.O_RDONLY | (OPENED & ~os.O_NOFOLLOW if links else OPENED))
    try:
        return read_descriptor(descriptor, cap, cut=cut)
    finally:
        os.close(descriptor)


def open_to_write(path: Path, flags: int, mode: int = 0o666) -> int:
    """A descriptor of a regular file, which is made where there is none; `flags` say how it is written to.

    Raises NotAFileError, and whatever OSError opening gives.
    """
    with contextlib.suppress(FileNotFoundError):
        _ask_whether_regular(path.lstat())  # before it is opened: that may do something to a device
    descriptor = _open(path, flags | os.O_CREAT | OPENED, mode)
    try:
        _ask_whether_regular(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_whole(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file in the place of whatever lies there; see `replacing`. Raises OSError."""
    with replacing(path, mode) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A new file beside `path` (its `name` says where), which takes that place once the block ends without an error.

    It has that `mode`, less what the process's mask takes away, from its first byte on.

    Before that, and where anything fails or the machine stops, `path` is what it was. What lies there is never written
    through: a link, a pipe or a file's second name is replaced. Its bytes and its name are on the disk when this
    returns. What a killed process leaves behind is for `remove_halves`. Raises OSError.
    """
    name = f"{_HALF}{secrets.token_hex(8)}"
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, mode, dir_fd=folder)
        try:
            with open(path.with_name(name), "wb", opener=lambda *_: descriptor) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.rename(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=folder)
            raise
        _sync_entries(folder)
    finally:
        os.close(folder)


def remove_halves(folder: Path) -> None:
    """Remove what was being written in a folder and below it when its writers were killed. Raises OSError."""
    for half in folder.rglob(f"{_HALF}*"):
        half.unlink()


def sync_folder(folder: Path) -> None:
    """Have a folder's entries on the disk: a file's own bytes are of no use where its name is lost. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync_entries(descriptor)
    finally:
        os.close(descriptor)


def _sync_entries(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # what a file system says that syncs no folders
            raise


def _open(path: Path, flags: int, mode: int = 0o666) -> int:
    try:
        return os.open(path, flags, mode)
    except OSError as error:
        # ELOOP: swapped for a link in between. ENXIO: a socket, or a device without a driver.
        if error.errno in {errno.ELOOP, errno.ENXIO, errno.ENODEV}:
            raise NotAFileError(f"not a file that can be opened ({error.strerror})") from error
        raise


def _ask_whether_regular(about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise NotAFileError(next((words for test, words in _KINDS if test(about.st_mode)), "not a regular file"))


def read_descriptor(descriptor: int, cap: int, *, cut: bool = False) -> bytes:
    """The bytes behind an open descriptor, from where it stands. Raises as `read_bytes`."""
    about = os.fstat(descriptor)
    _ask_whether_regular(about)
    if about.st_size > cap and not cut:
        raise TooLargeError(about.st_size, cap)
    pieces, size = [], 0
    # The size may have grown, or (as in /proc) not have been told: read to one byte past the cap.
    while size <= cap and (more := os.read(descriptor, min(_PIECE, cap + 1 - size))):
        pieces.append(more)
        size += len(more)
    if size > cap and not cut:
        raise TooLargeError(size, cap)
    return b"".join(pieces)[:cap]


def load_bytes(
    path: Path,
    cap: int,
    what: str,
    *,
    remedy: str = "",
    fault: type[HarnessError] = UserError,
    links: bool = False,
) -> bytes:
    """As `read_bytes`; raises `fault` for everything, which calls the file `what` ("the ladder")."""
    try:
        return read_bytes(path, cap, links=links)
    except FileNotFoundError as error:
        raise fault(
            f"{what} {path} cannot be read: there is no such file", remedy=remedy or "check the path"
        ) from error
    except PermissionError as error:
        raise fault(f"{what} {path} cannot be read: {error.strerror}", remedy="check its permissions") from error
    except NotAFileError as error:
        next_step = "name the file that it leads to" if error.kind == "a symbolic link" else "name a regular file"
        raise fault(f"{what} {path} cannot be read: {error.strerror}", remedy=next_step) from error
    except TooLargeError as error:
        raise fault(f"{what} {path} cannot be read: {error.strerror}", remedy=remedy or "name another file") from error
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise fault(f"{what} {path} cannot be read: {said}", remedy=remedy or "check the path") from error


def load_text(
    path: Path,
    cap: int,
    what: str,
    *,
    remedy: str = "",
    fault: type[HarnessError] = UserError,
    links: bool = False,
) -> str:
    """As `load_bytes`, for text in UTF-8."""
    return text_of(load_bytes(path, cap, what, remedy=remedy, fault=fault, links=links), f"{what} {path}", fault=fault)


def load_toml(path: Path, cap: int, what: str, *, remedy: str = "") -> dict[str, Any]:
    """As `load_text`, for TOML. Raises UserError with the line."""
    return toml_of(load_bytes(path, cap, what, remedy=remedy), f"{what} {path}", remedy=remedy)


def text_of(data: bytes, where: str, *, fault: type[HarnessError] = UserError) -> str:
    """Text in UTF-8; raises `fault` with the line of the first byte that is none."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise fault(f"{where} cannot be read: line {line} is no text in UTF-8", remedy="save it as UTF-8") from error


def toml_of(data: bytes, where: str, *, remedy: str = "") -> dict[str, Any]:
    """TOML; raises UserError with the line."""
    text = text_of(data, where)
    try:
        content = tomllib.loads(text)
    except RecursionError as error:
        raise UserError(f"{where} is nested too deeply", remedy=remedy or "write it flatter") from error
    except ValueError as error:  # its own error says the line; an integer that is too long does not
        raise UserError(f"{where} is no TOML: {error}", remedy=remedy or "mend that line") from error
    no_hidden(content, where)
    return content


def no_hidden(content: Any, where: str) -> None:
    """Raise UserError where a key or a text of what was read commands a terminal or is not drawn."""
    if found := _hidden(content, ""):
        raise UserError(f"{where}: {found}, which nobody can see", remedy="write it without that character")


def _hidden(value: Any, place: str) -> str:
    """The first character in a key or a text that commands a terminal or is not drawn, and where; else nothing."""
    if isinstance(value, str):
        # TOML's own rules let such characters through where they are escaped.
        odd = next((c for c in value if c not in "\n\t" and unicodedata.category(c) in _UNSEEN), "")
        return f"{place} holds U+{ord(odd):04X}" if odd else ""
    if isinstance(value, dict):
        inner = [(f"{place}.{key}".lstrip("."), one) for key, one in value.items()]
        return next((f for key in value if (f := _hidden(key, f"a key of {place or 'the file'}"))), "") or next(
            (f for at, one in inner if (f := _hidden(one, at))), ""
        )
    if isinstance(value, list):
        return next((f for number, one in enumerate(value) if (f := _hidden(one, f"{place}[{number}]"))), "")
    return ""


def json_of(data: bytes | str, where: str, *, remedy: str = "") -> Any:
    """JSON; raises UserError with the line."""
    text = data if isinstance(data, str) else text_of(data, where)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UserError(f"{where} is nested too deeply", remedy=remedy or "write it flatter") from error
    except json.JSONDecodeError as error:
        said = f"{where}, line {error.lineno}, column {error.colno}: no JSON ({error.msg})"
        raise UserError(said, remedy=remedy or "mend that line") from error
    except ValueError as error:  # an integer that is too long
        raise UserError(f"{where} is no JSON: {error}", remedy=remedy or "mend it") from error


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
        # A path that may not be written is the user's to change; a disk that is full or broken is no mistake of theirs.
        kind = InfrastructureError if error.errno in _OURS else UserError
        raise kind(
            f"{path} could not be written: {error.strerror}",
            remedy="Check the folder's permissions and the space on the disk, or give another path.",
        ) from error
