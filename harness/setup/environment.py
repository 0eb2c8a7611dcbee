"""The checkout's own Python environment: `.venv`, filled from the host lock, with this project editable.

A stamp in it says what it was made of; while that holds, nothing is done.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

from harness.images.wheelhouse import TORCH_INDEX, TORCH_INDEX_VARIABLE
from harness.setup.steps import SetupError, apt_install, may_install, run

if TYPE_CHECKING:
    from pathlib import Path

NETWORK_REMEDY = (
    "see whether the package index answers; at a site without one, point pip at a mirror or at a folder of "
    "wheels (docs/install.md, `Without an index`)"
)


def stamp_of(root: Path) -> dict[str, str]:
    """Return what an up-to-date environment was made of: lock, project file, interpreter and place."""
    made_of = {
        "lock": root / "dockerfiles" / "locks" / "host.txt",
        "project": root / "pyproject.toml",
    }
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in made_of.items()}
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {**digests, "python": python, "root": str(root)}


def is_ready(root: Path) -> bool:
    """Tell whether `.venv` is there, works and is made of today's inputs."""
    venv = root / ".venv"
    try:
        stamp = json.loads((venv / "harness-setup.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    whole = (venv / "bin" / "python").exists() and (venv / "bin" / "harness").exists()
    return whole and stamp == stamp_of(root)


def has_training(root: Path) -> bool:
    """Tell whether `.venv` also holds what the training rungs need, as the lock says today."""
    try:
        return (root / ".venv" / "harness-train.txt").read_text("ascii") == _train_lock(root)
    except OSError:
        return False


def add_training(root: Path) -> None:
    """Install what the training rungs need into `.venv`: the packages of the trainer image on CPU.

    Raises SetupError where pip fails. Only for machines that the image is made for, x86_64 Linux.
    """
    python = str(root / ".venv" / "bin" / "python")
    stamp = root / ".venv" / "harness-train.txt"
    stamp.unlink(missing_ok=True)
    lock = root / "dockerfiles" / "locks" / "trainer-cpu.txt"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    pip += ["--require-hashes", "--only-binary=:all:", "--no-deps", "-r", str(lock)]
    try:
        run(pip, remedy=NETWORK_REMEDY)
    except SetupError:
        # The ordinary index has no CPU-only build; its makers' own does. The digests hold for both.
        index = os.environ.get(TORCH_INDEX_VARIABLE) or TORCH_INDEX
        run([*pip, f"--extra-index-url={index}"], remedy=NETWORK_REMEDY)
    stamp.write_text(_train_lock(root), "ascii")


def _train_lock(root: Path) -> str:
    return hashlib.sha256((root / "dockerfiles" / "locks" / "trainer-cpu.txt").read_bytes()).hexdigest()


def make(root: Path) -> None:
    """Create or renew `.venv`; SetupError says what stopped it."""
    _need_ensurepip()
    venv = root / ".venv"
    stamp = venv / "harness-setup.json"
    stamp.unlink(missing_ok=True)
    python = str(venv / "bin" / "python")
    if not _same_interpreter(venv):
        if venv.is_symlink() or (venv.exists() and not (venv / "pyvenv.cfg").exists()):
            raise SetupError(f"{venv} is there and is no environment", remedy=f"move it away: mv {venv} {venv}.old")
        shutil.rmtree(venv, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(venv)], remedy="see whether the disk is full or read-only")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    lock = root / "dockerfiles" / "locks" / "host.txt"
    run([*pip, "--require-hashes", "--only-binary=:all:", "--no-deps", "-r", str(lock)], remedy=NETWORK_REMEDY)
    # The lock holds the build backend too, so that building the project asks for nothing else. By a line with its path:
    # the other way is a module of setuptools that every Python here would begin with, for as long as it takes to start.
    pathwise = ["--config-settings", "editable_mode=compat"]
    run(
        [*pip, "--no-deps", "--no-build-isolation", "--no-index", *pathwise, "--editable", str(root)],
        remedy="read the lines above: the project itself does not build",
    )
    stamp.write_text(json.dumps(stamp_of(root), indent=1) + "\n", encoding="utf-8")


def _same_interpreter(venv: Path) -> bool:
    """Tell whether the environment works with this Python's version and place; else it is made anew."""
    try:
        lines = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    settings = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    place_holds = settings.get("command", f" {venv}").endswith(f" {venv}")
    version = settings.get("version", "").split(".")[:2] == sys.version.split(".")[:2]
    return version and place_holds and (venv / "bin" / "python").exists() and (venv / "bin" / "pip").exists()


def _need_ensurepip() -> None:
    """Debian splits what fills a new environment from Python; install it where we may."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if not may_install():
        raise SetupError(
            "this Python cannot make environments (it lacks ensurepip)",
            remedy=f"sudo apt-get install {package}, or your system's package of that kind, then try again",
        )
    apt_install(package)
