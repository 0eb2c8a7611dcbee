"""What all runs of a ladder came to: one query for each table, however many runs there are.

Who asks about a single run finds the same in `harness/ledger/queries.py` and `documents.py`.
"""

from __future__ import annotations

import functools
import json
import math
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import Text, cast, func, or_, select

from harness.ledger.documents import unpacked
from harness.ledger.records import Decision, Event
from harness.ledger.tables import artifacts, attachments, decisions, events, results, runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Table

    from harness.ledger.database import Database

    #: For each seed, each metric.
    Seeds = dict[int, dict[str, float]]


def _of(table: Table, profile_digest: str) -> ColumnElement[bool]:
    """The condition that a row belongs to a run of this ladder."""
    return table.c.run.in_(select(runs.c.id).where(runs.c.profile_digest == profile_digest))


def ladder_places(database: Database, profile_digest: str) -> dict[int, int]:
    """By run, the rung that comes next."""
    wanted = select(runs.c.id, runs.c.rung).where(runs.c.profile_digest == profile_digest)
    with database.reading() as connection:
        return {row.id: row.rung for row in connection.execute(wanted)}


def ladder_scores(database: Database, profile_digest: str, metrics: Mapping[str, str]) -> dict[int, dict[str, Seeds]]:
    """By run, rung and seed what was measured: of each rung in `metrics` its one metric. Other seeds are not there."""
    if not metrics:
        return {}
    rungs = or_(*((results.c.rung == rung) & (results.c.metric == metric) for rung, metric in metrics.items()))
    columns = (results.c.run, results.c.rung, results.c.seed, results.c.value, results.c.spelt)
    wanted = select(*columns).where(_of(results, profile_digest), rungs).order_by(*columns[:3])
    out: dict[int, dict[str, Seeds]] = {}
    with database.reading() as connection:
        for run, rung, seed, value, spelt in connection.execute(wanted).all():
            number = float(spelt or math.nan) if value is None else value
            out.setdefault(run, {}).setdefault(rung, {})[seed] = {metrics[rung]: number}
    return out


def ladder_events(database: Database, profile_digest: str, kind: str) -> dict[int, list[Event]]:
    """By run, all events of one kind, in order."""
    wanted = select(events.c.run, events.c.time, cast(events.c.detail, Text))
    wanted = wanted.where(_of(events, profile_digest), events.c.kind == kind).order_by(events.c.id)
    read = functools.cache(json.loads)  # most say the same
    out: dict[int, list[Event]] = {}
    with database.reading() as connection:
        for run, time, detail in connection.execute(wanted).all():
            out.setdefault(run, []).append(Event(time, kind, read(detail)))
    return out


def ladder_decisions(database: Database, profile_digest: str) -> dict[int, dict[str, Decision]]:
    """By run and rung, what the gates said."""
    wanted = select(decisions.c.run, decisions.c.rung, decisions.c.decision, decisions.c.reason, decisions.c.detail)
    wanted = wanted.where(_of(decisions, profile_digest)).order_by(decisions.c.id)
    out: dict[int, dict[str, Decision]] = {}
    with database.reading() as connection:
        for run, rung, *said in connection.execute(wanted).all():
            out.setdefault(run, {})[rung] = Decision(*said)
    return out


#: The documents of a rung, as (name, digest).
Named: TypeAlias = "tuple[tuple[str, str], ...]"


def ladder_documents(
    database: Database, profile_digest: str, like: str
) -> tuple[dict[int, dict[str, Named]], dict[str, bytes]]:
    """The documents whose names are like this (SQL's %): by run and rung their names and digests; by digest the bytes.

    Runs that have the same documents have one and the same tuple. Raises LedgerError where one was changed.
    """
    mine = (_of(attachments, profile_digest), attachments.c.name.like(like))
    each = attachments.c.name + ":" + attachments.c.artifact
    rung = (attachments.c.run, attachments.c.rung)
    wanted = select(*rung, func.aggregate_strings(each, ",")).where(*mine).group_by(*rung)
    distinct = select(attachments.c.artifact).where(*mine).distinct()
    contents = select(artifacts.c.sha256, artifacts.c.data).where(artifacts.c.sha256.in_(distinct))
    with database.reading() as connection:
        rows = connection.execute(wanted).all()
        made = {digest: unpacked(data, digest) for digest, data in connection.execute(contents)}

    @functools.cache
    def parted(told: str) -> Named:
        pairs = (one.rpartition(":")[::2] for one in sorted(told.split(",")))
        return tuple((name, digest) for name, digest in pairs if digest in made)  # else it was replaced in between

    out: dict[int, dict[str, Named]] = {}
    for run, name, told in rows:
        out.setdefault(run, {})[name] = parted(told)
    return out, made
