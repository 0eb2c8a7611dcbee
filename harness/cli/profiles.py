"""`harness profiles`: the dated sets of rules."""

from __future__ import annotations

import json

import click

from harness.profiles import load, names


@click.command("profiles")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def profiles_command(name: str | None, *, as_json: bool) -> None:
    """List the profiles, or show the one called NAME."""
    chosen = [load(n) for n in ([name] if name else names())]
    rows = [
        {
            "name": p.name,
            "date": p.date,
            "contract": p.contract,
            "digest": p.digest,
            "properties": list(p.properties),
            "examples": p.examples,
            "domain": dict(p.domain_numbers),
            "limits": dict(p.limit_numbers),
        }
        for p in chosen
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row, profile in zip(rows, chosen, strict=True):
        click.echo(f"{profile.name}  {profile.date}  {profile.contract}  sha256 {profile.digest[:12]}")
        if name:
            for key in ("properties", "domain", "limits"):
                click.echo(f"  {key}: {row[key]}")
