"""Build an image: base, wheelhouse, context, then the engine, which is given no network, then layers packed here.

The context is one archive, the same bytes for the same inputs, and nothing else of the checkout. The engine makes the
stages of the Dockerfile; what its last stage takes from them is packed and loaded by `harness.images.pack`, so that the
same inputs are the same image wherever it is made.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from harness.containers import request
from harness.core.errors import InfrastructureError
from harness.images import Say, silent
from harness.images import base as bases
from harness.images import files as listing
from harness.images.engine import LABEL, client, inspect
from harness.images.inputs import DOCKERFILES, SANDBOX_PYTHON, Inputs, debian_recipe, inputs_for, slim_reference
from harness.images.pack import Layer, archive, chosen, configuration, write_layer
from harness.images.recipe import read
from harness.images.records import BuildRecord, Records, cache_dir
from harness.images.refs import ImageRef
from harness.images.sbom import bill
from harness.images.wheelhouse import fill, parse
from harness.images.whole import of_layers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from docker.api.client import APIClient

    from harness.images.base import Base
    from harness.images.files import Held
    from harness.images.recipe import Part, Recipe

# Wheels are zip archives, which know no time before 1980; nothing else reads the times.
EPOCH = 315532800
#: An image on the way, or at the end; Podman says the last one in a line alone.
_BUILT = re.compile(r"(?:-+> |Successfully built )?([0-9a-f]{12,64})")
_LOADED = re.compile(r"Loaded image(?: ID)?: *(\S+)")


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
    fresh: bool = False,
    say: Say = silent,
    root: Path | None = None,
    cache: Path | None = None,
) -> Built:
    """Return the image that today's inputs make, building it only where the engine lacks it.

    `fresh` makes all of it again, and takes nothing from earlier builds. Raises UserError for a choice that does not
    exist, and an InfrastructureError with its remedy for everything that fails: no engine, no base, no packages, a
    broken build.
    """
    inputs = inputs_for(variant, root)
    records = Records(cache)
    with records.exclusive():
        on = bases.resolve(base, base_image, records, variant=variant, refresh=refresh, say=say)
        tag = inputs.tag(on.identity)
        known, present = records.of_tag(tag), inspect(tag)
        if not fresh and known is not None and present is not None and known.digest == present.digest:
            if records.latest(variant) != known:  # built before, and chosen again
                records.remember(known)
            return Built(ImageRef(tag, present.digest, variant), rebuilt=False)
        say(f"building {tag} without network")
        with contextlib.closing(client()) as engine:
            work = Work(engine, inputs, on, records, (cache or cache_dir()) / "wheelhouse" / variant, say, fresh=fresh)
            with _engine_faults():
                try:
                    config, layers = work.image(tag)
                finally:
                    work.tidy()
        image = inspect(tag)
        if image is None:
            raise ImageBuildError(f"the engine says that it loaded {tag}, and does not have it")
        records.remember(_remembered(tag, image.digest, inputs, on, records, config, layers))
        return Built(ImageRef(tag, image.digest, variant), rebuilt=True)


@contextlib.contextmanager
def _engine_faults() -> Iterator[None]:
    """What an engine refuses, or that it goes away, as an error of ours."""
    import docker  # noqa: PLC0415 - slow to import
    import requests  # noqa: PLC0415

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        said = str(getattr(error, "explanation", None) or error).strip()
        raise ImageBuildError(
            f"the engine failed in the middle of a build: {said}", remedy="see its log, and the space on its disk"
        ) from error


def _remembered(
    tag: str, digest: str, inputs: Inputs, on: Base, records: Records, config: bytes, layers: Sequence[Layer]
) -> BuildRecord:
    """Keep what belongs to an image beside its record, and return that."""
    listed = of_layers(config, [layer.entries for layer in layers])
    made = records.base(debian_recipe(inputs.root).digest)
    packages = made.packages if made is not None and made.identity == on.identity else ""
    materials = bill(tag, listed, inputs, on.identity, packages, slim_reference(inputs.root))
    records.remember_beside(tag, "config", config)
    records.remember_beside(tag, "sbom", materials)
    files, sbom = (f"sha256:{sha256(data).hexdigest()}" for data in (listing.render(listed), materials))
    return BuildRecord(tag, digest, inputs.variant, inputs.digest(on.identity), on.identity, on.reference, files, sbom)


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


class Work:
    """One build: stages by the engine, layers and image by us."""

    def __init__(
        self,
        engine: APIClient,
        inputs: Inputs,
        base: Base,
        records: Records,
        wheelhouse: Path,
        say: Say,
        *,
        fresh: bool,
    ) -> None:
        """Read the Dockerfile. Raises RecipeError."""
        self._engine = engine
        self._inputs = inputs
        self._base = base
        self._records = records
        self._wheelhouse = wheelhouse
        self._say = say
        self._fresh = fresh
        self._recipe: Recipe = read(inputs.files["Dockerfile"].decode())
        self._made: list[str] = []

    def image(self, tag: str) -> tuple[bytes, tuple[Layer, ...]]:
        """Make the image and give it its tag; return its configuration and its layers."""
        # The engine has the layers that no change reached, unless somebody removed them: then all are made.
        for known in (False,) if self._fresh else (True, False):
            with ExitStack() as opened:
                layers = self._layers(opened, known=known)
                for stage in self._recipe.checks:
                    self._stage(stage)
                what = [(layer.digest, part.target) for layer, part in zip(layers, self._recipe.parts, strict=True)]
                config = configuration(
                    self._recipe.settings, labels(self._inputs, self._base), what, self._inputs.epoch
                )
                self._say(f"loading {tag}")
                if self._load(config, layers, tag, may_lack=any(layer.archive is None for layer in layers)):
                    return config, layers
        raise ImageBuildError(
            f"the engine did not load {tag}", remedy="see the engine's log, and whether its disk is full"
        )

    def _layers(self, opened: ExitStack, *, known: bool) -> tuple[Layer, ...]:
        key = f"{self._inputs.epoch}"
        layers: list[Layer] = []
        for part in self._recipe.parts:
            made_from = self._recipe.key(part.stage, self._base.identity, self._inputs.files)
            # A layer leaves out what those below it have, so their inputs are its inputs.
            key = sha256(f"harness-layer/1\0{key}\0{made_from}\0{part.source}\0{part.target}".encode()).hexdigest()
            layer = self._known(key) if known else None
            if layer is None:
                below = [entry.path for layer in layers for entry in layer.entries]
                layer = self._layer(part, below, opened)
                shown = [listing.shown(entry) for entry in layer.entries]
                self._records.remember_layer(key, layer.digest, json.dumps(shown).encode())
            layers.append(layer)
        return tuple(layers)

    def _known(self, key: str) -> Layer | None:
        digest = self._records.layer_of(key)
        return None if digest is None else layer_from(self._records, digest)

    def _layer(self, part: Part, below: Iterable[str], opened: ExitStack) -> Layer:
        stage = self._stage(part.stage)
        self._say(f"packing {part.target}")
        target = opened.enter_context(listing.spool((), self._records.folder))
        with ExitStack() as meanwhile:
            tree = self._files(stage, part, meanwhile)
            return write_layer(target, chosen(tree, self._inputs.epoch, below))

    def _files(self, stage: str, part: Part, opened: ExitStack) -> dict[str, Held]:
        """What a part holds. All of a stage is read from its image, as an engine adds files to a container's root."""
        folder = self._records.folder
        if part.source == "/":
            saved = opened.enter_context(listing.spool(self._engine.get_image(stage), folder))
            return listing.read_image(saved, opened)[1]
        source = part.source.rstrip("/")
        with self._container(stage) as container:
            pieces, _ = self._engine.get_archive(container, source)
            saved = opened.enter_context(listing.spool(pieces, folder))
        return listing.read_tar(saved, strip=source.rpartition("/")[2], below=part.target)

    @contextlib.contextmanager
    def _container(self, image: str) -> Iterator[str]:
        """A container that is never started, known as ours where this process is killed."""
        marks = {request.LABEL: "1", request.OWNER_LABEL: request.owner()}
        made = self._engine.create_container(image, ["never started"], labels=marks, network_disabled=True)["Id"]
        try:
            yield str(made)
        finally:
            self._engine.remove_container(made, force=True, v=True)

    def _stage(self, name: str) -> str:
        """Have the engine make a stage, and return the id of its image."""
        wheels: tuple[Path, ...] = ()
        if self._recipe.needs_wheels(name):
            locks = self._inputs.root / DOCKERFILES / "locks"
            wheels = fill(self._wheelhouse, [locks / lock for lock in self._inputs.locks], self._say)
        with tempfile.TemporaryFile(prefix="harness-context-", dir=self._records.folder) as context:
            write_context(context, self._inputs.files, wheels)
            context.seek(0)
            self._say(f"making the stage {name}")
            steps = self._engine.build(
                fileobj=context,
                custom_context=True,
                dockerfile="Dockerfile",
                target=name,
                buildargs={"BASE_IMAGE": self._base.reference},
                network_mode="none",
                platform="linux/amd64",
                nocache=self._fresh,
                rm=True,
                forcerm=True,
                pull=False,
                decode=True,
            )
            built, made = _follow(steps, self._say)
            self._made += made
            return built

    def tidy(self) -> None:
        """Remove the stages of a build that takes nothing from others: they are of use to no later one either."""
        if not self._fresh:
            return
        import docker  # noqa: PLC0415 - slow to import

        for image in reversed(self._made):
            found = inspect(image)
            if found is not None and not found.tags:  # among them is the base
                with contextlib.suppress(docker.errors.APIError):
                    self._engine.remove_image(image)

    def _load(self, config: bytes, layers: Sequence[Layer], tag: str, *, may_lack: bool) -> bool:
        """Have the engine load the image and tag it; False where it lacks a layer that was not sent."""
        import docker  # noqa: PLC0415 - slow to import

        said, problem = "", ""
        try:
            for step in self._engine.load_image(archive(config, layers)):
                problem = problem or str(step.get("error", ""))
                said += str(step.get("stream", ""))
        except docker.errors.APIError as error:
            problem = str(error.explanation or error)
        # An engine that names images by another digest says which one it has loaded.
        names = [f"sha256:{sha256(config).hexdigest()}", *_LOADED.findall(said)]
        loaded = None if problem else next((found for name in names if (found := inspect(name)) is not None), None)
        if loaded is None:
            if may_lack:
                return False
            raise ImageBuildError(f"the engine did not load the image: {problem.strip() or said.strip() or 'no word'}")
        repository, _, name = tag.partition(":")
        self._engine.tag(loaded.digest, repository, name, force=True)
        return True


