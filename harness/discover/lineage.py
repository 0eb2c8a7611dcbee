"""Which loss came from which, and how the best rose: read from a journal, without an engine and without a ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import UserError
from harness.discover.track import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from harness.core.verdict import Json


@dataclass(frozen=True)
class Node:
    """A measured loss with those it was made from (ids) and those made from it, by first parent."""

    row: Row
    children: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Step:
    """After one attempt: seconds of compute so far, its gain if it has one, and the best gain so far."""

    generation: int
    seconds: float
    gain: float | None
    best: float | None


def rows_of(entries: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows of a journal, burn-in first. Raises UserError for entries that are none."""
    try:
        return [Row.read(entry) for entry in entries if entry["kind"] in {"burn-in", "judged"}]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"this journal is damaged: {error}", remedy="restore it from a copy") from error


def forest(rows: Sequence[Row]) -> list[Node]:
    """The measured losses as trees: each below the first of its parents, roots in the order of their arrival."""
    measured = {row.id: row for row in rows if row.fate == "measured"}
    below: dict[str, list[Node]] = {}
    roots: list[Node] = []
    # From the last to the first: a parent is of an earlier generation, so its children are all there.
    for row in reversed(measured.values()):
        node = Node(row, tuple(reversed(below.get(row.id, []))))
        parent = next((one for one in row.parents if one in measured and measured[one].generation < row.generation), "")
        (below.setdefault(parent, []) if parent else roots).append(node)
    return roots[::-1]


def progress(rows: Sequence[Row]) -> list[Step]:
    """How the best gain rose. The burn-in is generation -1."""
    best: float | None = None
    place = -1
    seconds = 0.0
    out = []
    for row in rows:
        seconds += sum(row.seconds.values())
        gain = row.gain if row.fate == "measured" else None
        if gain is not None and (best is None or (row.place, gain) > (place, best)):
            place, best = row.place, gain
        out.append(Step(row.generation, seconds, gain, best))
    return out


def document(rows: Sequence[Row]) -> list[dict[str, Json]]:
    """Every attempt as JSON, without its code."""
    kept = ("generation", "attempt", "template", "reply", "fate", "rung", "name", "id", "told", "score", "gain", "run")
    out: list[dict[str, Json]] = []
    for row in rows:
        entry: dict[str, Json] = {key: getattr(row, key) for key in kept}
        entry |= {"parents": list(row.parents), "rules": list(row.rules), "same_as": row.same_as}
        entry["seconds"] = sum(row.seconds.values())
        out.append(entry)
    return out
