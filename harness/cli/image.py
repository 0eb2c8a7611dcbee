"""`harness image`: build, list and verify the images, and say what is in them."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.paced import paced
from harness.cli.progress import say, tell, tell_json
from harness.core.errors import HarnessError
from harness.core.files import STDOUT, check_destination, save
from harness.core.text import one_line, terminal
from harness.images.base import BASE_CHOICES
from harness.images.build import build
from harness.images.files import render
from harness.images.inputs import PURPOSES, SANDBOX_VARIANTS, variant_for
from harness.images.records import Records
from harness.images.refs import list_images
from harness.images.whole import bill_of, compare, of_engine, tag_of, verify_whole
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.images import Say

ALTERED = 1
#: The options that say which image is meant.
_purpose_option = click.option(
    "--for",
    "purpose",
    type=click.Choice(PURPOSES),
    default="sandbox",
    show_default=True,
    help="What candidates run in, or what trains with them and scores.",
)
_variant_option = click.option("--variant", type=click.Choice(SANDBOX_VARIANTS), default="cpu", show_default=True)
_output_option = click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=STDOUT,
    metavar="FILE",
    help="Where to write it; standard output is the default.",
)


@click.group()
def image() -> None:
    """Build, list and verify the images: what candidates run in, and what trains with them."""


@image.command("build")
@_purpose_option
@_variant_option
@click.option(
    "--base",
    type=click.Choice(BASE_CHOICES),
    default="auto",
    show_default=True,
    help="slim is pulled by digest, debian is made here; auto keeps what this machine used, else tries both.",
)
@click.option("--base-image", metavar="REF", help="Your own image with Python 3.11, already on the engine.")
@click.option("--refresh", is_flag=True, help="Make the Debian base anew, with today's security updates.")
@click.option("--fresh", is_flag=True, help="Make all of it again and take nothing from earlier builds.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON to standard output.")
def build_command(
    purpose: str, variant: str, base: str, base_image: str | None, *, refresh: bool, fresh: bool, as_json: bool
) -> None:
    """Build the image, without network, unless it is there already.

    The same lock on the same base gives the same digest, on every machine and at any time.
    """
    kind = variant_for(purpose, variant)
    with _faults(), _progress(f"building the {purpose} image") as say:
        built = build(kind, base=base, base_image=base_image, refresh=refresh, fresh=fresh, say=say)
    if as_json:
        tell_json({**asdict(built.image), "rebuilt": built.rebuilt})
    else:
        done = "built" if built.rebuilt else "up to date"
        tell(f"{built.image.tag}  {built.image.digest}  {done}")


@image.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write the list as JSON to standard output.")
def list_command(*, as_json: bool) -> None:
    """List the images of this machine, newest first."""
    with _faults():
        images = list_images()
    if as_json:
        tell_json([asdict(entry) for entry in images], indent=2)
        return
    for entry in images:
        mark = "  current" if entry.current else ""
        size = f"{entry.size / 1e6:6.0f} MB"
        tell(f"{entry.tag}  {entry.digest[:19]}  {entry.created[:19]}  {size}{mark}")
    if not images:
        tell("no sandbox image here; `harness image build` makes one")


@image.command("verify")
@click.argument("tag", required=False)
@_purpose_option
@_variant_option
@click.option("--expect", metavar="DIGEST", help="The digest where it was built, for a loaded image.")
@click.option(
    "--against",
    metavar="FILE|TAG",
    help="Compare its files with those of another image alone: a list that `harness image manifest` wrote, or a tag.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the comparisons as JSON to standard output.")
def verify_command(
    tag: str | None, purpose: str, variant: str, expect: str | None, against: str | None, *, as_json: bool
) -> None:
    """Compare an image with its record, its tag, today's sources, and the files that it was built with.

    Names the first file that differs. Exit 1 where the image was altered.
    """
    if against is not None and expect is not None:
        raise click.UsageError("--expect names the digest that it should have, --against another image: give one")
    kind = variant_for(purpose, variant)
    with _faults():
        if against is None:
            found = verify_whole(tag, variant=kind, expected=expect)
        else:
            found = compare(tag, against, variant=kind)
    words = ("intact", "ALTERED") if against is None else ("the same", "DIFFERS")
    if as_json:
        tell_json({**asdict(found), "intact": found.intact}, indent=2)
    else:
        tell(f"{one_line(found.tag)}  {found.digest}  {words[0] if found.intact else words[1]}")
        for check in found.checks:
            tell(f"  {'ok ' if check.ok else 'BAD'} {check.name}: {one_line(check.detail)}")
        if found.note:
            tell(f"      {one_line(found.note)}")
    if not found.intact:
        raise SystemExit(ALTERED)


@image.command("manifest")
@click.argument("tag", required=False)
@_purpose_option
@_variant_option
@_output_option
def manifest_command(tag: str | None, purpose: str, variant: str, output: Path) -> None:
    """List every file of an image as the engine has it: kind, mode, owner, size and SHA-256, as JSON."""
    with _faults():
        check_destination(output)
        listed = of_engine(tag_of(tag, variant_for(purpose, variant)), Records().folder)
        save(render(listed).decode(), output)


@image.command("sbom")
@click.argument("tag", required=False)
@_purpose_option
@_variant_option
@_output_option
def sbom_command(tag: str | None, purpose: str, variant: str, output: Path) -> None:
    """Write the image's bill of materials: packages, base and code, as CycloneDX JSON."""
    with _faults():
        check_destination(output)
        save(bill_of(tag_of(tag, variant_for(purpose, variant)), Records()).decode(), output)


@contextmanager
def _faults() -> Iterator[None]:
    """End with the exit code of whoever is at fault; the sentence and the remedy go to standard error."""
    try:
        yield
    except HarnessError as fault:
        say(f"error: {fault.message}")
        if fault.remedy:
            say(f"try: {fault.remedy}")
        raise SystemExit(fault.exit_code) from fault


@contextmanager
def _progress(title: str) -> Iterator[Say]:
    """Show the running step on a terminal; in a log it is told now and then, for a build takes minutes."""
    console = Terminal(stderr=True)
    if os.environ.get("CI") or not sys.stderr.isatty():
        step = ["looks at what is there"]
        with paced(lambda: f"{title}: {terminal(step[0])}"):
            yield lambda line: step.__setitem__(0, line)
        return
    with console.status(terminal(title)) as status:
        yield lambda line: status.update(terminal(line))
