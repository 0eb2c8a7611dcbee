"""`harness import FILE`: take the run of an archive into this ledger, once it was verified."""

from __future__ import annotations

import hashlib
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
    from harness.cli.progress import tell  # noqa: PLC0415 - the help of the command needs none of it
    from harness.cli.verify import end_unless_it_holds, look_at_archive  # noqa: PLC0415
    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.core.errors import UserError  # noqa: PLC0415
    from harness.core.files import LARGE, load_bytes  # noqa: PLC0415
    from harness.crate.adopt import adopt  # noqa: PLC0415
    from harness.crate.read import RunCrate  # noqa: PLC0415

    data = load_bytes(file, LARGE, "the archive", links=True)
    crate, problems, _ = look_at_archive(data, pems, inside=False)
    end_unless_it_holds(problems)
    if not isinstance(crate, RunCrate):
        raise UserError(f"{sanitize.path(str(file))} is the archive of a discovery", remedy="take in archives of runs")
    with open_ledger(folder, database) as ledger:
        number = adopt(ledger, crate, hashlib.sha256(data).hexdigest())
    tell(f"{sanitize.path(str(file))} is run {number} here: `harness show {number}`")
