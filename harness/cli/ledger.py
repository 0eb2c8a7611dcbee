"""`harness ledger`: whether a ledger is as its workers wrote it, and the proof of how far it was."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.ledgers import ledger_options, read_ledger


@click.group("ledger")
def ledger_command() -> None:
    """Verify a whole ledger: its chain of events, its signed records, and the rows that these tell of."""


@ledger_command.command("verify")
@click.option(
    "--head",
    "heads",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A head that was kept elsewhere (`harness ledger head`): what it was signed over has to be there.",
)
@ledger_options
def verify_command(*, heads: tuple[Path, ...], folder: Path, database: str | None) -> None:
    """Name every row that was edited, removed, inserted or moved, whoever wrote it.

    Exit code: 0 none, 1 at least one, 2 the command makes no sense, 3 the ledger cannot be read.
    """
    from rich.text import Text  # noqa: PLC0415 - the help of the command needs none of it

    from harness.attestation import times  # noqa: PLC0415
    from harness.attestation.keys import Keyring  # noqa: PLC0415
    from harness.attestation.verify import Asked  # noqa: PLC0415
    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.core.files import LINES, load_bytes  # noqa: PLC0415
    from harness.ledger.verification import look  # noqa: PLC0415
    from harness.report.text import emit, make_console  # noqa: PLC0415

    kept = [
        line for path in heads for line in load_bytes(path, LINES, "the head", links=True).splitlines(keepends=True)
    ]
    with read_ledger(folder, database) as ledger:
        looked = look(ledger.database, Keyring().trusted(), Asked(times.now()), kept)
    console = make_console(sys.stdout)
    for problem in looked.problems:
        emit(console, Text.assemble(("✗ ", "bold red"), sanitize.one_line(problem, 400)))
    counted = f"{looked.events:,} events, {looked.records:,} records, {looked.heads:,} signed heads"
    counted += f", {looked.texts:,} texts, {looked.documents:,} documents"
    if looked.problems:
        many = len(looked.problems)
        emit(
            console, Text(f"{many} {'thing is' if many == 1 else 'things are'} not as they were written; in {counted}")
        )
        sys.exit(1)
    emit(console, Text.assemble(("✓ ", "green"), f"as it was written: {counted}"))
    if not looked.heads:
        emit(
            console, Text("  nothing was decided yet, so that no record holds the chain: who can write can rewrite it")
        )


@ledger_command.command("head")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it there.  [default: print it]")
@ledger_options
def head_command(*, output: Path | None, folder: Path, database: str | None) -> None:
    """Give the newest signed head of the chain, to be kept where nobody who writes to the ledger can reach it."""
    from harness.cli.record_file import write_records  # noqa: PLC0415
    from harness.core.errors import UserError  # noqa: PLC0415 - as above
    from harness.ledger.verification import newest_head  # noqa: PLC0415

    with read_ledger(folder, database) as ledger:
        line = newest_head(ledger.database)
    if not line:
        raise UserError("nothing was decided in this ledger yet, so that it has no signed head")
    if output is None:
        click.echo(line.decode("ascii"), nl=False)
        return
    write_records(line, output)
