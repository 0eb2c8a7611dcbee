"""Ledgers that older versions made are opened, lose nothing, and are gone on with.

`old/COMMIT.db.gz` was left by the code of that commit: a run that has passed two rungs and two seeds of the third, one
that was rejected, and one that waits.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from harness.ladder.ladder import load
from harness.ledger import Ledger
from harness.ledger.records import Decision, State

OLD = sorted((Path(__file__).parent / "old").glob("*.db.gz"))


@pytest.fixture(params=OLD, ids=lambda path: path.name.partition(".")[0])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "ledger.db").write_bytes(gzip.decompress(request.param.read_bytes()))
    return tmp_path


def test_there_are_some() -> None:
    assert {path.name for path in OLD} >= {"dc73fe1.db.gz", "6610ca1.db.gz"}


def test_nothing_is_lost(old: Path) -> None:
    with Ledger(old) as ledger:
        good, bad, waiting = sorted(ledger.runs(), key=lambda run: run.id)
        assert [(r.name, r.state, r.rung) for r in (good, bad, waiting)] == [
            ("good", State.QUEUED, 2),
            ("bad", State.REJECTED, 0),
            ("waiting", State.QUEUED, 0),
        ]
        assert good.profile_digest == load(good.profile).digest
        assert [(s.seed, s.metric, s.value) for s in ledger.scores(good.id)["bandit"]] == [
            (0, "reward", 0.5),
            (1, "reward", 0.25),
        ]
        assert [(rung, told.decision) for rung, told in ledger.decisions(good.id)] == [
            ("screen", "promote"),
            ("properties", "promote"),
        ]
        ((rung, told),) = ledger.decisions(bad.id)
        assert (rung, told.detail) == ("screen", {"rules": ["S113"]})
        (report,) = ledger.attachments(good.id)
        assert ledger.document(report.sha256) == b'{"kept": true}'
        assert b"def" in ledger.text(waiting)
        assert ledger.secret()


def test_work_goes_on_where_it_was_left(old: Path) -> None:
    with Ledger(old) as ledger:
        held = ledger.claim("somebody", slot="a", needs=("cpu",))
        assert held is not None
        assert (held.run.name, held.run.rung) == ("good", 2)
        decision = Decision("promote", "it is better")
        ended = ledger.checkpoint(
            held, rung="bandit", scores=(), decision=decision, evaluation="a" * 64, next_needs=None
        )
        assert ended is State.COMPLETED
        following = ledger.claim("somebody", slot="a", needs=("cpu",))
        assert following is not None
        assert following.run.name == "waiting"
    with Ledger(old) as ledger:  # and once more, as the version of today
        assert ledger.run(held.run.id).state is State.COMPLETED
