"""Name the image that today's sources call for and find it on the engine; list the images there, and verify one.

Nothing is run for any of it. Quick: every check begins here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.core.errors import ImageMissingError, UserError
from harness.images.engine import LABEL, EngineImage, inspect, labelled
from harness.images.inputs import (
    REPOSITORY,
    TAG_DIGITS,
    TRAINER_REPOSITORY,
    VARIANTS,
    debian_recipe,
    inputs_for,
    slim_identity,
    variant_for,
)
from harness.images.records import Records

if TYPE_CHECKING:
    from pathlib import Path

_TAG = re.compile(
    rf"(?P<name>{REPOSITORY}|{TRAINER_REPOSITORY}):(?P<device>[a-z]+)-(?P<digits>[0-9a-f]{{{TAG_DIGITS}}})"
)


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


@dataclass(frozen=True, slots=True)
class Listed:
    """An image in a list: `created` in RFC 3339, `size` in bytes, `current` when today's inputs make it."""

    tag: str
    digest: str
    variant: str
    created: str
    size: int
    current: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of a verification."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared for one image; `intact` when every comparison held. `note` says what was not, and why."""

    tag: str
    digest: str
    variant: str
    current: bool
    checks: tuple[Check, ...]
    note: str = ""

    @property
    def intact(self) -> bool:
        """Whether the image is what was built."""
        return all(check.ok for check in self.checks)

    def with_checks(self, *checks: Check, alone: bool = False, note: str = "") -> Verification:
        """The same with these comparisons beside its own, or `alone`."""
        return replace(self, checks=checks if alone else (*self.checks, *checks), note=note)


def named(tag: str) -> re.Match[str] | None:
    """What the tag of an image of ours says: its `name`, `device` and `digits`. None for another name."""
    return _TAG.fullmatch(tag)


def list_images(*, root: Path | None = None) -> tuple[Listed, ...]:
    """Return the engine's images for sandboxes and trainers, newest first, one entry a tag."""
    return tuple(
        Listed(tag, i.digest, i.labels.get(LABEL, ""), i.created, i.size, _is_current(i, tag, root))
        for i in labelled()
        for tag in i.tags
        if _TAG.fullmatch(tag)
    )


def verify(
    tag: str | None = None,
    *,
    variant: str = "cpu",
    expected: str | None = None,
    root: Path | None = None,
    cache: Path | None = None,
) -> Verification:
    """Compare an image (default: the variant's current one) with its labels, tag and record.

    `expected` is a digest from the machine that built it; it stands in for the record of an image that was
    loaded. Raises ImageMissingError where the engine does not have the image, UserError for a name that no
    sandbox image has.
    """
    tag = tag or current_tag(variant, root=root, cache=cache)
    if tag is None:
        raise ImageMissingError(
            f"no {variant} sandbox image was built on this machine",
            remedy="build one with `harness image build`, or name the one to verify",
        )
    match = named(tag)
    if match is None:
        raise UserError(f"{tag!r} names no sandbox image", remedy="see `harness image list` for their tags")
    asked = variant_for("trainer" if match["name"] == TRAINER_REPOSITORY else "sandbox", match["device"])
    image = inspect(tag)
    if image is None:
        raise ImageMissingError(f"{tag} is not on this machine", remedy="build it with `harness image build`")
    checks = (
        _against_record(image, tag, expected, Records(cache)),
        _against_tag(image, asked, match["digits"]),
        _against_sources(image, tag, root, Records(cache)),
    )
    return Verification(tag, image.digest, asked, _is_current(image, tag, root), checks)


def _against_record(image: EngineImage, tag: str, expected: str | None, records: Records) -> Check:
    word = "recorded" if expected is None else "expected"
    if expected is None and (record := records.of_tag(tag)) is not None:
        expected = record.digest
    if expected is None:
        detail = "this machine has no record of building it; compare it with the builder's: `--expect sha256:...`"
        return Check("digest", ok=False, detail=detail)
    ok = image.digest == expected
    return Check("digest", ok, f"is the {word} one" if ok else f"is {image.digest}, {word} was {expected}")


def _against_tag(image: EngineImage, variant: str, digits: str) -> Check:
    label = _labelled_inputs(image)
    ok = label.startswith(digits) and image.labels.get(LABEL) == variant
    detail = "agree" if ok else f"the labels say {image.labels.get(LABEL, 'no variant')} {label[:TAG_DIGITS] or '?'}"
    return Check("tag and labels", ok, detail)


def _against_sources(image: EngineImage, tag: str, root: Path | None, records: Records) -> Check:
    """Recompute the inputs' digest; an older image is compared with what was recorded when it was current."""
    name = "inputs"
    label = _labelled_inputs(image)
    if _is_current(image, tag, root):
        return Check(name, ok=True, detail="recomputed from today's sources, equal to the label")
    record = records.of_tag(tag)
    if record is not None:
        ok = record.inputs == label
        detail = "older than today's sources; as recorded" if ok else f"recorded were {record.inputs[:TAG_DIGITS]}"
        return Check(name, ok, detail)
    return Check(name, ok=False, detail="today's sources make another image, and this one is not recorded")


def _is_current(image: EngineImage, tag: str, root: Path | None) -> bool:
    variant = image.labels.get(LABEL, "")
    if variant not in VARIANTS:
        return False
    inputs, base = inputs_for(variant, root), image.labels.get(f"{LABEL}.base", "")
    return inputs.tag(base) == tag and inputs.digest(base) == _labelled_inputs(image)


def _labelled_inputs(image: EngineImage) -> str:
    return image.labels.get(f"{LABEL}.inputs", "").removeprefix("sha256:")
