"""`harness export-loss RUN`: a promoted loss as a package for trl, torchtune and plain PyTorch."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.ledgers import ledger_options, read_ledger


@click.command("export-loss")
@click.argument("run", type=int)
@click.option(
    "--to",
    "to",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder: a new one, or an empty one, with a name that Python can import.  [default: loss_RUN]",
)
@click.option(
    "--form",
    type=click.Choice(["trl", "torchtune", "torch", "all"]),
    default="all",
    show_default=True,
    help="What to have it for.",
)
@ledger_options
def export_loss_command(run: int, *, to: Path | None, form: str, folder: Path, database: str | None) -> None:
    """Write the loss of a promoted run as a package that a training of yours imports.

    The loss is called as the sandbox called it, at the values that were tuned for it, with its stability limits as
    guards. Beside it are its signed records, for `harness verify`, and a README.md that is to be read first: from then
    on a candidate's code runs in your own process.

    A sandbox answers some questions for the export's own test, that it gives the oracle's bits; a loss with the
    fingerprint of one that trl has built in is held against that one in two more.
    """
    from harness.attestation.keys import Keyring  # noqa: PLC0415 - the help of the command needs none of it
    from harness.checks.checker import Checker  # noqa: PLC0415
    from harness.checks.options import Options  # noqa: PLC0415
    from harness.cli.progress import say, tell  # noqa: PLC0415
    from harness.loss_export.asking import answers_of, built_in_of  # noqa: PLC0415
    from harness.loss_export.promoted import promoted  # noqa: PLC0415
    from harness.loss_export.writing import FORMS, check_folder, files_of, write  # noqa: PLC0415

    to = to or Path(f"loss_{run}")
    check_folder(to)
    with read_ledger(folder, database) as ledger:
        one = promoted(ledger, ledger.run(run), Keyring().trusted())
    with Checker.open(Options(profile=one.profile.name, gpu="none")) as checker:
        answers = answers_of(one, checker)
        built_in, told = built_in_of(one, checker)
    write(files_of(one, list(FORMS) if form == "all" else [form], answers, built_in, told), to)
    tell(f"{to}: run {run}, promoted by {', '.join(name for name, _ in one.rungs)}")
    if built_in is not None:
        tell(f"trl has it built in: {built_in.config('BETA')}")
    if told:
        say(f"harness: {told}")
    say(f"harness: read {to / 'README.md'} first: importing this folder runs the candidate's code in your process")
