"""What the commands around the ledger share: where it is, and how a run is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.paced import told_seconds
from harness.core import text as sanitize
from harness.ladder import logs
from harness.ladder.ladder import called
from harness.ledger import Ledger
from harness.ledger.database import must_be_there, url_of
from harness.ledger.records import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.ledger.progress import Underway
    from harness.ledger.records import Run

_COLOURS = {
    "queued": "cyan",
    "running": "blue",
    "held": "yellow",
    "completed": "green",
    "rejected": "red",
    "duplicate": "magenta",
    "failed": "bold red",
    "cancelled": "dim",
}


#: The option that says where a project keeps what it makes.
folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".harness"),
    show_default=True,
    help="The project's own folder: artifacts, and the database unless another is named.",
)


def ledger_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where the ledger is."""
    command = folder_option(command)
    return click.option(
        "--database",
        metavar="URL",
        help="A SQLite or PostgreSQL database. [default: HARNESS_DATABASE_URL, or a file in the folder]",
    )(command)


def ladder_option(told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option that names a ladder; `told` is what the command does with it."""
    return click.option("--ladder", "--profile", "profile", default="bandit", show_default=True, help=told)


#: The option that names a folder of the user's for rungs that train on one; it is given as an absolute path.
data_option = click.option(
    "--data-dir",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="A folder with the data that the ladder trains on, such as CIFAR-10.",
)


#: The option that runs a candidate whatever the ledger knows of it.
again_option = click.option(
    "--again", is_flag=True, help="Run it whatever the ledger knows, and though another run is the same function."
)


#: The options of commands that work for long, for a log beside what people are shown.
log_level_option = click.option(
    "--log-level",
    type=click.Choice(logs.LEVELS),
    help="Log what happens, and what went wrong, to standard error.  [default: no log]",
)
log_format_option = click.option(
    "--log-format",
    type=click.Choice(logs.FORMATS),
    help="JSON lines take the place of what people are shown; they mean --log-level info.  [default: text]",
)


def open_ledger(folder: Path, database: str | None) -> Ledger:
    """The ledger that the options name; it is made where there is none."""
    return Ledger(folder, database=database)


def read_ledger(folder: Path, database: str | None) -> Ledger:
    """The same for who only looks. Raises UserError where there is none, or one of an older version."""
    return Ledger(folder, database=database, reading=True)


def known_ledger(folder: Path, database: str | None) -> Ledger:
    """The same for who changes what is there. Raises UserError where there is none."""
    must_be_there(url_of(folder, database))
    return Ledger(folder, database=database)


def state_style(run: Run) -> str:
    """How a state is coloured."""
    return _COLOURS.get(str(run.state), "")


def name_of(run: Run) -> str:
    """A candidate's name, harmless to print, with the beginning of its digest."""
    return f"{sanitize.terminal(run.name, 40)} {run.candidate[:8]}"


def underway_of(one: Underway) -> str:
    """How far a training is, in a line that is harmless to print."""
    newest = [f"{name} {points[-1][1]:.3f}" for name, points in list(one.curve.items())[:3] if points]
    told = ", ".join([f"{one.step} ({one.what})" if one.what else one.step, *share_of(one), *newest])
    return sanitize.one_line(f"{one.whose}, seed {one.seed}: {told}", 160)


def share_of(one: Underway) -> list[str]:
    """How much of its step a training has done, and the time left, as far as they are known."""
    share = [f"{one.done / one.total:.0%}"] if one.total else []
    return share + ([f"{told_seconds(one.left)} left"] if one.left is not None else [])


def underway_json(one: Underway) -> dict[str, Any]:
    """How far a training is, as machines read it."""
    return {**vars(one), "left": one.left, "curve": plain(one.curve)}


def as_json(run: Run) -> dict[str, Any]:
    """A run as machines read it."""
    return {**vars(run), "ladder": called(run.profile, run.profile_digest)}
