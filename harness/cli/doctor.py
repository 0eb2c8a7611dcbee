"""`harness doctor`: does this host isolate? Asked before it is trusted with a candidate."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.doctor.model import Examination


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Write the examination as JSON to standard output.")
@click.option("--strict", is_flag=True, help="Waive nothing: a warning ends in exit code 3 as well.")
@click.option("--runtime", metavar="NAME", help="A runtime of the engine, such as runsc (gVisor).")
@click.option("--gpu", default="auto", show_default=True, metavar="auto|none|N", help="The GPU to pass through.")
@click.option("--image", metavar="TAG", help="Another sandbox image than the current one.")
@click.option("--markdown", is_flag=True, help="Print the documentation page docs/doctor.md, and examine nothing.")
def doctor_command(
    *, as_json: bool, strict: bool, runtime: str | None, gpu: str, image: str | None, markdown: bool
) -> None:
    """Prove that this host isolates, by attacks from inside and by asking its engine.

    Exit code: 0 candidates may be run here, 2 the command makes no sense, 3 something does not isolate,
    130 interrupted. Takes about ten seconds.
    """
    from harness import doctor  # noqa: PLC0415 - the help of the command needs none of it
    from harness.doctor import report  # noqa: PLC0415
    from harness.report.text import make_console  # noqa: PLC0415

    if markdown:
        click.echo(report.write_markdown(doctor.CHECKS), nl=False)
        return
    with _progress() as say:
        found = doctor.examine(doctor.Wishes(runtime, gpu, image, strict), say)
    _remember(found, report.write_json(found), runtime)
    if as_json:
        click.echo(report.write_json(found), nl=False)
    else:
        report.print_text(found, make_console(sys.stdout))
    sys.exit(found.exit_code)


def _remember(found: Examination, document: str, runtime: str | None) -> None:
    """Leave it for the records of what is run here from now on; whoever examines is told all of it anyway."""
    from harness.attestation import times  # noqa: PLC0415 - as above
    from harness.checks.options import DEFAULT_RUNTIME  # noqa: PLC0415
    from harness.images.examined import Examined, Host, remember  # noqa: PLC0415

    about = found.about
    if "image" not in about:
        return
    host = Host(about["engine"], about["image"], runtime or DEFAULT_RUNTIME, gpu=about["device"] != "cpu")
    result = "trusted" if found.trusted else "not trusted"
    digest = hashlib.sha256(document.encode()).hexdigest()
    with suppress(OSError):
        remember(host, Examined(result, times.spelt(times.now()), digest))


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show the running step on a terminal; stay quiet under CI and in pipes."""
    if os.environ.get("CI") or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.markup import escape  # noqa: PLC0415

    from harness.report.terminal import Terminal  # noqa: PLC0415 - only where it is shown

    with Terminal(stderr=True).status("examining") as status:
        yield lambda step: status.update(escape(f"examining {step}"))
