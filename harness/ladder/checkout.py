"""Which commit the code is of, where this package runs from a checkout of git: for records alone.

A folder above may be somebody else's checkout, as where the package is installed in a project's environment, so only
`.git` beside the package counts. The commit is read by hand. Whether files were changed since, git is asked, once in a
process and with a folder of ours as the repository: settings of the real one, and the user's, are not read, since they
may name programs (`core.fsmonitor`, filters, hooks). Not covered: references that lie in tables (`reftable`), where
nothing is told; a split index, and digests by SHA-256, where only the commit is.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.files import LINES, SMALL, read_bytes, write_whole
from harness.core.sources import project_root

if TYPE_CHECKING:
    from harness.core.verdict import Json

#: What the code lies in, and where it is linked to from there.
_CODE = ("harness", "sandbox", "property_tests", "trainer", "dockerfiles")
_ASKED = ("git", "status", "--porcelain", "--no-renames", "--ignore-submodules=all", "--", *_CODE)
#: The longest wait for git: whoever writes to a ledger holds it meanwhile.
_SECONDS = 2
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@cache
def checkout(root: Path | None = None) -> dict[str, Json]:
    """The `commit` that is checked out, and whether code was `changed` since; empty where that cannot be known."""
    try:
        root = root or project_root()
        git = _named(root, root / ".git", "gitdir: ")
        common = _named(git, git / "commondir", "") if (git / "commondir").exists() else git
        commit = _text(git / "HEAD")
        if commit.startswith("ref: "):
            commit = _followed(git, common, commit.removeprefix("ref: "))
    except (OSError, ValueError):
        return {}
    if not _COMMIT.fullmatch(commit):
        return {}
    changed = _changed(root, git, common, commit)
    return {"commit": commit, **({} if changed is None else {"changed": changed})}


def _named(base: Path, path: Path, mark: str) -> Path:
    """The folder that a file names, as in other work trees; or the path, where it is a folder itself."""
    return path if path.is_dir() else base / _text(path).removeprefix(mark)


def _text(path: Path, cap: int = SMALL) -> str:
    return read_bytes(path, cap).decode("utf-8").strip()


def _followed(git: Path, common: Path, name: str) -> str:
    """What a reference stands for: its own file, else its line among the packed ones."""
    for folder in (git, common):
        if (folder / name).is_file():
            return _text(folder / name)
    packed = (line.split(" ") for line in _text(common / "packed-refs", LINES).splitlines())
    return next((commit for commit, *rest in packed if rest == [name]), "")


def _changed(root: Path, git: Path, common: Path, commit: str) -> bool | None:
    """Whether files of the code are others than the commit's, or new; None where git does not tell."""
    try:
        with tempfile.TemporaryDirectory(prefix="harness-git-") as own:
            (Path(own) / "refs").mkdir()
            write_whole(Path(own) / "HEAD", f"{commit}\n".encode())
            environment = {
                "PATH": os.environ.get("PATH", os.defpath),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_OPTIONAL_LOCKS": "0",
                "GIT_DIR": own,
                "GIT_WORK_TREE": str(root),
                "GIT_INDEX_FILE": str(git / "index"),
                "GIT_OBJECT_DIRECTORY": str(common / "objects"),
            }
            done = subprocess.run(
                _ASKED,
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=_SECONDS,
            )
    except (OSError, subprocess.SubprocessError):
        return None
    return bool(done.stdout)
