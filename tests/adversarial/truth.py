"""The ground truth: what is looked at after an attack, whatever the verdict said.

Not covered: memory of the kernel and of the engine, and what leaves no trace in files, processes and containers.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.containers.request import LABEL, OWNER_LABEL, USER

if TYPE_CHECKING:
    from harness.containers.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
#: Files of the host whose size, mode and time of change must stay, and folders whose names must.
WATCHED = (ROOT / "harness", ROOT / "sandbox", ROOT / "property_tests", ROOT / "dockerfiles", Path("/etc"))
LISTED = (ROOT, Path("/"), Path("/dev/shm"), Path("/dev/mqueue"), Path("/var/tmp"), Path.home())
_OURS = {"__pycache__", ".hypothesis"}
#: Names that the C library, multiprocessing and PostgreSQL give to shared memory of other programs of this host.
_OTHERS = ("sem.", "psm_", "PostgreSQL.", "mp-")


class Canary:
    """A file of the host with a secret in it, which is in our environment as well."""

    VARIABLE = "HARNESS_CANARY"

    def __init__(self, folder: Path) -> None:
        self.secret = secrets.token_hex(24)
        self.path = folder / "canary.txt"
        self.path.write_text(self.secret, encoding="ascii")
        os.environ[self.VARIABLE] = self.secret
        self._about = self._look()

    def _look(self) -> tuple[object, ...]:
        about = self.path.stat()
        return (self.path.read_text("ascii"), about.st_ino, about.st_mode, about.st_mtime_ns, about.st_ctime_ns)

    def wrong(self, report: str) -> str:
        """What happened to it, and whether the secret is in what came back."""
        if self.secret in report:
            return "the secret of the host is in the report"
        return "" if self._look() == self._about else "the canary was changed"

    def close(self) -> None:
        """Take it out of the environment."""
        os.environ.pop(self.VARIABLE, None)


def files() -> dict[str, tuple[int, ...]]:
    """What is watched on this host: for each path its mode, size and time of change."""
    seen: dict[str, tuple[int, ...]] = {}
    for top in WATCHED:
        for folder, folders, names in os.walk(top):
            folders[:] = [f for f in folders if f not in _OURS]
            for name in (*folders, *names):
                path = os.path.join(folder, name)  # noqa: PTH118 - thousands of them
                with contextlib.suppress(FileNotFoundError):
                    about = os.lstat(path)
                    # A folder's own time changes with a cache of compiled files in it.
                    size = () if name in folders else (about.st_size, about.st_mtime_ns)
                    seen[path] = (about.st_mode, *size)
    for listed in LISTED:
        with contextlib.suppress(FileNotFoundError):
            paths = [p for p in listed.iterdir() if p.name not in _OURS and not p.name.startswith(_OTHERS)]
            seen |= {str(path): () for path in paths}
    return seen


def containers(engine: Engine) -> dict[str, int]:
    """Sandboxes that the engine knows, running or not, each with the process that owns it."""
    found = engine.client.containers(all=True, filters={"label": LABEL})
    # One without an owner's label is none of ours, whoever made it.
    owners = {c["Id"]: c["Labels"].get(OWNER_LABEL, "").split(":") for c in found}
    return {container: int(parts[1]) for container, parts in owners.items() if len(parts) == 3}


def strays(engine: Engine) -> list[str]:
    """Processes of a sandbox's user that belong to no container that is still there, and stay.

    Other tests may be under way: between our two looks a container of theirs may end, and its last process with it.
    """
    found = _strays(engine)
    end = time.monotonic() + 120.0
    while found and time.monotonic() < end:
        time.sleep(0.2)
        found = {pid: what for pid, what in _strays(engine).items() if found.get(pid) == what}
    return list(found.values())


def _strays(engine: Engine) -> dict[str, str]:
    number = int(USER.partition(":")[0])
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if entry.stat().st_uid == number:
                    where = (entry / "cgroup").read_text("ascii")
                    found[entry.name] = f"{(entry / 'cmdline').read_bytes()!r} in {where}"
    known = containers(engine)
    return {pid: what for pid, what in found.items() if not any(c in what for c in known)}
