"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "candidates",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("submitted", sa.Float, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("candidate", sa.String(64), sa.ForeignKey("candidates.sha256"), nullable=False),
        sa.Column("profile", sa.String(64), nullable=False),
        sa.Column("profile_digest", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("rung", sa.Integer, nullable=False),
        sa.Column("needs", sa.String(8), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("place", sa.Float, nullable=False),
        sa.Column("not_before", sa.Float, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("faults", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("lease", sa.Float),
        sa.Column("approved", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("same_as", _ID, sa.ForeignKey("runs.id")),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("submitted", sa.Float, nullable=False),
        sa.Column("changed", sa.Float, nullable=False),
        sa.UniqueConstraint("candidate", "profile_digest", name="one_run_for_each_candidate_and_profile"),
    )
    op.create_index("next_in_the_queue", "runs", ["state", "needs", "place", "id"])
    op.create_index("leases", "runs", ["state", "lease"])
    op.create_index("duplicates", "runs", ["same_as"])
    op.create_table(
        "fingerprints",
        sa.Column("profile_digest", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("run", _ID, sa.ForeignKey("runs.id"), nullable=False),
    )
    op.create_table(
        "results",
        sa.Column("run", _ID, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("rung", sa.String(32), primary_key=True),
        sa.Column("seed", sa.BigInteger, primary_key=True),
        sa.Column("metric", sa.String(64), primary_key=True),
        sa.Column("value", sa.Float),
        sa.Column("spelt", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("run", _ID, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("rung", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.UniqueConstraint("run", "rung", name="one_decision_for_each_rung"),
    )
    op.create_table(
        "promotions",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("candidate", sa.String(64), sa.ForeignKey("candidates.sha256"), nullable=False),
        sa.Column("profile_digest", sa.String(64), nullable=False),
        sa.Column("evaluation", sa.String(64), nullable=False),
        sa.Column("run", _ID, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("rung", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.UniqueConstraint("candidate", "profile_digest", "evaluation", name="promoted_once"),
    )
    op.create_table(
        "slots",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("run", _ID, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("lease", sa.Float, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("run", _ID, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
    )
    op.create_index("events_of_a_run", "events", ["run", "id"])
