"""What the image is made for, what it is a function of, and the digest of that: the tag is made from it.

It is made for CPython 3.11, x86_64 Linux and glibc 2.28 or later, whatever machine builds it. Standard library only and
a few milliseconds: every `harness check` asks for the current tag.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.core.errors import InfrastructureError, UserError
from harness.core.sources import project_root

if TYPE_CHECKING:
    from pathlib import Path


SANDBOX_PYTHON = "3.11"
#: What sandboxes run in, then what trainers and scorers run in.
SANDBOX_VARIANTS = ("cpu", "cuda")
TRAINER_VARIANTS = ("trainer-cpu", "trainer-cuda")
VARIANTS = (*SANDBOX_VARIANTS, *TRAINER_VARIANTS)
#: What an image can be for, on the command line.
PURPOSES = ("sandbox", "trainer")


def variant_for(purpose: str, device: str) -> str:
    """The variant of an image for "sandbox" or "trainer" on "cpu" or "cuda"."""
    return device if purpose == "sandbox" else f"{purpose}-{device}"


# pip takes --platform literally, so every older baseline whose wheels also run there is spelt out.
SANDBOX_PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)),
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
)


#: Repositories of the images, by what they are for.
REPOSITORY = "harness-sandbox"
TRAINER_REPOSITORY = "harness-trainer"
TAG_DIGITS = 12
#: How images are packed (harness/images/pack.py); another way of packing is another number, and other tags.
_PACKED = "harness-image/v2"
#: Where recipes, locks and stages lie; in a checkout a link to the folder beside the package.
DOCKERFILES = "harness/dockerfiles"
#: The folders that a trainer needs: what trains, what it says to the host and how, and what both stand on.
TRAINER_CODE = ("harness/core", "harness/protocol", "harness/sandbox", "harness/trainer")


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
    """The files that an image is built from, below `root` (the folder of `harness`)."""

    root: Path
    variant: str

    @property
    def locks(self) -> tuple[str, str]:
        """Names of the locks: what goes in, and what puts it in."""
        return f"{self.variant if self._trains else f'sandbox-{self.variant}'}.txt", "build.txt"

    @property
    def repository(self) -> str:
        """What the image is called, without its tag."""
        return TRAINER_REPOSITORY if self._trains else REPOSITORY

    @property
    def _trains(self) -> bool:
        return self.variant in TRAINER_VARIANTS

    @cached_property
    def epoch(self) -> int:
        """The one date that all in the image has, in seconds since 1970."""
        return debian_recipe(self.root).epoch

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Contents by their name in the build context; wheels are represented by their lock."""
        recipes = self.root / DOCKERFILES
        lock, installer = self.locks
        found = {
            "Dockerfile": _read(recipes / f"{'trainer' if self._trains else 'sandbox'}.Dockerfile"),
            "build.txt": _read(recipes / "locks" / installer),
            "lock.txt": _read(recipes / "locks" / lock),
            **_tree(recipes / "stages", "stages"),
        }
        if not self._trains:
            return found | _tree(self.root / "harness/sandbox", "sandbox")
        # A trainer has the sandbox's stages, stages of its own, and of this project what it needs to train.
        found |= _tree(recipes / "trainer", "trainer")
        found["code/harness/__init__.py"] = _read(self.root / "harness/__init__.py")
        for folder in TRAINER_CODE:
            found |= _tree(self.root / folder, f"code/{folder}")
        return found

    def digest(self, base: str) -> str:
        """Return the SHA-256 (hex) over variant, base's identity, date, and every file's name and content."""
        whole = hashlib.sha256(f"{_PACKED}\0{self.variant}\0{base}\0{self.epoch}\0".encode())
        for name, content in sorted(self.files.items()):
            whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\0".encode())
        return whole.hexdigest()

    def tag(self, base: str) -> str:
        """Return the tag of the image that these inputs make on that base."""
        return f"{self.repository}:{self.variant.removeprefix('trainer-')}-{self.digest(base)[:TAG_DIGITS]}"


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
    return tomllib.loads(_read((root or project_root()) / DOCKERFILES / "base.lock").decode())


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
