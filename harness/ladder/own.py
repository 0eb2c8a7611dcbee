"""Which ladder a run climbs: one of the package's, or one of the user's that the ledger keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.ladder.profile import load, names, parse

if TYPE_CHECKING:
    from harness.ladder.profile import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Run


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
