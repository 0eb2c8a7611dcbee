"""The ledger as everything else uses it: one object over the database and the artifacts; and one that waits.

The waiting one is for workers, to whom a server that restarts or a full disk is no end. Everything that it repeats may
be repeated: a write that arrived although nobody was told is refused the second time (the run is no longer held as it
was), or finds itself there already.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from harness.ledger import adopted, progress, queue, sealed, whole_ladder
from harness.ledger import documents as attached
from harness.ledger import duplicates as same
from harness.ledger import operator_actions as people
from harness.ledger import queries as look
from harness.ledger.database import FOLDER, Database, url_of
from harness.ledger.documents import Artifacts
from harness.ledger.records import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.core.waiting import Patience
    from harness.ledger.records import Run

P = ParamSpec("P")
R = TypeVar("R")


def _of(function: Callable[Concatenate[Database, P], R]) -> Callable[Concatenate[Ledger, P], R]:
    """What is done with a database, as a method of the ledger over it: it is told where it is done."""

    @functools.wraps(function)
    def method(self: Ledger, /, *given: P.args, **named: P.kwargs) -> R:
        return function(self.database, *given, **named)

    return method


class Ledger:
    """Candidates, runs, results, decisions, promotions, events.

    `folder` is the project's own (default `.harness`): the artifacts lie in it, and the database too, unless
    `database` or HARNESS_DATABASE_URL names another. Texts and reports are in the database, for everybody who has it;
    `artifacts`, for what is large, stay on this machine.
    `reading` is for those who only look: nothing is made and nothing brought up to date for them.
    Raises LedgerError (exit code 3) where the database or the disk fails, UserError (2) for numbers and decisions that
    make no sense.
    """

    def __init__(self, folder: Path | None = None, *, database: str | None = None, reading: bool = False) -> None:
        self.folder = (folder or Path(FOLDER)).resolve()
        self.artifacts = Artifacts(self.folder / "artifacts")
        self.database = Database(url_of(self.folder, database), reading=reading)

    @property
    def name(self) -> str:
        """A short name for this ledger, without its password: the same for all who use it."""
        url = self.database.engine.url.render_as_string(hide_password=True)
        return hashlib.sha256(url.encode()).hexdigest()[:12]

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    # Candidates in.

    submit = _of(people.submit)
    adopt = _of(adopted.adopt)

    # Workers. What an attempt has to say that no longer holds its run is refused: LeaseLostError.

    claim = _of(queue.claim)
    renew = _of(queue.renew)
    save_scores = _of(progress.save_scores)
    forget = _of(progress.forget)
    note = _of(progress.note)
    tell = _of(progress.tell)
    over = _of(progress.over)
    checkpoint = _of(progress.checkpoint)
    attach = _of(attached.attach)
    keep = _of(attached.keep)
    same_function = _of(same.same_function)
    secret = _of(same.secret)
    reject = _of(progress.reject)
    fault = _of(progress.fault)
    release = _of(progress.release)

    # People.

    cancel = _of(people.cancel)
    retry = _of(people.retry)
    approve = _of(people.approve)
    refuse = _of(people.refuse)

    # Looking.

    run = _of(look.find_run)
    holder = _of(queue.holder_of)
    holders = _of(queue.holders)
    runs = _of(look.list_runs)
    numbered = _of(look.runs_of)
    namesakes = _of(look.newest_of_each_ladder)
    counts = _of(look.counts)
    scores = _of(look.scores_of)
    decisions = _of(look.decisions_of)
    underway = _of(progress.underway_of)
    events = _of(look.events_of)
    promotions = _of(look.promotions_of)
    attachments = _of(attached.attachments_of)
    sealed = _of(sealed.sealed_of)
    document = _of(attached.document)
    documents = _of(attached.documents_of)
    text = _of(look.text_of)

    # Looking at all runs of a ladder at once.

    ladder_places = _of(whole_ladder.ladder_places)
    ladder_scores = _of(whole_ladder.ladder_scores)
    ladder_events = _of(whole_ladder.ladder_events)
    ladder_decisions = _of(whole_ladder.ladder_decisions)
    ladder_documents = _of(whole_ladder.ladder_documents)

    def answering(self, run: Run) -> Run:
        """The run whose outcome is this one's: itself, unless it is a duplicate."""
        while run.state is State.DUPLICATE and run.same_as is not None:
            run = self.run(run.same_as)
        return run


_WHO = "the ledger"
#: What waits. Not `renew`: a lease is renewed beside the work, and tried again until it ends.
_WAITING = frozenset(
    {
        "attach",
        "checkpoint",
        "claim",
        "counts",
        "documents",
        "events",
        "fault",
        "forget",
        "holder",
        "note",
        "release",
        "run",
        "same_function",
        "save_scores",
        "scores",
        "secret",
        "text",
    }
)


class PatientLedger(Ledger):
    """A ledger whose answers are waited for; see the module."""

    def __init__(self, patience: Patience, folder: Path | None = None, *, database: str | None = None) -> None:
        self.patience = patience
        patience.until_it_works(lambda: Ledger.__init__(self, folder, database=database), _WHO)
        self.database.stopping = patience.stopping

    def __getattribute__(self, name: str) -> Any:
        """Let the methods of a worker's own wait."""
        found = object.__getattribute__(self, name)
        if name not in _WAITING:
            return found
        patience: Patience = object.__getattribute__(self, "patience")
        return lambda *given, **named: patience.until_it_works(lambda: found(*given, **named), _WHO)
