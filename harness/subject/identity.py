"""Whether two losses are the same function: what is asked to find out, and how the answers are held against each other.

Two things, and they are worth different things:

- the **fingerprint** is a digest of rounded answers to questions that everybody can know. It finds candidates for being
  the same, and decides nothing: a loss may be written so that it has another's.
- the **comparison** puts questions to both that nobody could know before, and holds answer against answer with a
  tolerance. It decides (`harness/ladder/duplicates.py`).

Where answers stop being finite is part of a function: `-log(sigmoid(x))` is another one than its stable form. Whether a
loss takes the mean itself or leaves it to the trainer is not.

What it can miss: a function that differs from another in a share p of what is drawn is taken for it with a probability
of about (1 - p)^QUESTIONS where that share is one of whole batches (a size, a beta), and less where it is one of pairs.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

from harness.protocol.batch import Answer, Batch, Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from harness.subject.subject import Subject

    Array = NDArray[np.float64]
    #: What was answered to the questions of a comparison, in their order.
    Answers = Sequence[Answer | Complaint]

#: Batches that a comparison asks of each side; those of a fingerprint, and the seed that they are drawn from.
QUESTIONS = 288
_PRINTED, _PRINTED_SEED, _PRINTED_LARGEST = 48, 20260101, 64
#: How far answers may be apart, by dtype: relative to the larger of the two, and to the largest of the batch.
_NEAR = {np.dtype(np.float64): (1e-6, 1e-9), np.dtype(np.float32): (1e-2, 1e-2)}
#: In float32 another order of operations moves rho by some 1e-4 nats: a pair that it carries over a kink, or over the
#: edge of what is finite, may differ. So many of a batch, so many batches of all.
_KINKS, _KINKED = 0.01, 1 / 32
#: Decimals of a fingerprint, and what its numbers are stretched by: round constants are not to fall between two of it.
_DECIMALS, _STRETCH = 2, 0.9731
#: Batches in a request; every fourth request is cut into single ones, as training asks.
_TOGETHER, _ALONE = 16, 4


def asked(subject: Subject, batches: Sequence[Batch], *, gpu: bool = False) -> list[Answer | Complaint]:
    """Put a comparison's questions to one side, some together and some alone. Raises what the oracle raises."""
    out: list[Answer | Complaint] = []
    for number, start in enumerate(range(0, len(batches), _TOGETHER)):
        portion = batches[start : start + _TOGETHER]
        step = 1 if number % _ALONE == 0 else len(portion)
        for first in range(0, len(portion), step):
            out += subject.ask(portion[first : first + step], gpu=gpu)
    return out


def difference(batches: Sequence[Batch], ones: Answers, others: Answers) -> str | None:
    """Where two functions first differ, by what was answered to the same questions; None where they are the same."""
    coarse = sum(b.dtype == np.float32 for b in batches)
    spared = int(_KINKED * coarse)
    for batch, one, other in zip(batches, ones, others, strict=True):
        told = _differ(batch, one, other)
        if told is None:
            continue
        if batch.dtype == np.float32 and spared > 0:
            spared -= 1
            continue
        return f"{told} {_described(batch)}"
    return None


def _described(batch: Batch) -> str:
    numbers = zip((scalar.name for scalar in batch.contract.scalars), batch.scalars, strict=True)
    told = [f"{name} {value:.4g}" for name, value in numbers]
    row = batch.contract.row if batch.rows == 1 else f"{batch.contract.row}s"
    return f"at {', '.join([*told, f'{batch.rows} {row}'])} in {batch.dtype.name}"


