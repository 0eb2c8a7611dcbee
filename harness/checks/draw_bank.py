"""`python -m harness.checks.draw_bank [PROFILE ...]`: draws the examples of profiles, and keeps them (`bank.py`)."""

from __future__ import annotations

import os
import sys

import click

from harness.checks.bank import Bank, keep
from harness.checks.drawn import drawn
from harness.checks.suite import Suite
from harness.core.files import MIB
from harness.core.pins import HOST, host_is_pinned
from harness.core.profiles import load, names


@click.command()
@click.argument("profiles", nargs=-1)
@click.option("--seed", default=0, show_default=True, help="The seed that checks will be given.")
def main(profiles: tuple[str, ...], seed: int) -> None:
    """Draw the examples of these profiles, by default of all, and say where they lie."""
    if not host_is_pinned():  # what is loaded by now has chosen: once more from the beginning
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **HOST})  # noqa: S606 - itself
    for name in profiles or names():
        profile = load(name)
        suite = Suite(profile, seed)
        examples = suite.drawn()
        path = keep(Bank(examples, drawn(suite.draws())), profile, seed)
        sys.stdout.write(f"{path}: {path.stat().st_size / MIB:.2f} MiB\n")


if __name__ == "__main__":
    main()
