"""The command `harness`: one file a command, loaded when it is called."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import warnings
from typing import NoReturn

import click

from harness.core.errors import HarnessError, UserError
from harness.core.imports import put_the_callers_path_behind
from harness.core.pins import pin_host
from harness.core.version import __version__

#: Command, module and attribute; the help of the group must not load what the commands load.
_COMMANDS = {
    "check": ("harness.cli.check", "check_command"),
    "doctor": ("harness.cli.doctor", "doctor_command"),
    "warm": ("harness.cli.warm", "warm_command"),
    "explain": ("harness.cli.explain", "explain_command"),
    "rules": ("harness.cli.rules", "rules_command"),
    "profiles": ("harness.cli.profiles", "profiles_command"),
    "schema": ("harness.cli.schema", "schema_command"),
    "ledger": ("harness.cli.ledger", "ledger_command"),
    "reproduce": ("harness.cli.reproduce", "reproduce_command"),
    "import": ("harness.cli.import_run", "import_command"),
    "export": ("harness.cli.export", "export_command"),
    "export-loss": ("harness.cli.export_loss", "export_loss_command"),
    "keys": ("harness.cli.keys", "keys_command"),
    "verify": ("harness.cli.verify", "verify_command"),
    "image": ("harness.cli.image", "image"),
    "run": ("harness.cli.run", "run_command"),
    "submit": ("harness.cli.submit", "submit_command"),
    "worker": ("harness.cli.worker", "worker_command"),
    "queue": ("harness.cli.queue", "queue_command"),
    "show": ("harness.cli.show", "show_command"),
    "leaderboard": ("harness.cli.leaderboard", "leaderboard_command"),
    "calibrate": ("harness.cli.calibrate", "calibrate_command"),
    "cancel": ("harness.cli.operator_actions", "cancel_command"),
    "retry": ("harness.cli.operator_actions", "retry_command"),
    "approve": ("harness.cli.operator_actions", "approve_command"),
    "discover": ("harness.cli.discover", "discover_command"),
    "lineage": ("harness.cli.lineage", "lineage_command"),
    "answer": ("harness.cli.answer", "answer_command"),
    "judge": ("harness.cli.judge", "judge_command"),
    "weights": ("harness.cli.weights", "weights_command"),
    "frontier": ("harness.cli.frontier", "frontier_command"),
    "diverge": ("harness.cli.diverge", "diverge_command"),
    "plot": ("harness.cli.plot", "plot_command"),
    "iterate": ("harness.cli.iterate", "iterate_command"),
}
INTERRUPTED = 130
#: So many objects more than were given back have Python look for garbage.
_OBJECTS = 100_000


class _Group(click.Group):
    """Loads a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_Group)
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Validate preference-optimization losses that language models write.

    Each loss is untrusted code: it runs in a container of its own and is judged by its answers alone.
    """


def main() -> NoReturn:
    """Run the command line; exit codes are sorted by whose fault it is."""
    put_the_callers_path_behind()
    pin_host()
    if "--static" in sys.argv:  # it takes as long to start as all that is loaded here until there is a text for it
        from harness.screen.process import start_ahead  # noqa: PLC0415 - as all that commands load

        start_ahead()
    # Imports, and rows of a ledger, are many objects and no garbage: to look for some after every few hundred of them
    # takes a fifth of the time of a short command.
    gc.set_threshold(_OBJECTS)
    # What Python and its packages remark on is for developers, and may not end a check (-W error) either.
    warnings.simplefilter("ignore")
    # Told to stop is interrupted: every path out has to pass where sandboxes are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        from harness.cli.progress import say_usage  # noqa: PLC0415 - most commands are right

        say_usage(error)
        sys.exit(UserError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.stdout.flush()
        # Not sys.exit: an interrupt that passed through text compiled at run time, such as a data class that
        # was being made, has Python end itself by the signal in place of the exit code.
        os._exit(INTERRUPTED)
    except HarnessError as error:
        from harness.cli.progress import say  # noqa: PLC0415 - as above

        say(f"harness: {error.message}")
        if error.remedy:
            say(f"next step: {error.remedy}")
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - Python itself would end with 1, which is a rejection
        from harness.cli.progress import say_bug  # noqa: PLC0415 - as above

        say_bug(error)
        sys.exit(HarnessError.exit_code)
