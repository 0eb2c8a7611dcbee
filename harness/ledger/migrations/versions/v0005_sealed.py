"""Signed records of what gates decided, made in the transaction that decides."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table. What was decided before has no records."""
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
