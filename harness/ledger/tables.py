"""The ledger's tables. Times are seconds since 1970 by the database's clock; documents are JSON.

`migrations/versions` makes them; a test holds the two against each other.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

#: SQLite numbers rows by themselves only in columns of the type INTEGER.
_ID = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

candidates = Table(
    "candidates",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("path", Text, nullable=False),
    #: The text as it was handed in: here, so that it is there for every machine as soon as its run is.
    Column("text", LargeBinary, nullable=False),
    Column("submitted", Float, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("candidate", String(64), ForeignKey("candidates.sha256"), nullable=False),
    Column("profile", String(64), nullable=False),
    Column("profile_digest", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    #: The rung that comes next, counted from 0.
    Column("rung", Integer, nullable=False, default=0),
    #: What the next rung needs: "cpu" or "gpu". Workers claim what they have room for.
    Column("needs", String(8), nullable=False),
    Column("priority", Integer, nullable=False, default=0),
    #: When it was submitted, less its priority's head start: the smallest is next. Waiting makes nothing overtake.
    Column("place", Float, nullable=False),
    #: Not before this time; 0 where it may be claimed at once.
    Column("not_before", Float, nullable=False, default=0.0),
    #: Counts the claims. The number is the fencing token: what an earlier attempt writes is refused.
    Column("attempt", Integer, nullable=False, default=0),
    #: Attempts that ended in a fault of ours since the last checkpoint.
    Column("faults", Integer, nullable=False, default=0),
    Column("owner", Text),
    Column("lease", Float),
    #: A person said that it may pass the gate that asks for one.
    Column("approved", Integer, nullable=False, default=-1),
    Column("reason", Text, nullable=False, default=""),
    Column("same_as", _ID, ForeignKey("runs.id")),
    Column("fingerprint", String(64)),
    #: The function that it was found to be, by the candidate that was the first to be it.
    Column("function", String(64)),
    #: A person wants it run, whoever else is the same function.
    Column("alone", Boolean, nullable=False, default=False),
    Column("submitted", Float, nullable=False),
    Column("changed", Float, nullable=False),
    UniqueConstraint("candidate", "profile_digest", name="one_run_for_each_candidate_and_profile"),
    Index("next_in_the_queue", "state", "needs", "place", "id"),
    Index("leases", "state", "lease"),
    Index("duplicates", "same_as"),
)

#: Functions that were told apart, by the first candidate that was each. Several may have one fingerprint.
functions = Table(
    "functions",
    metadata,
    Column("profile_digest", String(64), primary_key=True),
    Column("candidate", String(64), ForeignKey("candidates.sha256"), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    #: The run that answers for it.
    Column("run", _ID, ForeignKey("runs.id"), nullable=False),
    Index("functions_by_fingerprint", "profile_digest", "fingerprint"),
)

#: What no candidate may know: what the questions are drawn from that tell functions apart.
secrets = Table(
    "secrets",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
)

results = Table(
    "results",
    metadata,
    Column("run", _ID, ForeignKey("runs.id"), primary_key=True),
    Column("rung", String(32), primary_key=True),
    Column("seed", BigInteger, primary_key=True),
    Column("metric", String(64), primary_key=True),
    #: Empty where it is not a finite number; `spelt` then says which.
    Column("value", Float),
    Column("spelt", String(16), nullable=False, default=""),
    Column("attempt", Integer, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("run", _ID, ForeignKey("runs.id"), nullable=False),
    Column("rung", String(32), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("decision", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("time", Float, nullable=False),
    UniqueConstraint("run", "rung", name="one_decision_for_each_rung"),
)

artifacts = Table(
    "artifacts",
    metadata,
    #: Of the bytes as they were handed in; they are kept compressed.
    Column("sha256", String(64), primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("time", Float, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    Column("run", _ID, ForeignKey("runs.id"), primary_key=True),
    Column("rung", String(32), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("artifact", String(64), ForeignKey("artifacts.sha256"), nullable=False),
    Column("attempt", Integer, nullable=False),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("candidate", String(64), ForeignKey("candidates.sha256"), nullable=False),
    Column("profile_digest", String(64), nullable=False),
    #: Digest of what was evaluated: rung, image, data, seeds, baselines.
    Column("evaluation", String(64), nullable=False),
    Column("run", _ID, ForeignKey("runs.id"), nullable=False),
    Column("rung", String(32), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("time", Float, nullable=False),
    UniqueConstraint("candidate", "profile_digest", "evaluation", name="promoted_once"),
)

#: Signed records of what was decided, as `harness.attestation` writes them. Rows are added, and never changed.
sealed = Table(
    "sealed",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("run", _ID, ForeignKey("runs.id"), nullable=False),
    Column("rung", String(32), nullable=False),
    Column("position", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    #: What kind of statement is in it.
    Column("kind", String(80), nullable=False),
    #: Of the line, by which other records name it.
    Column("sha256", String(64), nullable=False, unique=True),
    Column("line", LargeBinary, nullable=False),
    Column("time", Float, nullable=False),
    Index("sealed_of_a_run", "run", "id"),
)

slots = Table(
    "slots",
    metadata,
    #: A place to work: "host/gpu/0" or "host/cpu/1".
    Column("name", String(128), primary_key=True),
    Column("run", _ID, ForeignKey("runs.id"), nullable=False),
    #: A worker that claims for a place again says by it that it is through with what it did there.
    Column("owner", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("lease", Float, nullable=False),
)

underway = Table(
    "underway",
    metadata,
    Column("run", _ID, ForeignKey("runs.id"), primary_key=True),
    #: Whose training: "candidate", or the name of a baseline.
    Column("whose", String(64), primary_key=True),
    Column("seed", BigInteger, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("rung", String(32), nullable=False),
    Column("step", String(16), nullable=False),
    Column("what", Text, nullable=False),
    #: Units of the step that are done and that there are, and the seconds that they took.
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("elapsed", Float, nullable=False),
    Column("curve", JSON, nullable=False),
    Column("time", Float, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("run", _ID, ForeignKey("runs.id"), nullable=False),
    Column("time", Float, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", JSON, nullable=False),
    #: The digest of what it says, and the chain so far: see `harness.ledger.event_chain`.
    Column("sha256", String(64), nullable=False),
    Column("link", String(64), nullable=False),
    Index("events_of_a_run", "run", "id"),
)
