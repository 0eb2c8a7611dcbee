"""Look at all of an image's files: list them, and name the first one that is not what it should be.

Quick questions are `harness.images.refs`; here an image is read as a whole, which takes some seconds.
"""

from __future__ import annotations

import contextlib
import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ImageMissingError, InfrastructureError, UserError
from harness.core.files import LARGE, load_bytes
from harness.images.engine import client, inspect
from harness.images.files import (
    Manifest,
    differing_settings,
    entries_of,
    first_difference,
    order,
    parse,
    read_image,
    render,
    settings_of,
    spool,
)
from harness.images.records import Records
from harness.images.refs import Check, Verification, current, named, verify

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.images.files import Entry

#: What Docker says of a file that it stored and that is another one now.
_SPOILT = "integrity checksum failed"
_NO_LIST = "no list of its files is kept here: `--against` takes the builder's, by `harness image manifest`"


class SpoiltError(InfrastructureError):
    """A file of the image is not what the engine stored."""


def of_engine(reference: str, folder: Path | None = None) -> Manifest:
    """List what the engine's image holds; `folder` is for the archive of it meanwhile.

    Raises ImageMissingError, SpoiltError where the engine finds a file altered, and InfrastructureError.
    """
    if inspect(reference) is None:
        raise ImageMissingError(f"{reference} is not on this machine", remedy="build it with `harness image build`")
    import docker  # noqa: PLC0415 - slow to import
    import requests  # noqa: PLC0415

    with contextlib.ExitStack() as opened:
        engine = opened.enter_context(contextlib.closing(client()))
        try:
            saved = opened.enter_context(spool(engine.get_image(reference), folder))
        except docker.errors.APIError as error:
            said = str(error.explanation or error)
            kind = SpoiltError if _SPOILT in said else InfrastructureError
            raise kind(f"the engine cannot read {reference} back: {said}", remedy="build it anew") from error
        except requests.RequestException as error:
            raise InfrastructureError(f"the engine stopped in the middle of {reference}: {error}") from error
        config, tree = read_image(saved, opened)
        return of_layers(config, [[held.entry for held in tree.values()]])


def of_layers(config: bytes, layers: Iterable[Iterable[Entry]]) -> Manifest:
    """The list of an image's files, from its configuration and from layers of which none removes anything."""
    about = json.loads(config)
    entries = {entry.path: entry for layer in layers for entry in layer}
    return Manifest(
        image=f"sha256:{sha256(config).hexdigest()}",
        settings=settings_of(about),
        layers=tuple(map(str, about["rootfs"]["diff_ids"])),
        entries=tuple(sorted(entries.values(), key=lambda entry: order(entry.path))),
    )


def recorded(tag: str, records: Records) -> Manifest | None:
    """The list as it was kept when the image was built here; None where there is none, or it is not what was kept."""
    record, config = records.of_tag(tag), records.beside(tag, "config")
    if record is None or config is None or not record.files:
        return None
    try:
        layers = [entries_of(json.loads(records.layer(d) or b"")) for d in json.loads(config)["rootfs"]["diff_ids"]]
        found = of_layers(config, layers)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if f"sha256:{sha256(render(found)).hexdigest()}" == record.files else None


def verify_whole(
    tag: str | None = None,
    *,
    variant: str = "cpu",
    expected: str | None = None,
    root: Path | None = None,
    cache: Path | None = None,
) -> Verification:
    """As `harness.images.refs.verify`, and each file against the list that was kept when the image was built."""
    found = verify(tag, variant=variant, expected=expected, root=root, cache=cache)
    records = Records(cache)
    kept = recorded(found.tag, records)
    if kept is None:
        return found.with_checks(note=f"files: not compared; {_NO_LIST}")
    return found.with_checks(*_compared(kept, found.tag, records))


def compare(
    tag: str | None,
    against: str,
    *,
    variant: str = "cpu",
    root: Path | None = None,
    cache: Path | None = None,
) -> Verification:
    """Hold the files and settings of an image against those of another one.

    `against` is a list that `harness image manifest` wrote, here or elsewhere, or another image's tag or id.
    """
    found = verify(tag, variant=variant, root=root, cache=cache)
    records = Records(cache)
    image = against.startswith("sha256:") or named(against) is not None
    other = of_engine(against, records.folder) if image else read_list(against)
    checks = _compared(other, found.tag, records)
    return found.with_checks(*checks, alone=True, note=f"compared with {other.image}")


def read_list(path: str) -> Manifest:
    """Read the list of an image's files from a file. Raises UserError."""
    return parse(load_bytes(Path(path), LARGE, "the list of files", links=True), path)


def _compared(expected: Manifest, tag: str, records: Records) -> tuple[Check, ...]:
    try:
        found = of_engine(tag, records.folder)
    except SpoiltError as error:
        return (Check("files", ok=False, detail=error.message),)
    settings = differing_settings(expected.settings, found.settings)
    difference = first_difference(expected.entries, found.entries)
    same = f"{len(found.entries)} files, folders and links are the same"
    return (
        Check("settings", ok=not settings, detail=settings or "the same"),
        Check("files", ok=difference is None, detail=same if difference is None else str(difference)),
    )


def bill_of(tag: str, records: Records) -> bytes:
    """The bill of materials that was written when the image was built here. Raises InfrastructureError."""
    record, found = records.of_tag(tag), records.beside(tag, "sbom")
    if record is None or found is None or f"sha256:{sha256(found).hexdigest()}" != record.sbom:
        raise InfrastructureError(
            f"this machine keeps no bill of materials of {tag}",
            remedy="build the image here, or take the bill from the machine that built it",
        )
    return found


def tag_of(tag: str | None, variant: str, *, root: Path | None = None, cache: Path | None = None) -> str:
    """The tag that was asked for, or the current one of the variant. Raises UserError, ImageMissingError."""
    if tag is None:
        return current(variant, root=root, cache=cache).tag
    if named(tag) is None:
        raise UserError(f"{tag!r} names no sandbox image", remedy="see `harness image list` for their tags")
    return tag
