"""`harness weights`: which weights of fine-tuned models are kept, and removing some of them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from harness.cli.progress import tell, tell_json


@click.command("weights")
@click.option("--remove", multiple=True, metavar="ADDRESS", help="Remove these; the beginning of an address will do.")
@click.option("--json", "json_wanted", is_flag=True, help="Write JSON to standard output.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".harness"),
    show_default=True,
    help="The project's own folder.",
)
def weights_command(*, remove: tuple[str, ...], json_wanted: bool, folder: Path) -> None:
    """List the weights that rungs with `keep_gib` have kept: address, size, last use, and what they are of.

    A rung keeps as many GiB as it says; the longest unused go first. What was removed is trained again where it is
    needed.
    """
    from harness.core.errors import UserError  # noqa: PLC0415 - the help of the command needs none of it
    from harness.training.weights import KeptWeights  # noqa: PLC0415

    kept = KeptWeights(folder / "weights")
    for address in remove:
        fit = [one.address for one in kept.listed() if address and one.address.startswith(address)]
        if len(fit) != 1:
            raise UserError(f"{len(fit)} addresses begin with {address!r}", remedy="`harness weights` lists them")
        kept.remove(fit[0])
        if not json_wanted:
            tell(f"removed {fit[0]}")
    found = sorted(kept.listed(), key=lambda one: -one.used)
    if json_wanted:
        rows = [{"address": o.address, "about": o.about, "bytes": o.size, "used": round(o.used, 3)} for o in found]
        tell_json({"schema": "harness.weights/v1", "weights": rows})
        return
    for one in found:
        used = dt.datetime.fromtimestamp(one.used, dt.UTC).strftime("%Y-%m-%d %H:%M")
        tell(f"{one.address}  {one.size / (1 << 20):10.1f} MiB  {used}  {one.about}")
    if not remove:
        total = sum(one.size for one in found) / (1 << 20)
        tell(f"{len(found)} kept, {total:.1f} MiB in {folder / 'weights'}")
