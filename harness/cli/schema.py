"""`harness schema NAME`: the JSON Schema of a document that the harness writes."""

from __future__ import annotations

import click

from harness.report.json_report import pretty, shipped_schema


@click.command("schema")
@click.argument("name", type=click.Choice(["report", "doctor", "record"]))
def schema_command(name: str) -> None:
    """Print the JSON Schema of the document called NAME."""
    if name == "report":
        click.echo(shipped_schema(), nl=False)
        return
    if name == "record":
        from harness.attestation.statement import shipped_schema as records  # noqa: PLC0415 - as below

        click.echo(records(), nl=False)
        return
    from harness.doctor.report import schema  # noqa: PLC0415 - only this one needs the models

    click.echo(pretty(schema()))
