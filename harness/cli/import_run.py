"""`harness import FILE`: take the run of an archive into this ledger, once it was verified."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import click

from harness.cli.ledgers import ledger_options, open_ledger


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--key", "pems", multiple=True, type=click.Path(path_type=Path), metavar="PEM", help="Trust this key for once."
)
@ledger_options
def import_command(file: Path, *, pems: tuple[Path, ...], folder: Path, database: str | None) -> None:
    """Take in a run that another site has exported. FILE is verified first, by keys that are trusted here or given.

    Exit code: 0 it was taken in, 1 it does not hold or nobody here trusts its keys, 2 the command makes no sense, 3 the
    ledger cannot be written.
    """
    from rich.text import Text  # noqa: PLC0415 - the help of the command needs none of it

    from harness.cli.progress import tell  # noqa: PLC0415
    from harness.cli.verify import look_at_archive  # noqa: PLC0415
    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.core.files import LARGE, load_bytes  # noqa: PLC0415
    from harness.crate.adopt import adopt  # noqa: PLC0415
    from harness.report.text import emit, make_console  # noqa: PLC0415

    console = make_console(sys.stdout)
    crate, problems, _ = look_at_archive(file, pems, inside=False)
    for problem in problems:
        emit(console, Text.assemble(("✗ ", "bold red"), sanitize.one_line(problem, 400)))
    if crate is None or problems:
        sys.exit(1)
    archive = hashlib.sha256(load_bytes(file, LARGE, "the archive", links=True)).hexdigest()
    with open_ledger(folder, database) as ledger:
        number = adopt(ledger, crate, archive)
    tell(f"{sanitize.path(str(file))} is run {number} here: `harness show {number}`")
