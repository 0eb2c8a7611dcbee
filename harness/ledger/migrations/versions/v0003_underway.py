"""What is being trained right now, and how far it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "underway",
        sa.Column("run", _ID, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("whose", sa.String(64), primary_key=True),
        sa.Column("seed", sa.BigInteger, primary_key=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("rung", sa.String(32), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("elapsed", sa.Float, nullable=False),
        sa.Column("curve", sa.JSON, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
    )
