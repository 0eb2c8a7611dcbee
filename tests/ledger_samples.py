"""What the tests of the ledger share: candidates, decisions, ledgers on both databases."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import ledger_postgres
import pytest

from harness.core.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.ledger import Ledger
    from harness.ledger.records import Claim, State

PROFILE: dict[str, Any] = {"profile": "test-1", "profile_digest": "d" * 64}
RUNGS = ("zero", "one", "two")


@pytest.fixture(scope="session")
def postgres() -> Iterator[ledger_postgres.Postgres]:
    """One server for all tests of a session."""
    with ledger_postgres.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres").database()
    return url


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger on each database."""
    from harness.ledger import Ledger  # its libraries take a while, and most tests need none

    with Ledger(tmp_path, database=database_url) as opened:
        yield opened


def candidate(number: int) -> tuple[Candidate, str]:
    data = f"# {number}\n".encode()
    return Candidate(f"losses/{number}.py", data, hashlib.sha256(data).hexdigest()), f"loss-{number}"


def submit(ledger: Ledger, numbers: Sequence[int] = (0,), *, needs: str = "cpu", priority: int = 0) -> list[int]:
    """Submit candidates by their numbers; give their runs."""
    entries = [candidate(number) for number in numbers]
    return [s.run for s in ledger.submit(entries, **PROFILE, needs=needs, priority=priority)]


def claim(ledger: Ledger, owner: str = "worker", slot: str = "", **more: Any) -> Claim:
    """Claim what is next, for the worker's only place."""
    held = ledger.claim(owner, slot=slot or f"{owner}/cpu/0", **({"needs": ("cpu",)} | more))
    assert held is not None
    return held


def checkpoint(ledger: Ledger, held: Claim, rung: int, **more: Any) -> State:
    """Promote a run over a rung of three."""
    from harness.ledger.records import Decision

    words: dict[str, Any] = {
        "rung": RUNGS[rung],
        "scores": (),
        "decision": Decision("promote", "well done"),
        "evaluation": hashlib.sha256(RUNGS[rung].encode()).hexdigest(),
        "next_needs": "cpu" if rung < 2 else None,
    }
    return ledger.checkpoint(held, **(words | more))


def rows(ledger: Ledger, table: str) -> list[dict[str, Any]]:
    """All rows of a table."""
    from sqlalchemy import select

    from harness.ledger.tables import metadata

    with ledger.database.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(select(metadata.tables[table]))]
