"""`harness export RUN`: one file with all of a run or a discovery, for others to verify and repeat."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.ledgers import ledger_options, read_ledger

if TYPE_CHECKING:
    from harness.attestation.keys import Keyring
    from harness.ledger import Ledger


@click.command("export")
@click.argument("run")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The archive.  [default: run-RUN.crate.zip, or discovery-RUN.crate.zip]",
)
@click.option("--plots/--no-plots", default=True, show_default=True, help="With its pictures (the extra `plots`).")
@ledger_options
def export_command(run: str, *, output: Path | None, plots: bool, folder: Path, database: str | None) -> None:
    """Pack a run that has ended: candidate, ladder, reports, documents, pictures and signed records (an RO-Crate).

    RUN is the number of a run, or the name of a discovery (run-1): then its journal, all of its losses and the records
    of their runs are packed. `harness verify` takes the file, on a machine that has nothing else of it.
    """
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - the help of the command needs none of it
    from harness.cli.progress import tell  # noqa: PLC0415
    from harness.core.files import check_destination, save_bytes  # noqa: PLC0415

    number = int(run) if run.isdecimal() else None
    output = output or Path(f"{'discovery-' if number is None else 'run-'}{Path(run).name}.crate.zip")
    check_destination(output)
    ring = Keyring()
    signing, _ = ring.or_new()
    with read_ledger(folder, database) as ledger:
        data = (
            _of_discovery(ledger, folder, run, ring) if number is None else _of_run(ledger, number, ring, plots=plots)
        )
    save_bytes(data, output)
    tell(f"{output}: {len(data) / (1 << 20):.1f} MiB, signed with the key {signing.trusted.keyid[:12]}")


def _of_run(ledger: Ledger, number: int, ring: Keyring, *, plots: bool) -> bytes:
    from harness.cli.pictures import draw_run  # noqa: PLC0415 - as above
    from harness.cli.show import document  # noqa: PLC0415
    from harness.core.errors import UserError  # noqa: PLC0415
    from harness.crate.write import write  # noqa: PLC0415
    from harness.ladder.ladder import ladder_for  # noqa: PLC0415

    found = ledger.run(number)
    ladder = ladder_for(ledger, found)
    if ladder is None:
        raise UserError(f"the ladder of run {number} is not known here", remedy="export it where it was submitted")
    pictures: dict[str, bytes] = {}
    if plots:
        with tempfile.TemporaryDirectory(prefix="harness-export-") as drawn:
            pictures = {path.name: path.read_bytes() for path in draw_run(ledger, found, Path(drawn) / "plots")}
    signing = ring.signing()
    return write(ledger, found, ladder, signing, ring.trusted(), told=document(ledger, found), pictures=pictures)


def _of_discovery(ledger: Ledger, folder: Path, name: str, ring: Keyring) -> bytes:
    from harness.discover.archived import write  # noqa: PLC0415 - as above
    from harness.discover.journal import find_run  # noqa: PLC0415

    return write(find_run(folder.resolve(), name), ledger, ring.signing(), ring.trusted())
