"""`harness schema NAME`: the JSON Schema of a document that the harness writes."""

from __future__ import annotations

import click

from harness.report.json_report import shipped_schema


@click.command("schema")
@click.argument("name", type=click.Choice(["report"]))
def schema_command(name: str) -> None:  # noqa: ARG001 - there is one document so far; the choice checks it
    """Print the JSON Schema of the document called NAME."""
    click.echo(shipped_schema(), nl=False)
