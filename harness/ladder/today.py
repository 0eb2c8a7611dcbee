"""Whether what the ledger keeps of a run is what this code would measure today."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from harness.core.errors import HarnessError
from harness.images import current
from harness.ladder.measured import measured_by
from harness.ladder.rungs import TRAINED, evaluation_digest

if TYPE_CHECKING:
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger


def by_other_code(ledger: Ledger, ladder: Ladder, run: int) -> bool:
    """Whether a rung of a run was certainly measured by other code, or in another image.

    Nothing is known of that where no image is there. What training rungs train by only a worker knows: they are not
    looked at, the rungs before them are.
    """
    kept: dict[str, set[str]] = {}
    for one in ledger.promotions(run):
        kept.setdefault(one["rung"], set()).add(one["evaluation"])
    kept |= {rung: {digest} for rung, (_, digest) in measured_by(ledger, run).items()}
    plans = [plan for plan in ladder.rungs if plan.name in kept and plan.kind not in TRAINED]
    images = _images() if plans else []
    return bool(images) and any(
        kept[plan.name].isdisjoint(evaluation_digest(ladder, plan, image) for image in images) for plan in plans
    )


def _images() -> list[str]:
    """The digests of today's images that are there, either of which may have been the one."""
    found = []
    for variant in ("cpu", "cuda"):
        with contextlib.suppress(HarnessError):
            found.append(current(variant).digest)
    return found
