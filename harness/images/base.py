"""Which base the image stands on: the pinned slim image, a Debian made here, or the user's own.

A base's identity goes into the tag, so it must name content: the registry's digest, the digest of our own
archive, or the engine's id of the user's image.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.containers.endpoint import find_engine
from harness.core.errors import UserError
from harness.images.debian import BaseBuildError, make_base
from harness.images.engine import client, inspect
from harness.images.inputs import debian_recipe, slim_identity, slim_reference
from harness.images.progress import Say, silent
from harness.images.records import BaseRecord, Records
from harness.images.refs import base_holds

if TYPE_CHECKING:
    from harness.images.inputs import DebianRecipe

BASE_CHOICES = ("auto", "slim", "debian")
FIRST_ANSWER_SECONDS = 10
BASE_REPOSITORY = "harness-base"


@dataclass(frozen=True, slots=True)
class Base:
    """A base that the engine has: what it is, and how the build calls it."""

    identity: str
    reference: str


def resolve(
    choice: str,
    own: str | None,
    records: Records,
    *,
    variant: str = "cpu",
    refresh: bool = False,
    say: Say = silent,
) -> Base:
    """Return a base that the engine has, pulling or making it where needed.

    `own` names the user's image and wins. `refresh` makes the Debian base anew, with today's packages.
    """
    if own is not None:
        return own_base(own)
    if choice == "debian":
        return debian_base(records, refresh=refresh, say=say)
    if choice == "slim":
        if (base := slim_base(say)) is None:
            raise BaseBuildError(
                f"no registry gave {slim_reference()}",
                remedy="build on a base made here: `harness image build --base debian`",
            )
        return base
    if choice != "auto":
        raise UserError(f"there is no base {choice!r}", remedy=f"choose one of {', '.join(BASE_CHOICES)}")
    if not refresh and (known := known_base(records, variant)) is not None:
        return known
    return slim_base(say) or debian_base(records, refresh=refresh, say=say)


def known_base(records: Records, variant: str = "cpu") -> Base | None:
    """Return the base of the variant's last build, else one made or pulled before, if the engine has it."""
    latest = records.latest(variant)
    if latest is not None and base_holds(latest.base, records):
        image = inspect(latest.base_reference)
        own = latest.base.startswith("own@")  # known by its id, which a newer pull of the name changes
        if image is not None and (not own or latest.base == f"own@{image.digest}"):
            return Base(latest.base, latest.base_reference)
    made = records.base(debian_recipe().digest)
    if made is not None and inspect(made.reference) is not None:
        return Base(made.identity, made.reference)
    return _present_slim()


def own_base(reference: str) -> Base:
    """Return the user's own image as a base; it must be on the engine already."""
    image = inspect(reference)
    if image is None:
        raise UserError(f"the engine has no image {reference}", remedy="pull or load it first; its Python must be 3.11")
    return Base(f"own@{image.digest}", reference)


def slim_base(say: Say = silent) -> Base | None:
    """Return the pinned slim image, pulled where a registry answers soon enough; None where none does."""
    if (present := _present_slim()) is not None:
        return present
    import docker  # noqa: PLC0415 - slow to import
    import requests  # noqa: PLC0415

    say("asking the registry for the pinned base")
    reference = slim_reference()
    engine = client(seconds=FIRST_ANSWER_SECONDS)
    try:
        for _ in engine.pull(reference, stream=True, decode=True, platform="linux/amd64"):
            pass
    except (docker.errors.APIError, docker.errors.DockerException, requests.RequestException):
        return None
    finally:
        engine.close()
    return _present_slim()


def debian_base(records: Records, *, refresh: bool = False, say: Say = silent) -> Base:
    """Return the base made of Debian's packages, making and importing it where this engine lacks it."""
    recipe = debian_recipe()
    made = records.base(recipe.digest)
    if made is not None and not refresh and inspect(made.reference) is not None:
        return Base(made.identity, made.reference)
    with tempfile.TemporaryDirectory(prefix="harness-base-") as scratch:
        archive = make_base(recipe, Path(scratch), say)
        say("importing the base into the engine")
        record = _import(archive, recipe)
    records.remember_base(record)
    return Base(record.identity, record.reference)


def _import(archive: Path, recipe: DebianRecipe) -> BaseRecord:
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    tag = f"{recipe.suite}-{digest[:12]}"
    reference = f"{BASE_REPOSITORY}:{tag}"
    if inspect(reference) is None:
        engine = client()
        try:
            answer = engine.import_image_from_file(str(archive), repository=BASE_REPOSITORY, tag=tag)
            # Podman imports without the tag it was asked for; both engines end by naming the image's digest.
            engine.tag(json.loads(answer.strip().splitlines()[-1])["status"], BASE_REPOSITORY, tag)
        finally:
            engine.close()
    if inspect(reference) is None:
        raise BaseBuildError(f"the engine at {find_engine()} did not import the base")
    return BaseRecord(f"debian@sha256:{digest}", reference, recipe.digest)


def _present_slim() -> Base | None:
    reference = slim_reference()
    return Base(slim_identity(), reference) if inspect(reference) is not None else None
