"""What the image is a function of, and the digest of that: the tag is made from it.

Standard library only and a few milliseconds: every `harness check` asks for the current tag.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError, UserError
from harness.image.targets import VARIANTS

REPOSITORY = "harness-sandbox"
TAG_DIGITS = 12


@dataclass(frozen=True, slots=True)
class DebianRecipe:
    """How a base is made from Debian's packages."""

    suite: str
    packages: tuple[str, ...]
    epoch: int

    @property
    def digest(self) -> str:
        """Digest of the recipe, hex; not of what it makes, which also depends on the archive's day."""
        text = "\n".join([self.suite, str(self.epoch), *self.packages])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Inputs:
    """The files that an image is built from, below `root` (the folder of `dockerfiles` and `sandbox`)."""

    root: Path
    variant: str

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Contents by their name in the build context; wheels are represented by their lock."""
        return {
            "Dockerfile": _read(self.root / "dockerfiles" / "sandbox.Dockerfile"),
            "build.txt": _read(self.root / "dockerfiles" / "locks" / "build.txt"),
            "lock.txt": _read(self.root / "dockerfiles" / "locks" / f"sandbox-{self.variant}.txt"),
            **_tree(self.root / "dockerfiles" / "stages", "stages"),
            **_tree(self.root / "sandbox", "sandbox"),
        }

    def digest(self, base: str) -> str:
        """Return the SHA-256 (hex) over variant, base's identity and every file's name and content."""
        whole = hashlib.sha256(f"harness-image/v1\0{self.variant}\0{base}\0".encode())
        for name, content in sorted(self.files.items()):
            whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\0".encode())
        return whole.hexdigest()

    def tag(self, base: str) -> str:
        """Return the tag of the image that these inputs make on that base."""
        return f"{REPOSITORY}:{self.variant}-{self.digest(base)[:TAG_DIGITS]}"


def project_root() -> Path:
    """Return the folder that holds `harness`, `sandbox` and `dockerfiles`, in a checkout or installed."""
    return Path(__file__).resolve().parents[2]


def inputs_for(variant: str, root: Path | None = None) -> Inputs:
    """Return the inputs of a variant; UserError for a variant that does not exist."""
    if variant not in VARIANTS:
        raise UserError(f"there is no image variant {variant!r}", remedy=f"choose one of {', '.join(VARIANTS)}")
    return Inputs(root or project_root(), variant)


def slim_reference(root: Path | None = None) -> str:
    """Return the digest-pinned reference of the slim base."""
    return str(_base_lock(root)["slim"]["reference"])


def slim_identity(root: Path | None = None) -> str:
    """Return how the slim base is named among the inputs."""
    return f"slim@{slim_reference(root).rpartition('@')[2]}"


def debian_recipe(root: Path | None = None) -> DebianRecipe:
    """Return the recipe of the Debian base."""
    recipe = _base_lock(root)["debian"]
    return DebianRecipe(str(recipe["suite"]), tuple(map(str, recipe["packages"])), int(recipe["epoch"]))


def _base_lock(root: Path | None) -> dict[str, dict[str, Any]]:
    return tomllib.loads(_read((root or project_root()) / "dockerfiles" / "base.lock").decode())


def _tree(folder: Path, name: str) -> dict[str, bytes]:
    """Read a folder of sources; what Python or an editor leaves behind is no input."""
    found = {
        f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*.py")
        if path.is_file() and "__pycache__" not in path.parts
    }
    if not found:
        raise InfrastructureError(f"{folder} holds no source to build from", remedy="check the files out again")
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InfrastructureError(
            f"{path} cannot be read: {problem.strerror}", remedy="check the files out again"
        ) from problem