def _differ(batch: Batch, one: Answer | Complaint, other: Answer | Complaint) -> str | None:
    """What two answers to a batch differ in; None where they are the same."""
    if isinstance(one, Complaint) or isinstance(other, Complaint):
        return None if isinstance(one, Complaint) and isinstance(other, Complaint) else "one of them raises"
    dtype = batch.dtype
    spared = int(_KINKS * batch.numbers) if dtype == np.float32 else 0
    if one.shape == other.shape:
        values = (one.values.astype(np.float64), other.values.astype(np.float64))
    else:  # one takes the mean, and the other leaves it to the trainer
        values = (np.array([one.mean]), np.array([other.mean]))
    if _apart(*values, 1.0, dtype) > spared:
        return "their values differ"
    gradients = [np.concatenate([g.reshape(-1) for g in a.gradients]).astype(np.float64) for a in (one, other)]
    # What a gradient is like: beta over so many numbers, or one where there is no beta.
    scale = next((v for s, v in zip(batch.contract.scalars, batch.scalars, strict=True) if s.name == "beta"), 1.0)
    if _apart(gradients[0], gradients[1], scale / batch.numbers, dtype) > spared:
        return "their gradients differ"
    return None


def _apart(one: Array, other: Array, unit: float, dtype: np.dtype[np.floating]) -> int:
    """How many numbers are farther apart than rounding explains. `unit` is what numbers of this kind are like."""
    relative, absolute = _NEAR[dtype]
    finite = np.isfinite(one) & np.isfinite(other)
    same = np.isnan(one) & np.isnan(other) | (one == other)  # infinities of one sign are equal
    with np.errstate(all="ignore"):
        sizes = [np.abs(v[finite]).max(initial=0.0) for v in (one, other)]
        # The smaller of both: no side may widen what it is given by one large number.
        allowed = absolute * (min(sizes) + 1e-3 * unit) + relative * np.minimum(np.abs(one), np.abs(other))
        near = finite & (np.abs(one - other) <= allowed)
    return int(np.count_nonzero(~(same | near)))


def fingerprint(subject: Subject) -> str:
    """Digest of rounded answers to public questions, coarse enough to survive another order of operations.

    Taken from means and from sums of the gradients with signs of their own, so that few numbers stand for all pairs:
    from float64, and of float32 only where the answers are not finite. Raises what the oracle raises.
    """
    draw = np.random.Generator(np.random.PCG64(_PRINTED_SEED))
    batches = subject.questions(draw, _PRINTED, least=subject.smallest_batch, largest=_PRINTED_LARGEST)
    texts: list[str] = []
    for batch, answer in zip(batches, subject.ask(batches), strict=True):
        signs = draw.choice((-1.0, 1.0), size=(2, 2, batch.numbers))
        texts += ["complaint"] if isinstance(answer, Complaint) else _rounded(batch, answer, signs)
    return hashlib.sha256(" ".join(texts).encode()).hexdigest()


def _rounded(batch: Batch, answer: Answer, signs: Array) -> Iterator[str]:
    """An answer in few and round numbers; `signs` has the shape (2, 2, numbers): two sums for each of two gradients.

    Where a contract has one gradient the other is zeros: digests that were kept were made so.
    """
    exact = batch.dtype == np.float64
    mean = answer.mean
    told = "finite" if math.isfinite(mean) else repr(mean)
    yield f"{mean * _STRETCH:.{_DECIMALS}e}" if exact and math.isfinite(mean) else told
    gradients = np.zeros((2, batch.numbers))
    for row, gradient in zip(gradients, answer.gradients, strict=False):
        row[:] = gradient.reshape(-1)
    yield from (
        str(np.count_nonzero(lost)) for lost in (np.isnan(gradients), gradients == np.inf, gradients == -np.inf)
    )
    if exact:
        fine = np.where(np.isfinite(gradients), gradients, 0.0)
        largest = float(np.abs(fine).max())
        yield f"{largest * _STRETCH:.{_DECIMALS}e}"
        # Relative to the largest: a gradient that has all but vanished must not decide with its last bits.
        shares = (signs * (fine / max(largest, 1e-300))[:, None]).mean(axis=-1)
        yield from (f"{round(float(v) * _STRETCH, _DECIMALS) + 0.0:.{_DECIMALS}f}" for v in shares.reshape(-1))
