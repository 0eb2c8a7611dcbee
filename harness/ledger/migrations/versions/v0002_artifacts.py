"""Reports and other small documents of runs, in the database: there for everybody who has it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "artifacts",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
    )
    op.create_table(
        "attachments",
        sa.Column("run", _ID, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("rung", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("artifact", sa.String(64), sa.ForeignKey("artifacts.sha256"), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
    )
