"""Which ladder a run climbs, or is meant: one of the package's, or one of the user's that the ledger keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.errors import UserError
from harness.ladder.ladder import digest_of, load, names, parse

if TYPE_CHECKING:
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Run

#: How much of a digest is told, and has to be given at least.
_SHOWN = 8


def ladder_for(ledger: Ledger, run: Run) -> Ladder | None:
    """The very ladder that a run was submitted for, by its digest; None where neither package nor ledger has it.

    Raises LedgerError where the ledger's copy was changed.
    """
    if run.profile in names():
        ladder = load(run.profile)
        return ladder if ladder.digest == run.profile_digest else None
    try:
        return parse(ledger.document(run.profile_digest))
    except UserError:
        return None


def called(name: str, digest: str) -> str:
    """What tables call a ladder: its name, and where that is not the package's, the beginning of its digest with it."""
    return name if name in names() and digest_of(name) == digest else f"{name}@{digest[:_SHOWN]}"


def namesakes(ledger: Ledger, name: str) -> list[Run]:
    """One run of each ladder of that name in a ledger, the newest first."""
    runs = [run for run in ledger.runs(limit=1_000_000) if run.profile == name]
    newest = {run.profile_digest: run for run in sorted(runs, key=lambda run: run.id)}
    return sorted(newest.values(), key=lambda run: -run.id)


def named(ledger: Ledger, words: str) -> Ladder:
    """The ladder of these words: a name of the package's, a .toml file, or one of the ledger's as NAME or NAME@DIGEST.

    Raises UserError for an unknown one, and for a name that several ladders of the ledger have.
    """
    name, at, digest = words.partition("@")
    if words.endswith(".toml"):
        return load(words)
    runs = [run for run in namesakes(ledger, name) if run.profile_digest.startswith(digest)]
    if name not in names() and (at or runs):
        if len(runs) > 1:
            told = ", ".join(called(run.profile, run.profile_digest) for run in runs)
            raise UserError(f"{len(runs)} ladders are called {name!r} here", remedy=f"one of: {told}")
        if not runs:
            raise UserError(
                f"no run in this ledger is of the ladder {words!r}", remedy="`harness queue --all` has them"
            )
        if (found := ladder_for(ledger, runs[0])) is not None:
            return found
        raise UserError(f"the ladder {words} is not kept in this ledger", remedy="name its .toml file")
    return load(words)
