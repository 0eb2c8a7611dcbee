"""Whoever looks asks the database as often for a thousand runs as for ten."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, event, insert, update

from harness.cli.leaderboard import leaderboard_command
from harness.cli.queue import queue_command
from harness.cli.show import show_command
from harness.core.candidate import Candidate
from harness.ladder.evaluations import MEASURED
from harness.ladder.false_discovery import families
from harness.ladder.ladder import load
from harness.ladder.rung_records import BASELINE
from harness.ledger import Ledger
from harness.ledger.tables import attachments, events, results, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import click

#: Runs in the small and the large ledger, and seeds of each.
FEW, MANY, SEEDS = 10, 1000, 3
#: One in so many is at work at the moment.
RUNNING = 5


def fill(ledger: Ledger, number: int) -> None:
    """Runs of the default ladder that were measured at its gate; some of them are still held by a worker."""
    ladder = load()
    (plan,) = (plan for plan in ladder.rungs if plan.gate is not None)
    entries = []
    for place in range(number):
        data = f"# {place}\n".encode()
        entries.append((Candidate(f"{place}.py", data, hashlib.sha256(data).hexdigest()), f"loss-{place}"))
    made = ledger.submit(entries, profile=ladder.name, profile_digest=ladder.digest, needs="cpu")
    kept = [ledger.keep(json.dumps({"score": 0.5 + 0.01 * seed}).encode()) for seed in range(SEEDS)]
    by = {"rung": plan.name, "evaluation": "e" * 64, "untuned": "e" * 64}
    scores, documents, told, held = [], [], [], []
    for place, one in enumerate(made):
        for seed in range(SEEDS):
            key = {"run": one.run, "rung": plan.name, "attempt": 1}
            value = 0.5 + 0.001 * place + 0.01 * seed**2
            scores.append({**key, "seed": seed, "metric": "score", "value": value, "spelt": ""})
            documents.append({**key, "name": BASELINE.format(seed), "artifact": kept[seed]})
        told.append({"run": one.run, "time": 1.0, "kind": MEASURED, "detail": by})
        held += [one.run] if place % RUNNING == 0 else []
    with ledger.database.writing() as connection:
        for table, rows in ((results, scores), (attachments, documents), (events, told)):
            connection.execute(insert(table), rows)
        connection.execute(update(runs).values(state="completed", rung=len(ladder.rungs), attempt=1))
        mine = update(runs).where(runs.c.id.in_(held))
        connection.execute(mine.values(state="running", owner="elsewhere/1/gone/0", lease=2.0**40))


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What is asked of any database."""
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield asked
    event.remove(Engine, "before_cursor_execute", note)


def command(which: click.Command, *words: str) -> Callable[[Path, str], None]:
    def called(folder: Path, database: str) -> None:
        done = CliRunner().invoke(which, [*words, "--folder", str(folder), "--database", database])
        assert done.exit_code == 0, done.output

    return called


def discoveries(folder: Path, database: str) -> None:
    with Ledger(folder, database=database) as ledger:
        (family,) = families(ledger, load(), 0.05)
        assert len(family.standings) >= FEW


LOOKS = {
    "leaderboard": command(leaderboard_command),
    "leaderboard with discoveries": command(leaderboard_command, "--fdr", ".05"),
    "leaderboard, for machines": command(leaderboard_command, "--json"),
    "queue": command(queue_command),
    "queue, all of it for machines": command(queue_command, "--all", "--json"),
    "show": command(show_command, "1"),
    "show, for machines": command(show_command, "1", "--json"),
    "discoveries": discoveries,
}


def test_a_look_takes_as_many_queries_for_a_thousand_runs_as_for_ten(
    ledger: Ledger, database_url: str, tmp_path: Path, statements: list[str]
) -> None:
    asked: dict[str, list[int]] = {name: [] for name in LOOKS}
    for number in (FEW, MANY):  # the ten are among the thousand
        with ledger.database.writing() as connection:
            for table in (results, attachments, events):
                connection.execute(table.delete())
        fill(ledger, number)
        for name, look in LOOKS.items():
            statements.clear()
            look(tmp_path, database_url)
            asked[name].append(len(statements))
    assert all(few == many > 0 for few, many in asked.values()), asked


def test_a_run_with_many_seeds_is_shown_in_as_many_queries(
    ledger: Ledger, database_url: str, tmp_path: Path, statements: list[str]
) -> None:
    asked = []
    fill(ledger, 1)
    for more in (0, 20):
        seeds = range(SEEDS, SEEDS + more)
        kept = {seed: ledger.keep(json.dumps({"score": 0.1 * seed}).encode()) for seed in seeds}
        with ledger.database.writing() as connection:
            for seed, digest in kept.items():
                row = {"run": 1, "rung": "bandit", "name": BASELINE.format(seed), "artifact": digest, "attempt": 1}
                connection.execute(insert(attachments).values(**row))
        statements.clear()
        command(show_command, "1")(tmp_path, database_url)
        asked.append(len(statements))
    assert asked[0] == asked[1] > 0
