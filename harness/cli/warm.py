"""`harness warm`: sandboxes that wait for the next check."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import click

from harness.cli.progress import tell
from harness.core.contract import CONTRACTS
from harness.core.errors import HarnessError, InfrastructureError, UserError
from harness.core.profiles import profile_for


@click.command("warm")
@click.option("--status", is_flag=True, help="Say which helpers there are, and start none.")
@click.option("--stop", is_flag=True, help="End all helpers of this user.")
@click.option("--profile", help="The profile whose sandboxes are kept.  [default: the contract's newest]")
@click.option("--contract", type=click.Choice(list(CONTRACTS)), help="What a loss takes.  [default: preference]")
@click.option(
    "--sandboxes", default=2, show_default=True, type=click.IntRange(1, 8), help="How many wait; a check takes two."
)
@click.option("--idle", default=600.0, type=click.FloatRange(0.1, 86400.0), hidden=True)
@click.option("--serve", is_flag=True, hidden=True)
def warm_command(
    *,
    status: bool,
    stop: bool,
    profile: str | None,
    contract: str | None,
    sandboxes: int,
    idle: float,
    serve: bool,
) -> None:
    """Keep sandboxes ready for the next `harness check`, in a small process of your own.

    It is gone after ten minutes in which no check asked for one. A check takes what it finds, verifies it as its own,
    and starts its own where there is nothing to be found: the verdict is the same.

    Exit code: 0 sandboxes are kept (--status: by somebody; --stop: by nobody any more), 2 the command makes no sense,
    3 none could be started (--status: there are none).
    """
    from harness.warm import control, talk  # noqa: PLC0415 - the help of the command needs none of it

    if status and stop:
        raise UserError("--status and --stop are two things")
    if stop:
        for one in control.ask_all(talk.STOP):
            tell(f"process {one.pid} ends")
        return
    if status:
        found = control.ask_all(talk.STATUS)
        for one in found:
            tell(f"process {one.pid}: {one.ready} ready, image {one.image}")
        sys.exit(0 if found else InfrastructureError.exit_code)
    name = profile_for(contract, profile)
    if serve:
        _serve(name, sandboxes, idle)
        return
    pid = control.begin(["warm", "--serve", f"--profile={name}", f"--sandboxes={sandboxes}", f"--idle={idle}"])
    tell(f"process {pid} keeps sandboxes ready")


def _serve(profile: str, sandboxes: int, idle: float) -> None:
    """Be the helper; what went wrong is said to the one who started it."""
    from harness.checks.checker import Checker  # noqa: PLC0415 - as above
    from harness.checks.options import Options  # noqa: PLC0415
    from harness.warm import control, helper  # noqa: PLC0415

    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)

    def ready() -> None:
        control.say(said)
        said.close()

    try:
        with Checker.open(Options(profile=profile, gpu="none")) as checker:
            url, recipe = checker.engine.url, replace(checker.recipe, supply=None)
        helper.run(url, recipe, count=sandboxes, idle=idle, ready=ready)
    except HarnessError as error:
        if said.closed:
            raise
        control.say(said, error)
        said.close()
        sys.exit(error.exit_code)
