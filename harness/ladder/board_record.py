"""The record of a leaderboard: who is ahead, and by which records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attestation import times
from harness.attestation.envelope import seal
from harness.attestation.statement import LEADERBOARD, statement
from harness.core import text as sanitize
from harness.core.errors import UserError
from harness.core.version import __version__
from harness.ledger.records import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.attestation.keys import Signing
    from harness.core.verdict import Json
    from harness.ladder.board import Standing
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger


def seal_board(ledger: Ledger, ladder: Ladder, rows: Sequence[Standing], signing: Signing) -> bytes:
    """The record, as a line. Raises UserError for a board that nobody is on."""
    if not rows:
        raise UserError("nobody is on this leaderboard, so that no record can be about it")
    places: list[Json] = [_place(ledger, rank, row) for rank, row in enumerate(rows, 1)]
    said: dict[str, Json] = {
        "time": times.spelt(times.now()),
        "nonce": "",
        "ladder": ladder.digest,
        "name": ladder.name,
        "harness": __version__,
        "places": places,
    }
    about = {f"{rank}: {sanitize.name(row.run.name)}": row.run.candidate for rank, row in enumerate(rows, 1)}
    return seal(statement(LEADERBOARD, about, said), signing)


def _place(ledger: Ledger, rank: int, row: Standing) -> dict[str, Json]:
    made = ledger.sealed(row.run.id)
    return {
        "rank": rank,
        "candidate": row.run.candidate,
        "run": row.run.id,
        "rung": row.rung,
        "metric": row.metric,
        "mean": plain(row.mean),
        "low": plain(row.low),
        "high": plain(row.high),
        "seeds": row.seeds,
        "record": made[-1].sha256 if made else "",
    }
