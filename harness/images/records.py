"""What this machine remembers of its builds: which image each tag was, on which base, and which files it holds.

A tag can be moved by anybody who may speak to the engine; the record is what `harness image verify` and
every check compare the engine's answer with. Standard library only.

Beside the record of a tag lie its configuration, whose SHA-256 is the image's id, and its bill of materials. The files
of an image stand in a list for each layer, which images share.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.core.files import LARGE, SMALL, read_bytes, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """One built image: `digest` is the engine's id, `inputs` the digest that the tag abbreviates.

    `files` and `sbom` are the digests of the list of its files and of its bill of materials, empty in old records.
    """

    tag: str
    digest: str
    variant: str
    inputs: str
    base: str
    base_reference: str
    files: str = ""
    sbom: str = ""


@dataclass(frozen=True, slots=True)
class BaseRecord:
    """One base built here: `identity` names its content, `recipe` the digest of how it was made.

    `packages` are the files of packages that it was made of, as `sha256sum` lists them, empty in old records.
    """

    identity: str
    reference: str
    recipe: str
    packages: str = ""


def cache_dir(env: Mapping[str, str] | None = None) -> Path:
    """Return where downloads and records live: HARNESS_CACHE, else below XDG_CACHE_HOME or ~/.cache."""
    env = os.environ if env is None else env
    if chosen := env.get("HARNESS_CACHE"):
        return Path(chosen).expanduser().absolute()
    if (home := env.get("XDG_CACHE_HOME", "")) and Path(home).is_absolute():
        return Path(home) / "harness"
    return Path.home() / ".cache" / "harness"


class Records:
    """The records below a cache folder, one small JSON file each, replaced whole."""

    def __init__(self, cache: Path | None = None) -> None:
        """Use `cache`, by default this user's."""
        self._folder = (cache or cache_dir()) / "images"

    def of_tag(self, tag: str) -> BuildRecord | None:
        """Return what was built under a tag."""
        return _load(self._folder / f"{_file_name(tag)}.json", BuildRecord)

    def latest(self, variant: str) -> BuildRecord | None:
        """Return the last build of a variant: its base is the base that this machine goes on using."""
        return _load(self._folder / f"latest-{variant}.json", BuildRecord)

    def remember(self, record: BuildRecord) -> None:
        """Keep a build, as that of its tag and as the latest of its variant."""
        self._write(f"{_file_name(record.tag)}.json", asdict(record))
        self._write(f"latest-{record.variant}.json", asdict(record))

    def base(self, recipe: str) -> BaseRecord | None:
        """Return the base that was made from a recipe here."""
        found = _load(self._folder / f"base-{recipe[:12]}.json", BaseRecord)
        return found if found is None or found.recipe == recipe else None

    def remember_base(self, record: BaseRecord) -> None:
        """Keep a base."""
        self._write(f"base-{record.recipe[:12]}.json", asdict(record))

    def layer_of(self, key: str) -> str | None:
        """Return the digest of the layer that was made from these inputs here."""
        found = self._bytes(f"layer-{key[:32]}.txt", SMALL)
        return None if found is None else found.decode("ascii", "replace").strip()

    def layer(self, digest: str) -> bytes | None:
        """Return the list of a layer's files."""
        return self._bytes(f"layer-{digest.removeprefix('sha256:')}.json", LARGE)

    def remember_layer(self, key: str, digest: str, files: bytes) -> None:
        """Keep which layer the inputs gave, and the list of its files."""
        self._put(f"layer-{digest.removeprefix('sha256:')}.json", files)
        self._put(f"layer-{key[:32]}.txt", f"{digest}\n".encode())

    def beside(self, tag: str, what: str) -> bytes | None:
        """Return what is kept beside the record of a tag: its "config" or its "sbom"."""
        return self._bytes(f"{_file_name(tag)}.{what}", LARGE)

    def remember_beside(self, tag: str, what: str, data: bytes) -> None:
        """Keep something beside the record of a tag."""
        self._put(f"{_file_name(tag)}.{what}", data)

    @property
    def folder(self) -> Path:
        """Where the records are, made where it is not there yet: large files that are being made go there too."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Let one build at a time use this cache; the second waits and then finds its work done."""
        from harness.core.waiting import alone  # noqa: PLC0415 - no locks on Windows, where nothing is built

        with alone(self.folder / "lock"):
            yield

    def _write(self, name: str, content: dict[str, str]) -> None:
        self._put(name, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())

    def _put(self, name: str, data: bytes) -> None:
        write_whole(self.folder / name, data)

    def _bytes(self, name: str, cap: int) -> bytes | None:
        """Read what lies there; what cannot be read is the same as what is not there: it is made again."""
        try:
            return read_bytes(self._folder / name, cap)
        except (OSError, ValueError):
            return None


def _load(path: Path, kind: Callable[..., T]) -> T | None:
    """Read a record; one that is damaged is the same as one that is not there: the build is done again."""
    try:
        content = json.loads(read_bytes(path, SMALL))
        sound = isinstance(content, dict) and all(isinstance(v, str) for v in content.values())
        return kind(**content) if sound else None
    except (OSError, ValueError, RecursionError, TypeError):
        return None


def _file_name(tag: str) -> str:
    return tag.replace("/", "_").replace(":", "_")
