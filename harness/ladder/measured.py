"""By what the seeds of a run were measured: an event of the run, read by whoever goes on with it or compares runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.ledger import Ledger

#: The event that says under which evaluation an attempt measures a rung's seeds.
MEASURED = "measured-by"


def measured_by(ledger: Ledger, run: int) -> dict[str, tuple[float, str]]:
    """By rung, when its seeds were last begun and the digest of the evaluation, tuned values left out of it."""
    events = [event for event in ledger.events(run) if event.kind == MEASURED]
    return {str(e.detail["rung"]): (e.time, str(e.detail.get("untuned", e.detail["evaluation"]))) for e in events}
