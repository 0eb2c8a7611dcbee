"""The command `harness`: one file a command."""

from __future__ import annotations

import click

from harness.cli.image import image


@click.group()
def main() -> None:
    """Validate preference-optimization losses that language models write."""


main.add_command(image)
