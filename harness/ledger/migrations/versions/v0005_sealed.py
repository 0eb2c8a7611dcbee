"""Signed records of what gates decided, made in the transaction that decides; and events as a chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harness.ledger.event_chain import FIRST, digest_of, link_after

revision = "0005"
down_revision = "0004"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table, and chain the events. What was decided before has no records."""
    op.create_table(
        "sealed",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("run", _ID, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("rung", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("line", sa.LargeBinary, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
    )
    op.create_index("sealed_of_a_run", "sealed", ["run", "id"])
    # Filled below; SQLite adds no column without a value that every row gets.
    for name in ("sha256", "link"):
        op.add_column("events", sa.Column(name, sa.String(64), nullable=False, server_default=""))
    columns = (
        sa.column("detail", sa.JSON),
        *(sa.column(name) for name in ("id", "run", "time", "kind", "sha256", "link")),
    )
    events = sa.table("events", *columns)
    link, connection = FIRST, op.get_bind()
    for row in connection.execute(sa.select(events).order_by(events.c.id)).all():
        sha256 = digest_of(row.run, row.time, row.kind, row.detail)
        link = link_after(link, sha256)
        connection.execute(events.update().where(events.c.id == row.id).values(sha256=sha256, link=link))
