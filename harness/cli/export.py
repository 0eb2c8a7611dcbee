"""`harness export RUN`: one file with all of a run, for others to verify and repeat."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from harness.cli.ledgers import ledger_options, read_ledger


@click.command("export")
@click.argument("run", type=int)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The archive.  [default: run-RUN.crate.zip]",
)
@click.option("--plots/--no-plots", default=True, show_default=True, help="With its pictures (the extra `plots`).")
@ledger_options
def export_command(run: int, *, output: Path | None, plots: bool, folder: Path, database: str | None) -> None:
    """Pack a run that has ended: candidate, ladder, reports, documents, pictures and signed records (an RO-Crate).

    `harness verify` takes the file, on a machine that has nothing else of it.
    """
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - the help of the command needs none of it
    from harness.cli.pictures import draw_run  # noqa: PLC0415
    from harness.cli.progress import tell  # noqa: PLC0415
    from harness.cli.show import document  # noqa: PLC0415
    from harness.core.errors import UserError  # noqa: PLC0415
    from harness.core.files import check_destination, save_bytes  # noqa: PLC0415
    from harness.crate.write import write  # noqa: PLC0415
    from harness.ladder.ladder import ladder_for  # noqa: PLC0415

    output = output or Path(f"run-{run}.crate.zip")
    check_destination(output)
    ring = Keyring()
    signing, _ = ring.or_new()
    with read_ledger(folder, database) as ledger:
        found = ledger.run(run)
        ladder = ladder_for(ledger, found)
        if ladder is None:
            raise UserError(f"the ladder of run {run} is not known here", remedy="export it where it was submitted")
        pictures: dict[str, bytes] = {}
        if plots:
            with tempfile.TemporaryDirectory(prefix="harness-export-") as drawn:
                pictures = {path.name: path.read_bytes() for path in draw_run(ledger, found, Path(drawn) / "plots")}
        data = write(ledger, found, ladder, signing, ring.trusted(), told=document(ledger, found), pictures=pictures)
    save_bytes(data, output)
    tell(f"{output}: {len(data) / (1 << 20):.1f} MiB, signed with the key {signing.trusted.keyid[:12]}")
