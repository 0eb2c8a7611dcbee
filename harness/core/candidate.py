"""Candidates: finding them on disk, and reading each one exactly once."""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.core.errors import CandidateFault, InfrastructureError, UserError
from harness.core.files import NotAFileError, TooLargeError, read_bytes
from harness.core.rules import Rule
from harness.core.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TOO_LARGE = Rule(
    id="S104",
    name="too-large",
    severity=Severity.ERROR,
    summary="The candidate is larger than 256 KiB.",
    why="A loss is a few lines. Large files carry tables or generated text, and cost time in every parser.",
    fix="Keep the loss and its helpers only, in less than 256 KiB.",
    before="TABLE = [0.0, 0.1, ...]  # ten megabytes",
    after="def table(i):\n    return 0.1 * i",
)
NOT_A_REGULAR_FILE = Rule(
    id="S110",
    name="not-a-regular-file",
    severity=Severity.ERROR,
    summary="The candidate's path is a link, a pipe, a device or a folder.",
    why="A link can point at a file that was never meant to be read, and reading a pipe or a device may not "
    "end. A candidate is read once, from a regular file.",
    fix="Give the path of the file itself.",
    before="ln -s /etc/passwd loss.py",
    after="cp real_loss.py loss.py",
)
#: Largest candidate, in bytes.
SIZE_LIMIT = 256 * 1024
#: What a folder is searched for: Python files, and replies of language models.
SUFFIXES = (".py", ".json")


@dataclass(frozen=True)
class Candidate:
    """A candidate's bytes as they were read, and their SHA-256 in lower-case hex."""

    path: str
    data: bytes
    sha256: str


def read_candidate(path: Path, *, shown_as: str | None = None) -> Candidate:
    """Read a candidate through one descriptor, so that the bytes hashed are the bytes judged.

    A path that does not exist or may not be read is a UserError; a link, a pipe, a device, a folder or
    too many bytes is a CandidateFault.
    """
    shown = shown_as if shown_as is not None else str(path)
    try:
        data = read_bytes(path, SIZE_LIMIT)
    except NotAFileError as error:
        message = f"The path is {error.kind}, and a candidate is read from a regular file."
        raise CandidateFault(NOT_A_REGULAR_FILE.finding(message)) from error
    except TooLargeError as error:
        message = f"The file has {error.size} bytes or more; the limit is {SIZE_LIMIT}."
        raise CandidateFault(TOO_LARGE.finding(message)) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"there is no file {shown}", remedy="Check the path.") from error
    except PermissionError as error:
        raise UserError(f"{shown} may not be read", remedy="Check its permissions.") from error
    except ValueError as error:
        raise UserError(f"{shown!r} is not a path", remedy="Check the path.") from error
    except OSError as error:
        if error.errno in {errno.ENAMETOOLONG, errno.EINVAL}:
            raise UserError(f"{shown} cannot be opened: {error.strerror}", remedy="Check the path.") from error
        raise InfrastructureError(
            f"{shown} could not be read: {error.strerror}", remedy="Check the disk or network share it is on."
        ) from error
    return Candidate(shown, data, hashlib.sha256(data).hexdigest())


class Found(NamedTuple):
    """The candidates that paths stand for, and those that were left out because a pattern says so."""

    candidates: list[Path]
    excluded: list[Path]


def discover(paths: Iterable[Path], exclude: Sequence[str] = ()) -> Found:
    """Give the files that the paths stand for: a folder gives its candidates, sorted by path.

    Hidden names, `__pycache__` and linked folders are left out, and what a pattern of `exclude` fits: the name of a
    file or folder, or its path from the folder that was given. A folder without a candidate is a UserError. A file
    given twice is listed once, and one that is named itself is never left out.
    """
    found: dict[Path, None] = {}
    excluded: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir() or path.is_symlink():
            found[path] = None
            continue
        inside = sorted(_walk(path))
        if not inside:
            raise UserError(
                f"there is no candidate in the folder {path}",
                remedy="Give a folder that holds .py files, or .json replies.",
            )
        kept = [file for file in inside if not _excluded(file.relative_to(path), exclude)]
        found.update(dict.fromkeys(kept))
        excluded.update(dict.fromkeys(file for file in inside if file not in set(kept)))
    return Found(list(found), [file for file in excluded if file not in found])


def unmatched(found: Found, paths: Iterable[Path], exclude: Sequence[str]) -> list[str]:
    """The patterns that left out nothing."""
    folders = [path for path in paths if path.is_dir()]
    inside = [file.relative_to(f) for file in found.excluded for f in folders if file.is_relative_to(f)]
    return [pattern for pattern in exclude if not any(_excluded(file, [pattern]) for file in inside)]


def _excluded(file: Path, patterns: Sequence[str]) -> bool:
    """Whether a pattern fits a file, given by its path in the folder, or a folder that it is in."""
    places = [file, *list(file.parents)[:-1]]
    return any(
        fnmatch.fnmatchcase(text, pattern.removeprefix("./").rstrip("/"))
        for place in places
        for pattern in patterns
        for text in (place.name, place.as_posix())
    )


def _walk(folder: Path) -> Iterable[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in files:
            if name.endswith(SUFFIXES) and not name.startswith(".") and name != "__init__.py":
                yield Path(root, name)
