"""Facts about a loss: what it is like, whether or not anything is wrong with it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.subject.batches import batch_of
from harness.subject.curve import BETA, PROGRESS, curve
from harness.subject.identity import fingerprint
from harness.subject.realistic import realistic
from harness.subject.reference import entering
from harness.subject.stability import stability

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.protocol.batch import Answer
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

#: Nats by which log-probabilities are shifted, each pair's by another: some cross a gate or an order that looks at more
#: than rho.
_SHIFTS = (0.5, 300.0, 7.0, 60.0, 1.5, 1000.0, 20.0, 130.0)


# Candidates answer NaN and infinity as a matter of course; numpy need not remark on it.
@np.errstate(all="ignore")
def facts(subject: PreferenceSubject) -> dict[str, Json]:
    """Collect the facts, the stability map included. Needs a live sandbox; raises what the oracle raises.

    What the answers do not say, because none of them is finite, is None.
    """
    plan = subject.oracle.program.plan
    wanted = ("beta", "chosen_lengths", "rejected_lengths", "progress")
    batch = batch_of(subject.fill([1.0, -2.0, 0.5, 3.0, -0.75, 2.5]), BETA, seed=11, dtype=np.float64)
    first = subject.answer(batch)
    company = _company(subject, batch, first)
    pointwise = company is not None and not company.startswith("batch")
    out: dict[str, Json] = {
        "smallest_batch": subject.smallest_batch,
        "reduced": first.shape == (),
        "statistic": None if company is None else "pointwise" if pointwise else "batch",
        "company": company,
        "reference_free": _reference_free(subject, batch, first),
        "uses": [w for w in wanted if plan.wants(w)],
        "beta_matters": _beta_matters(subject),
        **_of_the_reference(subject),
        "fingerprint": fingerprint(subject),
    }
    out |= curve(subject, pointwise=pointwise)
    return out | {"stability": stability(subject, pointwise=pointwise and first.shape != ())}


def _company(subject: PreferenceSubject, batch: PairBatch, whole: Answer) -> str | None:
    """What the other pairs of a batch are to a pair's value; None where no answer is finite.

    "none", or "none, summed" for a scalar that is the sum of what its pairs would have alone; "batch" for a statistic;
    "batch, all with all" where a batch is the mean (or the sum) over every pair's numbers beside every other pair's, as
    a (B, B) broadcast gives. Such a mean over n pairs follows from those over two of them and over one.
    """
    if not whole.finite_values:
        return None
    if subject.smallest_batch > 1:
        return "batch"
    alone = np.array([a.mean for a in subject.answers([batch.take([i]) for i in range(batch.pairs)])])
    if whole.shape != ():
        if _close(alone, whole.values):
            return "none"
    elif _close(alone.mean(), whole.mean):
        return "none"
    elif _close(alone.sum(), whole.mean):
        return "none, summed"
    n, one = batch.pairs, float(alone.sum())
    twos = subject.answers([batch.take([i, j]) for i, j in itertools.combinations(range(n), 2)])
    two = sum(a.mean for a in twos)
    mixed = _close(n * n * whole.mean, 4 * two - (n - 2) * one) or _close(whole.mean, two - (n - 2) * one)
    return "batch, all with all" if mixed else "batch"


def _close(one: np.ndarray | float, other: np.ndarray | float) -> bool:
    return bool(np.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True))


def _reference_free(subject: PreferenceSubject, batch: PairBatch, first: Answer) -> bool | None:
    """Whether the reference's log-probabilities change nothing; None where the answers are not finite."""
    moved = replace(
        batch,
        reference_chosen=batch.reference_chosen - 3.0,
        reference_rejected=batch.reference_rejected - np.linspace(0.0, 2.0, batch.pairs),
    )
    same = subject.answer(moved).values.tobytes() == first.values.tobytes()
    return None if same and not np.isfinite(first.values).any() else same


def _beta_matters(subject: PreferenceSubject) -> bool | None:
    """Whether another beta changes an answer to the same pairs: a loss may take it and not use it."""
    batch = _realistic(subject)
    answers = subject.answers([replace(batch, beta=beta) for beta in (*subject.domain.betas, BETA)])
    told = {b"".join(v.tobytes() for v in (a.values, a.grad_chosen, a.grad_rejected)) for a in answers}
    return None if len(told) == 1 and not answers[0].finite_values else len(told) > 1


def _of_the_reference(subject: PreferenceSubject) -> dict[str, Json]:
    """Whether the loss is a function of rho, what it does not notice, and how the reference enters.

    `unmoved_by` says for each way of shifting log-probabilities whether it leaves every answer as it was: one
    completion under both models, which leaves rho as it is; both completions under one model, which does too; and all.
    """
    batch = _realistic(subject)
    by = -np.resize(_SHIFTS, batch.pairs)
    shifts: dict[str, tuple[str, ...]] = {
        "chosen": ("policy_chosen", "reference_chosen"),
        "rejected": ("policy_rejected", "reference_rejected"),
        "policy": ("policy_chosen", "policy_rejected"),
        "reference": ("reference_chosen", "reference_rejected"),
    }
    shifts["all"] = shifts["policy"] + shifts["reference"]
    asked = [replace(batch, **{name: getattr(batch, name) + by for name in names}) for names in shifts.values()]
    first, *answers = subject.answers([batch, *asked])
    if not first.finite_values:
        return {"of_rho_alone": None, "unmoved_by": None, "reference_enters": None}
    unmoved: dict[str, Json] = {name: _alike(first, a) for name, a in zip(shifts, answers, strict=True)}
    enters = entering(subject)
    return {
        "of_rho_alone": all(unmoved.values()),
        "unmoved_by": unmoved,
        "reference_enters": None if enters is None else {side: one.as_json() for side, one in enters.items()},
    }


def _alike(one: Answer, other: Answer) -> bool:
    """Whether two answers are the same but for rounding: the sums that make up rho were of other numbers."""
    return all(
        np.allclose(a, b, rtol=1e-6, atol=1e-9 * max(float(np.abs(a).max()), 1e-30), equal_nan=True)
        for a, b in ((one.values, other.values), (one.grad_chosen, other.grad_chosen))
    )


def _realistic(subject: PreferenceSubject) -> PairBatch:
    pairs = max(len(_SHIFTS), subject.smallest_batch)
    return realistic(23, pairs, beta=BETA, progress=PROGRESS, domain=subject.domain, dtype=np.float64)