def layer_from(records: Records, digest: str) -> Layer | None:
    """The layer of that digest from the list of its files that is kept, None where there is none."""
    kept = records.layer(digest)
    try:
        return None if kept is None else Layer(digest, listing.entries_of(json.loads(kept)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _follow(steps: Iterable[dict[str, Any]], say: Say) -> tuple[str, list[str]]:
    """Pass the engine's step lines on; return the id of what was built, and of all on the way to it.

    ImageBuildError carries the last lines of a build that failed.
    """
    seen: list[str] = []
    built = ""
    for step in steps:
        if problem := step.get("error"):
            tail = "\n".join(seen[-12:])
            raise ImageBuildError(f"the build stopped: {str(problem).strip()}\n{tail}".rstrip())
        built = str((step.get("aux") or {}).get("ID", "")) or built
        for line in str(step.get("stream", "")).splitlines():
            if line.strip():
                seen.append(line.strip())
            if line.upper().startswith("STEP "):
                say(line.strip())
    ids = [found[1] for line in seen if (found := _BUILT.fullmatch(line))]
    if not built and not ids:
        raise ImageBuildError("the engine does not say what it built", remedy="see the engine's log")
    return built or ids[-1], list(dict.fromkeys(ids))


def write_context(target: IO[bytes], files: Mapping[str, bytes], wheels: Iterable[Path]) -> None:
    """Write the archive to `target`: the files by name, then the wheels below `wheelhouse/`."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as context:
        folders = {str(parent) for name in files for parent in PurePosixPath(name).parents} | {"wheelhouse"}
        for folder in sorted(folders - {"."}):
            context.addfile(_tar_member(folder, 0, tarfile.DIRTYPE, 0o755))
        for name, content in sorted(files.items()):
            context.addfile(_tar_member(name, len(content)), io.BytesIO(content))
        for path in sorted(wheels, key=lambda path: path.name):
            with path.open("rb") as stream:
                context.addfile(_tar_member(f"wheelhouse/{path.name}", path.stat().st_size), stream)


def _tar_member(name: str, size: int, kind: bytes = tarfile.REGTYPE, mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode, member.mtime = size, kind, mode, EPOCH
    return member
