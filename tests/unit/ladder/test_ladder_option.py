"""A ladder is named by `--ladder`; `--profile`, as it was called before, goes on working."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.core.errors import UserError
from harness.ledger import Ledger

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("command", ["run", "submit", "worker", "discover", "leaderboard"])
def test_every_command_of_ladders_knows_both(command: str) -> None:
    shown = CliRunner().invoke(cli, [command, "--help"]).output
    assert "--ladder, --profile TEXT" in shown


def test_both_name_the_same_ladder(tmp_path: Path) -> None:
    for option in ("--ladder", "--profile"):
        arguments = ["submit", str(ROOT / "examples" / "dpo.py"), option, "bandit", "--folder", str(tmp_path)]
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 0, done.output
    with Ledger(tmp_path) as ledger:
        assert len(ledger.runs()) == 1


def test_one_that_is_not_there_is_refused_with_the_next_step() -> None:
    done = CliRunner().invoke(cli, ["submit", str(ROOT / "examples" / "dpo.py"), "--ladder", "bandits"])
    assert isinstance(done.exception, UserError)
    assert done.exception.remedy.startswith("one of: ")
    assert "bandit-" in done.exception.remedy
