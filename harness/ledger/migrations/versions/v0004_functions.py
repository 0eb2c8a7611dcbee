"""Functions that were told apart by more than their fingerprints, and the secret that this is done by."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables; who was taken for the same function before stays so."""
    functions = op.create_table(
        "functions",
        sa.Column("profile_digest", sa.String(64), primary_key=True),
        sa.Column("candidate", sa.String(64), sa.ForeignKey("candidates.sha256"), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("run", _ID, sa.ForeignKey("runs.id"), nullable=False),
    )
    op.create_index("functions_by_fingerprint", "functions", ["profile_digest", "fingerprint"])
    kept = op.create_table(
        "secrets",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )
    op.bulk_insert(kept, [{"name": "identity", "value": secrets.token_hex(32)}])
    op.add_column("runs", sa.Column("function", sa.String(64)))
    op.add_column("runs", sa.Column("alone", sa.Boolean, nullable=False, server_default=sa.false()))
    known = sa.table("fingerprints", *(sa.column(name) for name in ("profile_digest", "fingerprint", "run")))
    names = ("id", "candidate", "profile_digest", "fingerprint", "function")
    runs = sa.table("runs", *(sa.column(name) for name in names))
    columns = ["profile_digest", "candidate", "fingerprint", "run"]
    first = sa.select(known.c.profile_digest, runs.c.candidate, known.c.fingerprint, known.c.run)
    op.execute(functions.insert().from_select(columns, first.join(runs, runs.c.id == known.c.run)))
    same = (functions.c.profile_digest == runs.c.profile_digest) & (functions.c.fingerprint == runs.c.fingerprint)
    op.execute(runs.update().values(function=sa.select(functions.c.candidate).where(same).scalar_subquery()))
    op.drop_table("fingerprints")
