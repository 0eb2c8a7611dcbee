"""What is being trained right now: its progress and its learning curve so far, for whoever looks at the ledger.

A row for each run, whose training it is and its seed, written anew every few seconds. Nothing is decided by it, so it
is written without waiting for anybody, and read only of attempts that still hold their run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from harness.ledger.database import replace_all
from harness.ledger.events import held_by
from harness.ledger.records import clean, plain
from harness.ledger.states import State
from harness.ledger.tables import runs, underway

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.ledger.database import Database
    from harness.ledger.records import Claim

#: The units of a step are counted up to this number.
_MOST = 2**31 - 1
#: So long is waited for whoever writes to the ledger at the moment, in seconds: the next word comes soon.
_PATIENCE = 1.0
#: Before so many seconds have passed nothing is said of the time that is left.
_LEAST = 0.5


@dataclass(frozen=True)
class Underway:
    """A step of a training: whose ("candidate" or a baseline), at which rung and seed, and how far it is.

    `done` of `total` units took `elapsed` seconds; `curve` has for each metric the points (unit, value) so far.
    """

    whose: str
    rung: str
    seed: int
    step: str
    what: str
    done: int
    total: int
    elapsed: float
    curve: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)

    @property
    def left(self) -> float | None:
        """Seconds that the step still takes at the pace so far; None where nothing is known of it."""
        if self.elapsed < _LEAST or not 0 < self.done <= self.total:
            return None
        return self.elapsed * (self.total - self.done) / self.done


def tell(database: Database, held: Claim, one: Underway) -> None:
    """Write down how far a training is, unless the run is held by another attempt by now."""
    row = {
        "run": held.run.id,
        "whose": clean(one.whose)[:64],
        "attempt": held.attempt,
        "rung": one.rung,
        "seed": one.seed,
        "step": one.step,
        "what": clean(one.what),
        "done": min(one.done, _MOST),
        "total": min(one.total, _MOST),
        "elapsed": one.elapsed,
        "curve": plain({name: [list(point) for point in points] for name, points in one.curve.items()}),
    }
    with database.writing(_PATIENCE) as connection:
        mine = select(runs.c.id).where(runs.c.id == held.run.id, *held_by(held.attempt))
        if connection.execute(mine).first() is not None:
            row["time"] = database.time(connection)
            replace_all(connection, underway, [row], *(name for name in row if name not in {"run", "whose", "seed"}))


def over(database: Database, held: Claim, seed: int | None = None) -> None:
    """Nothing is under way any more for a run's seeds up to this one, or for any."""
    mine = delete(underway).where(underway.c.run == held.run.id, underway.c.attempt <= held.attempt)
    with database.writing(_PATIENCE) as connection:
        connection.execute(mine if seed is None else mine.where(underway.c.seed <= seed))


def underway_of(database: Database, run: int | None = None) -> dict[int, list[Underway]]:
    """What is under way, by run: of one run or of all."""
    live = (runs.c.id == underway.c.run, runs.c.attempt == underway.c.attempt, runs.c.state == State.RUNNING)
    wanted = (
        select(underway)
        .join(runs, live[0])
        .where(*live[1:])
        .order_by(underway.c.run, underway.c.seed, underway.c.whose)
    )
    if run is not None:
        wanted = wanted.where(underway.c.run == run)
    out: dict[int, list[Underway]] = {}
    with database.reading() as connection:
        for row in connection.execute(wanted):
            curve = {name: tuple((int(n), float(v)) for n, v in points) for name, points in row.curve.items()}
            of = (row.whose, row.rung, row.seed, row.step, row.what, row.done, row.total, row.elapsed, curve)
            out.setdefault(row.run, []).append(Underway(*of))
    return out
