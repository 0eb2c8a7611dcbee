"""Name the image that today's sources call for, and find it on the engine. Quick: every check begins here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import ImageMissingError
from harness.images.engine import LABEL, inspect, labelled
from harness.images.inputs import debian_recipe, inputs_for, slim_identity
from harness.images.records import Records

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image on the engine: use `digest` to run it, show `tag` to people."""

    tag: str
    digest: str
    variant: str


def current_tag(variant: str = "cpu", *, root: Path | None = None, cache: Path | None = None) -> str | None:
    """Return the tag of today's inputs on the base this machine built on last; asks no engine.

    None before the first build, and after a change of the base.
    """
    records = Records(cache)
    latest = records.latest(variant)
    inputs = inputs_for(variant, root)
    if latest is None or not base_holds(latest.base, records, root):
        return None
    return inputs.tag(latest.base)


def base_holds(identity: str, records: Records, root: Path | None = None) -> bool:
    """Tell whether dockerfiles/base.lock still asks for a base that was used before."""
    kind = identity.partition("@")[0]
    if kind == "slim":
        return identity == slim_identity(root)
    if kind == "debian":
        made = records.base(debian_recipe(root).digest)
        return made is not None and made.identity == identity
    return kind == "own"


def current(variant: str = "cpu", *, root: Path | None = None, cache: Path | None = None) -> ImageRef:
    """Return the image that today's inputs call for.

    Raises ImageMissingError, with the remedy, where the engine does not have it or has another one under its
    tag, and EngineUnavailableError where no engine answers.
    """
    records = Records(cache)
    tag = current_tag(variant, root=root, cache=cache)
    if tag is not None and (image := inspect(tag)) is not None:
        record = records.of_tag(tag)
        if record is not None and record.digest != image.digest:
            raise ImageMissingError(
                f"{tag} is not the image that was built here: {image.digest} instead of {record.digest}",
                remedy=f"see `harness image verify {tag}`, then make it anew with {_command(variant)}",
            )
        return ImageRef(tag, image.digest, variant)
    if (loaded := _loaded(variant, root)) is not None:
        return loaded
    why = "is not on this machine" if tag is None else f"{tag} is not on this machine; its inputs may have changed"
    raise ImageMissingError(
        f"the {_named(variant)} image {why}", remedy=f"build it with {_command(variant)} (or `make image`)"
    )


def _loaded(variant: str, root: Path | None) -> ImageRef | None:
    """Find an image that another machine built from the same inputs and that was loaded here."""
    inputs = inputs_for(variant, root)
    for image in labelled():
        if image.labels.get(LABEL) != variant:
            continue
        tag = inputs.tag(image.labels.get(f"{LABEL}.base", ""))
        if tag in image.tags:
            return ImageRef(tag, image.digest, variant)
    return None


def _command(variant: str) -> str:
    purpose, _, device = variant.rpartition("-")
    asked = (f" --for {purpose}" if purpose else "") + ("" if device == "cpu" else f" --variant {device}")
    return f"`harness image build{asked}`"


def _named(variant: str) -> str:
    purpose, _, device = variant.rpartition("-")
    return f"{device} {purpose or 'sandbox'}"
