"""The wheelhouse: every wheel that a lock names, downloaded and checked before a build without network.

A lock is the same format that `pip install --require-hashes` reads, restricted to exact pins, each with the digests of
the files that may carry it; anything else in it (an index, a path, a loose version) is refused, because a lock decides
what gets into an image. A wheelhouse that is already complete is used without asking any index: an air-gapped site
carries the folder there.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import InfrastructureError
from harness.images import Say, silent
from harness.images.inputs import SANDBOX_PLATFORMS, SANDBOX_PYTHON

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    RunPip = Callable[[Sequence[str], Mapping[str, str]], tuple[int, str]]

_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.+!_-]+)")
_HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
TORCH_INDEX_VARIABLE = "HARNESS_TORCH_INDEX"


class LockError(InfrastructureError):
    """A lock file cannot be used."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One pinned package and the SHA-256 digests (hex) of the files that may carry it."""

    name: str
    version: str
    digests: frozenset[str]


def parse(text: str, source: str = "the lock") -> tuple[Locked, ...]:
    """Return the pins of a lock in their order; LockError names the line that is not one."""
    pins: list[Locked] = []
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        pin = _PIN.fullmatch(words[0])
        hashes = [_HASH.fullmatch(word) for word in words[1:]]
        if pin is None or not hashes or None in hashes:
            raise LockError(
                f"{source}: {line.strip()[:80]!r} is not NAME==VERSION with sha256 digests",
                remedy="regenerate the lock with `make lock`",
            )
        digests = frozenset(found["digest"] for found in hashes if found is not None)
        pins.append(Locked(pin["name"], pin["version"], digests))
    if not pins:
        raise LockError(f"{source} pins nothing", remedy="regenerate the lock with `make lock`")
    return tuple(pins)


def render(pins: tuple[Locked, ...], header: str) -> str:
    """Write a lock: the header as comments, then the pins by name, each with its digests sorted."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    for pin in sorted(pins, key=lambda pin: pin.name.lower()):
        digests = [f"    --hash=sha256:{digest}" for digest in sorted(pin.digests)]
        lines.append(" \\\n".join([f"{pin.name}=={pin.version}", *digests]))
    return "\n".join(lines) + "\n"


class DownloadError(InfrastructureError):
    """The packages of the image could not be fetched."""


def run_pip(command: Sequence[str], env: Mapping[str, str]) -> tuple[int, str]:
    """Run pip and return its status and what it wrote."""
    done = subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def fill(
    folder: Path,
    locks: Sequence[Path],
    say: Say = silent,
    run: RunPip = run_pip,
) -> tuple[Path, ...]:
    """Return the wheels of all `locks`, downloading what `folder` lacks.

    DownloadError says what is missing. Files that no lock names are left where they are and not returned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pins = [pin for lock in locks for pin in parse(lock.read_text(encoding="utf-8"), lock.name)]
    held = _held(folder)
    if lacking := missing(held, pins):
        say(f"downloading {len(lacking)} packages into {folder}")
        for lock in locks:
            _download(folder, lock, run)
        held = _held(folder)
    if left := missing(held, pins):
        names = ", ".join(f"{pin.name} {pin.version}" for pin in left)
        raise DownloadError(f"the wheelhouse {folder} still lacks {names}", remedy=_remedy(folder))
    allowed = frozenset[str]().union(*(pin.digests for pin in pins))
    return tuple(path for digest, path in sorted(held.items()) if digest in allowed)


def missing(held: Mapping[str, Path], pins: Sequence[Locked]) -> tuple[Locked, ...]:
    """Return the pins for which no held file has a locked digest."""
    return tuple(pin for pin in pins if not pin.digests & held.keys())


def _held(folder: Path) -> dict[str, Path]:
    """Return the folder's wheels by the digest of what is in them, whatever they are called."""
    held = {}
    for path in sorted(path for path in folder.glob("*.whl") if path.is_file()):
        with path.open("rb") as stream:
            held[hashlib.file_digest(stream, "sha256").hexdigest()] = path
    return held


def download_command(folder: Path, lock: Path, extra_index: str = "") -> list[str]:
    """Return pip's command: for the image's platform, whatever this machine is, each file by its digest."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
    command.append("--disable-pip-version-check")
    command += ["--require-hashes", "--only-binary=:all:", "--no-deps", f"--dest={folder}"]
    command += [f"--python-version={SANDBOX_PYTHON}", "--implementation=cp"]
    command += [f"--platform={platform}" for platform in SANDBOX_PLATFORMS]
    if extra_index:
        command.append(f"--extra-index-url={extra_index}")
    return [*command, f"--requirement={lock}"]


def _download(folder: Path, lock: Path, run: RunPip) -> None:
    status, output = run(download_command(folder, lock), os.environ)
    if status != 0 and "+cpu" in lock.read_text(encoding="utf-8"):
        # The ordinary index has no CPU-only build; its makers' own does. The digests hold for both.
        index = os.environ.get(TORCH_INDEX_VARIABLE) or TORCH_INDEX
        status, output = run(download_command(folder, lock, index), os.environ)
    if status != 0:
        tail = "\n".join(line for line in output.strip().splitlines() if "WARNING" not in line)[-1500:]
        raise DownloadError(f"pip could not download what {lock.name} names:\n{tail}", remedy=_remedy(folder))


def _remedy(folder: Path) -> str:
    return (
        f"see whether the package index answers ({TORCH_INDEX_VARIABLE} names a mirror of the CPU builds), "
        f"or "
        f"copy the wheels of the lock into {folder} by hand"
    )
