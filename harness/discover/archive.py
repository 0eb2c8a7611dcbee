"""What is kept of a run: the best loss of each kind (quality and diversity), and failures worth learning from.

A kind is a cell of facts: convex or not, pointwise or over the batch, the slope at zero, with or without a reference.
Which losses are one function is the ledger's word, and the first of them stands.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from harness.core.digests import json_digest
from harness.core.facts import LossFacts
from harness.ledger.records import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Json
    from harness.discover.proposers import Failure, Known

#: A slope at zero is flat below this share of DPO's, which is beta / 2 (0.025 at the beta of the facts).
_FLAT = 0.1 * 0.025
#: Facts that are kept with a loss; curves and maps are long, and are in the reports.
KEPT = (
    "convex",
    "statistic",
    "reference_free",
    "reduced",
    "slope_at_zero",
    "value_at_zero",
    "smallest_batch",
    "uses",
    "minima",
    "maxima",
    "fingerprint",
    "function",
    "value_at_uniform",
    "slope_at_uniform",
    "finite_up_to",
)
_FAILURES_KEPT = 40


@dataclass
class Archive:
    """All measured losses of a run in the order of their arrival, and what died."""

    known: list[Known] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def add(self, loss: Known) -> None:
        """Take a loss in, unless its function is there."""
        if self.same(LossFacts(loss.facts).function, loss.id) is None:
            self.known.append(loss)

    def fail(self, failure: Failure) -> None:
        """Remember a failure."""
        self.failures = [*self.failures, failure][-_FAILURES_KEPT:]

    def same(self, function: str, identity: str) -> Known | None:
        """The loss of this run that is the same function, or the same text."""
        for loss in self.known:
            if loss.id == identity or (function and LossFacts(loss.facts).function == function):
                return loss
        return None

    def named(self, name: str) -> Known | None:
        """The newest loss of a name."""
        return next((loss for loss in reversed(self.known) if loss.name == name), None)

    def cells(self) -> dict[tuple[str, ...], Known]:
        """The best of each kind; of equals the first."""
        out: dict[tuple[str, ...], Known] = {}
        for loss in self.known:
            place = cell(loss.facts)
            if place not in out or loss.rank > out[place].rank:
                out[place] = loss
        return out

    def best(self, count: int) -> tuple[Known, ...]:
        """The best of each kind for half of the places, the best first, and then the best of all others."""
        ranked = sorted(self.known, key=lambda loss: loss.rank, reverse=True)
        elites = sorted(self.cells().values(), key=lambda loss: loss.rank, reverse=True)[: max(1, count // 2)]
        chosen = {loss.id for loss in elites}
        return tuple([*elites, *(loss for loss in ranked if loss.id not in chosen)][:count])

    def top(self) -> Known | None:
        """The best of all; of equals the first."""
        return max(self.known, key=lambda loss: loss.rank, default=None)

    def instructive(self, count: int) -> tuple[Failure, ...]:
        """The newest failures, one of each place and sentence."""
        out: dict[tuple[str, str], Failure] = {}
        for failure in reversed(self.failures):
            out.setdefault((failure.where, failure.told[:40]), failure)
        return tuple(out.values())[:count]

    def document(self) -> list[Json]:
        """The archive as JSON, the same for the same run however often it was resumed."""
        return [plain(asdict(loss) | {"cell": list(cell(loss.facts))}) for loss in self.known]

    @property
    def digest(self) -> str:
        """SHA-256 of the document."""
        return json_digest(self.document())


def cell(facts: Mapping[str, Json]) -> tuple[str, ...]:
    """The kind of a loss, by its facts."""
    told = LossFacts(facts, lenient=True)
    uniform, slope = told.slope_at_uniform, told.slope_at_zero
    kind = "batch" if told.statistic == "batch" else "pointwise"
    if uniform is not None and math.isfinite(uniform):
        # Of classification: cross-entropy has -0.9 there.
        return (kind, "steep" if uniform < -1.0 else "gentle" if uniform > -0.5 else "usual")
    direction = "unknown"
    if slope is not None and not math.isnan(slope):
        direction = "right" if slope < -_FLAT else "wrong" if slope > _FLAT else "flat"
    unknown = told.convex is None and "convex" in facts
    return (
        "convex" if told.convex else "unknown" if unknown else "non-convex",
        kind,
        direction,
        "reference-free" if told.reference_free else "reference",
    )
