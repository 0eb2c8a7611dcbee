"""The ledger as everything else uses it: one object over the database and the artifacts; and one that waits.

The waiting one is for workers, to whom a server that restarts or a full disk is no end. Everything that it repeats may
be repeated: a write that arrived although nobody was told is refused the second time (the run is no longer held as it
was), or finds itself there already.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from harness.ledger import documents as attached
from harness.ledger import duplicates as same
from harness.ledger import operator_actions as people
from harness.ledger import progress, queue
from harness.ledger import queries as look
from harness.ledger.database import FOLDER, Database, url_of
from harness.ledger.documents import Artifacts
from harness.ledger.records import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.core.candidate import Candidate
    from harness.core.verdict import Json
    from harness.core.waiting import Patience
    from harness.ledger.documents import Attachment
    from harness.ledger.duplicates import Compare
    from harness.ledger.progress import Underway
    from harness.ledger.queue import Holder
    from harness.ledger.records import Claim, Decision, Event, Run, Score, Submission


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

    def submit(
        self,
        entries: Sequence[tuple[Candidate, str]],
        *,
        profile: str,
        profile_digest: str,
        needs: str,
        priority: int = 0,
        again: bool = False,
    ) -> list[Submission]:
        """Keep the text of each (candidate, name) and queue a run for it; see `people.submit`."""
        return people.submit(
            self.database,
            entries,
            profile=profile,
            profile_digest=profile_digest,
            needs=needs,
            priority=priority,
            again=again,
        )

    # Workers.

    def claim(
        self, owner: str, *, slot: str, needs: Sequence[str], only: int | None = None, **times: float
    ) -> Claim | None:
        """Take the next run for a place, or `only` that run; `times` are `lease` and `back_off` in seconds."""
        return queue.claim(self.database, owner, slot=slot, needs=needs, only=only, **times)

    def renew(self, held: Claim, lease: float = queue.LEASE_SECONDS) -> bool:
        """Make a lease last longer; False where it is lost."""
        return queue.renew(self.database, held, lease)

    def save_scores(self, held: Claim, rung: str, scores: Sequence[Score]) -> None:
        """Keep some seeds' metrics within a rung. Raises LeaseLostError, as all that follow."""
        progress.save_scores(self.database, held, rung, scores)

    def forget(self, held: Claim, rung: str, why: str) -> None:
        """Take away what a rung was measured to, before it is measured again."""
        progress.forget(self.database, held, rung, why)

    def note(self, held: Claim, kind: str, detail: Mapping[str, Json]) -> None:
        """Write an event of a run down, once; see `progress.note`."""
        progress.note(self.database, held, kind, detail)

    def tell(self, held: Claim, one: Underway) -> None:
        """Write down how far a training is; see `progress.tell`."""
        progress.tell(self.database, held, one)

    def over(self, held: Claim, seed: int | None = None) -> None:
        """Nothing is under way any more for a run's seeds up to this one, or for any."""
        progress.over(self.database, held, seed)

    def checkpoint(self, held: Claim, **what: Any) -> State:
        """Write down the end of a rung; see `progress.checkpoint`."""
        return progress.checkpoint(self.database, held, **what)

    def attach(self, held: Claim, rung: str, name: str, data: bytes) -> str:
        """Keep a document of a run in the database; see `attached.attach`."""
        return attached.attach(self.database, held, rung, name, data)

    def keep(self, data: bytes) -> str:
        """Keep a document that belongs to no single run, such as a ladder of the user's; give its digest."""
        return attached.keep(self.database, data)

    def same_function(self, held: Claim, fingerprint: str, compare: Compare) -> int | None:
        """The run that this one is a duplicate of, if its function is known; it has ended then."""
        return same.same_function(self.database, held, fingerprint, compare)

    def secret(self) -> bytes:
        """What the questions are drawn from by which functions are told apart; for no candidate's eyes."""
        return same.secret(self.database)

    def reject(self, held: Claim, reason: str) -> None:
        """End a run for a fault of the candidate."""
        progress.reject(self.database, held, reason)

    def fault(self, held: Claim, why: str, back_off: float = queue.BACK_OFF) -> State:
        """A fault of ours: later again, or given up."""
        return progress.fault(self.database, held, why, back_off)

    def release(self, held: Claim) -> None:
        """Give a run back unharmed."""
        progress.release(self.database, held)

    # People.

    def cancel(self, run: int, why: str = "") -> Run:
        """Take a run out."""
        return people.cancel(self.database, run, why)

    def retry(self, run: int) -> Run:
        """Queue a failed or cancelled run again."""
        return people.retry(self.database, run)

    def approve(self, run: int) -> Run:
        """Let a held run go on."""
        return people.approve(self.database, run)

    def refuse(self, run: int, why: str = "") -> Run:
        """End a held run."""
        return people.refuse(self.database, run, why)

    # Looking.

    def run(self, run: int) -> Run:
        """One run."""
        return look.find_run(self.database, run)

    def holder(self, run: int) -> Holder | None:
        """Who holds a run, and until when; None where nobody does."""
        return queue.holder_of(self.database, run)

    def runs(self, **which: Any) -> list[Run]:
        """Runs in the order of the queue; all, unless `states`, `profile_digest`, `candidate` or `limit` choose."""
        return look.list_runs(self.database, **which)

    def counts(self) -> dict[State, int]:
        """How many runs there are in each state."""
        return look.counts(self.database)

    def answering(self, run: Run) -> Run:
        """The run whose outcome is this one's: itself, unless it is a duplicate."""
        while run.state is State.DUPLICATE and run.same_as is not None:
            run = self.run(run.same_as)
        return run

    def scores(self, run: int) -> dict[str, list[Score]]:
        """All metrics of a run, by rung."""
        return look.scores_of(self.database, run)

    def decisions(self, run: int) -> list[tuple[str, Decision]]:
        """What the gates said, by rung."""
        return look.decisions_of(self.database, run)

    def underway(self, run: int | None = None) -> dict[int, list[Underway]]:
        """What is being trained right now, by run: of one run or of all."""
        return progress.underway_of(self.database, run)

    def events(self, run: int) -> list[Event]:
        """All that happened to a run."""
        return look.events_of(self.database, run)

    def promotions(self, run: int | None = None) -> list[dict[str, Any]]:
        """Promotions, of one run or of all."""
        return look.promotions_of(self.database, run)

    def attachments(self, run: int) -> list[Attachment]:
        """The documents of a run, such as the report of its properties."""
        return attached.attachments_of(self.database, run)

    def document(self, digest: str) -> bytes:
        """A document by its digest."""
        return attached.document(self.database, digest)

    def text(self, run: Run) -> bytes:
        """The candidate's text, as it was submitted."""
        return look.text_of(self.database, run.candidate)


_WHO = "the ledger"
#: What waits. Not `renew`: a lease is renewed beside the work, and tried again until it ends.
_WAITING = frozenset(
    {
        "attach",
        "checkpoint",
        "claim",
        "counts",
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
