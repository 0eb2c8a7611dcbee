"""`harness lineage`: which loss of a discovery came from which, and how the best rose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text
from rich.tree import Tree

from harness.cli.discovery_display import gain, place
from harness.cli.progress import tell_json
from harness.core import text as sanitize
from harness.core.files import save_bytes
from harness.discover import lineage
from harness.discover.journal import JOURNAL, find_run, read_entries
from harness.report.terminal import Terminal

if TYPE_CHECKING:
    from harness.discover.lineage import Node
    from harness.discover.track import Row


@click.command("lineage")
@click.argument("run")
@click.option("--json", "json_wanted", is_flag=True, help="Write JSON to standard output.")
@click.option("--plots", metavar="DIR", type=click.Path(path_type=Path), help="Draw the best gain into a folder.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".harness"),
    show_default=True,
    help="The project's own folder.",
)
def lineage_command(*, run: str, json_wanted: bool, plots: Path | None, folder: Path) -> None:
    """Show the losses of a discovery below their parents, with their gains over the baseline."""
    entries = read_entries(find_run(folder.resolve(), run) / JOURNAL)
    rows = lineage.rows_of(entries)
    head = entries[0] if entries else {}
    metric, baseline = str(head.get("metric", "score")), str(head.get("baseline", "dpo"))
    if plots is not None:
        from harness.plots.plots import make_folder  # noqa: PLC0415

        make_folder(plots, parents=True)
        for suffix, data in lineage.draw_progress(lineage.progress(rows), metric, baseline).items():
            save_bytes(data, plots / f"progress.{suffix}")
    if json_wanted:
        document = {"schema": "harness.lineage/v1", "metric": metric, "baseline": baseline}
        tell_json({**document, "rows": lineage.document(rows)}, sort_keys=True)
        return
    names = {row.id: row.name for row in rows if row.id}
    root = Tree(Text(f"{sanitize.one_line(run)}: gain in {sanitize.one_line(metric)} over {baseline}"))
    for node in lineage.forest(rows):
        _grow(root, node, names)
    Terminal().print(root)


def _grow(tree: Tree, node: Node, names: dict[str, str]) -> None:
    branch = tree.add(_label(node.row, names))
    for child in node.children:
        _grow(branch, child, names)


def _label(row: Row, names: dict[str, str]) -> Text:
    out = Text(f"{row.name} ", style="bold").append(f"{gain(row.gain) or '-'}  ", style="not bold")
    out.append(f"{place(row)}  {row.id[:8]}", style="dim")
    if others := [names[parent] for parent in row.parents[1:] if parent in names]:
        out.append(f"  also from {', '.join(others)}", style="dim")
    return out
