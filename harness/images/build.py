"""Build an image: base, wheelhouse, context, then the engine, which is given no network.

The context is one archive, the same bytes for the same inputs, and nothing else of the checkout.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.core.errors import InfrastructureError
from harness.images import Say, silent
from harness.images import base as bases
from harness.images.engine import LABEL, client, inspect
from harness.images.inputs import SANDBOX_PYTHON, Inputs, inputs_for
from harness.images.records import BuildRecord, Records, cache_dir
from harness.images.refs import ImageRef
from harness.images.wheelhouse import fill, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import IO

    from harness.images.base import Base

# Wheels are zip archives, which know no time before 1980; nothing else reads the times.
EPOCH = 315532800


class ImageBuildError(InfrastructureError):
    """The engine could not build an image."""


@dataclass(frozen=True, slots=True)
class Built:
    """The image that a build ended with, and whether anything had to be done for it."""

    image: ImageRef
    rebuilt: bool


def build(
    variant: str = "cpu",
    *,
    base: str = "auto",
    base_image: str | None = None,
    refresh: bool = False,
    say: Say = silent,
    root: Path | None = None,
    cache: Path | None = None,
) -> Built:
    """Return the image that today's inputs make, building it only where the engine lacks it.

    Raises UserError for a choice that does not exist, and an InfrastructureError with its remedy for
    everything that fails: no engine, no base, no packages, a broken build.
    """
    inputs = inputs_for(variant, root)
    records = Records(cache)
    with records.exclusive():
        chosen = bases.resolve(base, base_image, records, variant=variant, refresh=refresh, say=say)
        tag = inputs.tag(chosen.identity)
        known, present = records.of_tag(tag), inspect(tag)
        if known is not None and present is not None and known.digest == present.digest:
            if records.latest(variant) != known:  # built before, and chosen again
                records.remember(known)
            return Built(ImageRef(tag, present.digest, variant), rebuilt=False)
        locks = [(root or inputs.root) / "dockerfiles" / "locks" / name for name in inputs.locks]
        wheels = fill((cache or cache_dir()) / "wheelhouse" / variant, locks, say)
        with tempfile.TemporaryFile(prefix="harness-context-") as context:
            write_context(context, inputs.files, wheels)
            context.seek(0)
            say(f"building {tag} without network")
            _build(context, tag, chosen, labels(inputs, chosen), say)
        image = inspect(tag)
        if image is None:
            raise ImageBuildError(f"the engine says that it built {tag}, and does not have it")
        records.remember(
            BuildRecord(tag, image.digest, variant, inputs.digest(chosen.identity), chosen.identity, chosen.reference)
        )
        return Built(ImageRef(tag, image.digest, variant), rebuilt=True)


def labels(inputs: Inputs, base: Base) -> dict[str, str]:
    """Return what the image says of itself: variant, digest of its inputs, base, versions."""
    versions = {pin.name: pin.version for pin in parse(inputs.files["lock.txt"].decode(), "lock.txt")}
    return {
        LABEL: inputs.variant,
        f"{LABEL}.inputs": f"sha256:{inputs.digest(base.identity)}",
        f"{LABEL}.base": base.identity,
        f"{LABEL}.torch": versions["torch"],
        f"{LABEL}.python": SANDBOX_PYTHON,
    }


def _build(context: Any, tag: str, base: Base, marks: dict[str, str], say: Say) -> None:
    with contextlib.closing(client()) as engine:
        steps = engine.build(
            fileobj=context,
            custom_context=True,
            dockerfile="Dockerfile",
            tag=tag,
            buildargs={"BASE_IMAGE": base.reference},
            labels=marks,
            network_mode="none",
            platform="linux/amd64",
            rm=True,
            forcerm=True,
            pull=False,
            decode=True,
        )
        _follow(steps, say)


def _follow(steps: Iterable[dict[str, Any]], say: Say) -> None:
    """Pass the engine's step lines on; ImageBuildError carries the last lines of a build that failed."""
    seen: list[str] = []
    for step in steps:
        if problem := step.get("error"):
            tail = "\n".join(seen[-12:])
            raise ImageBuildError(f"the build stopped: {str(problem).strip()}\n{tail}".rstrip())
        for line in str(step.get("stream", "")).splitlines():
            if line.strip():
                seen.append(line.strip())
            if line.upper().startswith("STEP "):
                say(line.strip())


def write_context(target: IO[bytes], files: Mapping[str, bytes], wheels: Iterable[Path]) -> None:
    """Write the archive to `target`: the files by name, then the wheels below `wheelhouse/`."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        folders = {str(parent) for name in files for parent in PurePosixPath(name).parents} | {"wheelhouse"}
        for folder in sorted(folders - {"."}):
            archive.addfile(_tar_member(folder, 0, tarfile.DIRTYPE, 0o755))
        for name, content in sorted(files.items()):
            archive.addfile(_tar_member(name, len(content)), io.BytesIO(content))
        for path in sorted(wheels, key=lambda path: path.name):
            with path.open("rb") as stream:
                archive.addfile(_tar_member(f"wheelhouse/{path.name}", path.stat().st_size), stream)


def _tar_member(name: str, size: int, kind: bytes = tarfile.REGTYPE, mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode, member.mtime = size, kind, mode, EPOCH
    return member
