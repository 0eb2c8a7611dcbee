"""P320: gradients are of a size that training can use, wherever training lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.strategies import EVERY_SIZE, late_progresses, many_seeds
from harness.property_tests.editions import since
from harness.subject.realistic import well_ordered

if TYPE_CHECKING:
    from harness.protocol.batch import Answer
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P320",
    name="useful-gradient",
    severity=Severity.ERROR,
    summary="Clearly wrong pairs have gradients, and no pair of ordinary size has an enormous one.",
    why=(
        "A gradient can be finite and useless. Where it is a hundred-thousandth of DPO's for the pairs that there is "
        "most to learn from, nothing is learnt from them; where one pair's is 1e6 and more, clipping leaves nothing of "
        "the other pairs, and without clipping the weights are lost."
    ),
    fix="Look for a branch, a clamp or a detach that is flat where pairs are wrong, and for factors that explode.",
    before="return torch.where(rho < -1, good.detach(), good)",
    after="return good",
    introduced_in="2026.2",
)

#: Of DPO's gradient for the same wrong pair: less is nothing. And for one pair of any kind: more is too much.
LEAST, MOST = 1e-5, 1e6
#: How far a completion has fallen, in nats, at most, where gradients must not be flat, and not enormous: an
#: f-divergence (arXiv 2309.16240) has e^(nats/2) in its gradient, which is beyond MOST after a long fall.
NEAR, NEARER = 60.0, 20.0
#: The share of the wrong pairs that may have next to no gradient: losses of the literature have a zero here and there.
FLAT = 0.1

#: The least that pairs may be pushed in a batch, of what they are pushed alone: its statistics may turn them a little.
OPPOSITE = -0.5


@since("2026.2")
@given(seed=many_seeds, size=st.sampled_from((64, 2, 8, 256)), progress=late_progresses)
def test_wrong_pairs_have_gradients(candidate: PreferenceSubject, seed: int, size: int, progress: float) -> None:
    """Ordinary texts, beta rho from -4 to -1/4 by whatever a loss goes by."""
    wrong = well_ordered(
        seed,
        candidate.size(size),
        progress=progress,
        low=0.25,
        high=4.0,
        ordinary=True,
        near=NEAR,
        domain=candidate.domain,
    ).swapped()
    _not_flat(candidate, wrong, candidate.answer(wrong))


def _not_flat(candidate: PreferenceSubject, wrong: PairBatch, answer: Answer) -> None:
    if not answer.finite_gradients:
        return  # P313 tells of it
    usual = wrong.beta / (1.0 + np.exp(wrong.beta * wrong.rho))
    flat = np.flatnonzero(_size(answer) < LEAST * usual)
    if flat.size > max(FLAT * wrong.pairs, 1.0 if wrong.pairs > 2 else 0.0):
        index = [int(flat[0])] * candidate.smallest_batch
        alone = candidate.answer(wrong.take(index))
        shown = wrong.take(index) if not (_size(alone) > LEAST * usual[index]).any() else wrong
        message = f"{flat.size} of {wrong.pairs} clearly wrong pairs have less than {LEAST:g} of DPO's gradient"
        raise candidate.broken(RULE, message, shown, flat=int(flat.size), of=wrong.pairs)


@since("2026.2")
@settings(max_examples=8)
@given(part=st.integers(0, 7))
def test_gradients_are_of_use_in_every_size(candidate: PreferenceSubject, part: int) -> None:
    """Every eighth of the sizes in one example: clearly wrong pairs are pushed apart, neither hardly nor too far."""
    batches = [
        well_ordered(
            1024 + size,
            candidate.size(size),
            progress=0.25 + 0.75 * (size * 0.6180339887 % 1.0),
            low=1.0,
            high=4.0,
            ordinary=True,
            near=NEARER,
            domain=candidate.domain,
        ).swapped()
        for size in EVERY_SIZE[part::8]
    ]
    for batch, answer in zip(batches, candidate.answers(batches), strict=True):
        _not_flat(candidate, batch, answer)
        _not_enormous(candidate, batch, answer)
        pushed = _pushed(answer)
        if pushed.sum() < 0:
            # Some losses (APO-down) are on the way to something else with a pair, and then they are so with it alone.
            worst = np.argsort(pushed)[:8]
            singles = candidate.answers([batch.take([int(place)] * candidate.smallest_batch) for place in worst])
            together, alone = (
                float(pushed[worst].sum()) * batch.pairs,
                float(sum(_pushed(one).sum() for one in singles)),
            )
            if alone > 0 and together < OPPOSITE * alone:
                message = f"in a batch of {batch.pairs} the gradients push clearly wrong pairs further the wrong way"
                raise candidate.broken(
                    RULE, f"{message}, and not where they are alone", batch, pushed=together, alone=alone
                )


def _pushed(answer: Answer) -> np.ndarray:
    """How a step down the gradients moves each pair's margin, shape (B,): positive where it is the right way."""
    return answer.grad_rejected.astype(np.float64) - answer.grad_chosen


@since("2026.2")
@settings(max_examples=16)
@given(seed=many_seeds, size=st.sampled_from((64, 2, 8, 256)), right=st.booleans())
def test_no_pair_has_an_enormous_gradient(candidate: PreferenceSubject, seed: int, size: int, right: bool) -> None:  # noqa: FBT001
    """Beta rho up to 8, to either side, where neither completion has gone far."""
    batch = well_ordered(seed, candidate.size(size), low=0.25, high=8.0, near=NEARER, domain=candidate.domain)
    batch = batch if right else batch.swapped()
    _not_enormous(candidate, batch, candidate.answer(batch))


def _not_enormous(candidate: PreferenceSubject, batch: PairBatch, answer: Answer) -> None:
    found = _size(answer)
    if np.isfinite(found).all() and found.max() > MOST:
        place = int(found.argmax())
        single = batch.take([place] * candidate.smallest_batch)
        message = f"a pair has a gradient of {found[place]:.3g} at beta rho {batch.beta * batch.rho[place]:.3g}"
        shown = single if _size(candidate.answer(single)).max() > MOST else batch
        raise candidate.broken(RULE, f"{message}, larger than training can stand", shown, gradient=float(found[place]))


def _size(answer: Answer) -> np.ndarray:
    """The size of each pair's own gradient, shape (B,): answers have those of the mean."""
    return answer.grad_chosen.size * np.hypot(answer.grad_chosen.astype(np.float64), answer.grad_rejected)
