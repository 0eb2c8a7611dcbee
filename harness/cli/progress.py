"""What the command says on standard error.

Names of files, and through them whoever hands in candidates, reach these sentences as well as the reports.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from harness.core import text as sanitize
from harness.core.candidate import discover, unmatched

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Longest sentence, in characters: a path may be long, and the sentence has to be read.
_CAP = 2000
#: Names of files in one sentence.
_FEW = 8


def say(sentence: str) -> None:
    """Say a sentence on one line, harmless whatever stands in it."""
    click.echo(sanitize.part_commands(sanitize.one_line(sentence, _CAP)), err=True)


def tell(line: str, *, err: bool = False) -> None:
    """Print a line of a command's result, laid out as it is and harmless whatever stands in it."""
    click.echo(sanitize.part_commands(sanitize.piece(line).replace("\n", " ")), err=err)


def tell_json(document: object, *, indent: int | None = None, sort_keys: bool = False) -> None:
    """Print a document for machines; where a log is made of it, nothing in it commands the log's reader."""
    click.echo(sanitize.part_in_json(json.dumps(document, indent=indent, sort_keys=sort_keys)))


def tell_excluded(paths: Sequence[Path], exclude: Sequence[str]) -> None:
    """Say which files were left out, and which pattern fits none."""
    found = discover(paths, exclude)
    if found.excluded:
        shown = ", ".join(map(str, found.excluded[:_FEW]))
        more = f", and {len(found.excluded) - _FEW} more" if len(found.excluded) > _FEW else ""
        say(f"harness: excluded: {shown}{more}")
    for pattern in unmatched(found, paths, exclude):
        say(f"harness: --exclude {pattern!r} fits no candidate of these folders")


def say_usage(error: click.ClickException) -> None:
    """Say what is wrong with the words of the command."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()  # the help, and nothing that anybody gave
        return
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(error.ctx.get_usage(), err=True)
        click.echo(f"Try '{error.ctx.command_path} --help' for help.\n", err=True)
    say(f"Error: {error.format_message()}")


def say_bug(error: Exception) -> None:
    """Say that the harness itself is wrong, with what a maintainer needs to know."""
    import traceback  # noqa: PLC0415 - nobody needs it where nothing is wrong

    lines = "".join(traceback.format_exception(error))
    click.echo(sanitize.part_commands(sanitize.clean(lines[-sanitize.BLOCK_CAP :])), err=True)
    say(f"harness: a fault of the harness itself, {type(error).__name__}; nothing is known about the candidates")
    say("next step: Please report this, with the lines above.")
