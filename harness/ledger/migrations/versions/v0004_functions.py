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
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("profile_digest", sa.String(64), nullable=False),
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
    op.add_column("runs", sa.Column("function", _ID))
    op.add_column("runs", sa.Column("alone", sa.Boolean, nullable=False, server_default=sa.false()))
    known = sa.table("fingerprints", *(sa.column(name) for name in ("profile_digest", "fingerprint", "run")))
    columns = ["profile_digest", "fingerprint", "run"]
    op.execute(functions.insert().from_select(columns, sa.select(*known.c)))
    runs = sa.table("runs", *(sa.column(name) for name in ("profile_digest", "fingerprint", "function")))
    same = (functions.c.profile_digest == runs.c.profile_digest) & (functions.c.fingerprint == runs.c.fingerprint)
    op.execute(runs.update().values(function=sa.select(functions.c.id).where(same).scalar_subquery()))
    op.drop_table("fingerprints")
