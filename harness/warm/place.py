"""Where a helper listens: a folder of this user's that nobody else can enter, a socket by the name of what it keeps.

Covered: whose the folder is and who may enter it, asked of the open folder and not of its path; names too long for a
socket's address; a socket that a killed helper left. Not covered: other processes of the same user, who may do all that
this one may.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.containers.request import OWNER_LABEL, container_request
from harness.images.records import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.containers.request import Recipe

#: Counts up whenever what the two sides say to one another changes.
_EDITION = 1
#: The label of the containers of a helper, with the key of what they are made of.
LABEL = "harness.warm"
_NAME = "harness-warm"


class NotPrivateError(OSError):
    """The folder is somebody else's, or others may enter it."""


def key_of(url: str, recipe: Recipe) -> str:
    """What a container is made of, and by which engine, in short; empty where none is to be kept of such a recipe.

    Kept are those on an engine of this host, of an image by its digest, without a GPU, by the engine's own runtime.
    Podman's attached streams were not tried.
    """
    plain = recipe.gpu is None and recipe.runtime is None and not recipe.podman
    if not plain or urlsplit(url).scheme != "unix" or not recipe.image.startswith("sha256:"):
        return ""
    body = container_request(recipe)
    body["Labels"] = {name: value for name, value in body["Labels"].items() if name not in {OWNER_LABEL, LABEL}}
    return hashlib.sha256(json.dumps([_EDITION, url, body], sort_keys=True).encode()).hexdigest()[:32]


def folder_path(env: Mapping[str, str] | None = None) -> Path:
    """Where the sockets lie: below XDG_RUNTIME_DIR, else where this project keeps what can be made again."""
    env = os.environ if env is None else env
    runtime = env.get("XDG_RUNTIME_DIR", "")
    return Path(runtime) / _NAME if runtime and Path(runtime).is_absolute() else cache_dir(env) / "warm"


def may_have_helper(url: str, recipe: Recipe) -> bool:
    """Whether something lies where a helper for this recipe would listen."""
    key = key_of(url, recipe)
    try:
        return bool(key) and os.path.lexists(folder_path() / f"{key}.sock")
    except (OSError, ValueError, RuntimeError):  # no home, or no path
        return False


@contextlib.contextmanager
def folder(path: Path, *, make: bool = False) -> Iterator[Path]:
    """The open folder, by a path that leads to it whatever happens to its name, and is short enough for a socket.

    Raises NotPrivateError, and OSError where there is none.
    """
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
            raise NotPrivateError(f"{path} is not this user's alone")
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
