"""How the reference enters a loss: against the policy, as in a ratio of the two, or otherwise.

Values are all that a candidate shows of this, since training needs no gradient of the reference. So both models'
log-probabilities are moved by the same small step, in batches in which references, lengths and drifts differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.core.verdict import Json
    from harness.protocol.batch import Answer
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

SIDES = ("chosen", "rejected")
#: Nats by which a log-probability is moved to either side of where it was.
STEP = 2.0**-10
#: A side's reference is turned round where it moves the value the policy's way in this share of the pairs, and no less
#: than by this share of what the policy does.
TURNED, TELLING = 0.25, 0.02
#: Below this share of the largest, a movement is the rounding of a number that did not move.
_NOTHING = 1e-7
#: Two sensitivities that differ by less than this share are equal in size.
_EQUAL = 1e-4
#: Batches that are moved, each at a beta of its own.
_BATCHES = 3
_PAIRS = 24


@dataclass(frozen=True)
class Side:
    """One completion's reference against its policy.

    `size` is the mean sensitivity of the value to the reference over that to the policy, without its sign; `same` is
    the share of pairs, each counted by its sensitivity to the policy, in which both move the value the same way.
    `word` is "opposite", "same", "mixed" or "not at all".
    """

    word: str
    size: float
    same: float
    #: Where the reference moves the value the policy's way, the pair in which it does most.
    example: PairBatch | None = None

    @property
    def turned(self) -> bool:
        """Whether the reference enters with the policy's sign, and so that it matters."""
        return self.same >= TURNED and self.size >= TELLING

    def as_json(self) -> dict[str, Json]:
        """As a report carries it."""
        return {"sign": self.word, "size": float(f"{self.size:.4g}"), "same_share": float(f"{self.same:.4g}")}


def questions(subject: PreferenceSubject) -> list[PairBatch]:
    """The batches at whose pairs the models are moved: as training has them."""
    pairs = max(_PAIRS, subject.smallest_batch)
    return [realistic(40 + i, pairs, progress=0.5, domain=subject.domain, dtype=np.float64) for i in range(_BATCHES)]


def entering(subject: PreferenceSubject) -> dict[str, Side] | None:
    """How the reference enters on each side; None where the answers do not say."""
    batches = questions(subject)
    if subject.answers(batches[:1])[0].shape == ():
        # A scalar tells of one pair at a time, or of as few as it can work with.
        size = subject.smallest_batch
        batches = [b.take(part) for b in batches for part in np.array_split(np.arange(b.pairs), b.pairs // size)]
    # All pairs together, since a batch that is put in order keeps it so; and neighbours to either side where that
    # changes nothing, since a batch may subtract what its pairs have in common.
    found = _entering(subject, batches, 1.0)
    if found is None or any(side.word != "not at all" for side in found.values()):
        return found
    return _entering(subject, batches, -1.0)


def _entering(subject: PreferenceSubject, batches: Sequence[PairBatch], turn: float) -> dict[str, Side] | None:
    """The same, each pair being moved by `turn` times as much as the one before."""
    moves = [(model, side) for side in SIDES for model in ("policy", "reference")]
    asked = [_moved(b, f"{m}_{s}", by, turn) for b in batches for m, s in moves for by in (STEP, -STEP)]
    still = batches[0]
    first, *moved, last, again = subject.answers([still, *asked, still, still])
    if len({a.values.tobytes() for a in (first, last, again)}) > 1:
        return None  # what does not give the same answer twice tells nothing by its differences
    answers = iter(moved)
    steps: dict[tuple[str, str], list[np.ndarray]] = {move: [] for move in moves}
    for _ in batches:
        for move in moves:
            steps[move].append(_difference(next(answers), next(answers)))
    found = {}
    for side in SIDES:
        policy, reference = (np.concatenate(steps[model, side]) for model in ("policy", "reference"))
        one = _side(policy, reference, lambda place: _pair(batches, steps["policy", "chosen"], place))
        if one is None:
            return None
        found[side] = one
    return found


def _moved(batch: PairBatch, field: str, by: float, turn: float) -> PairBatch:
    return replace(batch, **{field: getattr(batch, field) + by * turn ** np.arange(batch.pairs)})


def _difference(up: Answer, down: Answer) -> np.ndarray:
    return np.asarray(up.values, dtype=np.float64) - np.asarray(down.values, dtype=np.float64)


def _side(policy: np.ndarray, reference: np.ndarray, pair: Callable[[int], PairBatch]) -> Side | None:
    fine = np.isfinite(policy) & np.isfinite(reference)
    weight = np.where(fine, np.abs(policy), 0.0)
    most = float(weight.max(initial=0.0))
    counted = weight > _NOTHING * most
    if most == 0.0 or not counted.any():
        return None
    ratio = np.where(counted, reference, 0.0) / np.where(counted, policy, 1.0)
    if not (np.abs(np.where(fine, reference, 0.0)) > _NOTHING * most).any():
        return Side("not at all", 0.0, 0.0)
    weight = np.where(counted, weight, 0.0) / weight[counted].sum()
    size = float((weight * np.abs(ratio)).sum())
    if abs(size - 1.0) < _EQUAL and float((weight * np.abs(np.abs(ratio) - 1.0)).sum()) < _EQUAL:
        size = 1.0
    same = float(weight[ratio > _EQUAL].sum())
    word = "opposite" if same < 0.01 else "same" if same > 0.99 else "mixed"
    return Side(word, size, same, pair(int(np.argmax(weight * ratio))) if same > 0.0 else None)


def _pair(batches: Sequence[PairBatch], steps: Sequence[np.ndarray], place: int) -> PairBatch:
    """The pair, or the few pairs, that the difference at this place belongs to."""
    for batch, step in zip(batches, steps, strict=True):
        if place < step.size:
            return batch.take([place]) if step.size == batch.pairs else batch
        place -= step.size
    raise IndexError(place)
