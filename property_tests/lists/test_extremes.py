"""P514: the corners of the operating domain, and the margins between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import report_asked_elsewhere, scan
from harness.property_tests.common.strategies import EVERY_SIZE, fit_reach
from harness.property_tests.lists.strategies import MOST_ANSWERS, ranked
from harness.protocol.batch_types import ListBatch

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P514",
    name="lists-extremes",
    severity=Severity.ERROR,
    summary="Values and gradients are finite for ties, for certainty of either kind, and at every margin.",
    why=(
        "At the start all answers are alike, late in training one is certain, and sometimes the wrong one; ratings "
        "are often equal. A band of margins with NaN in it is met by some list of some batch, sooner or later."
    ),
    fix="Look at the numbers of the counterexample, and replace what overflows or divides there.",
    before="weights = scores / scores.sum(dim=1, keepdim=True)",
    after="weights = torch.softmax(scores, dim=1)",
    introduced_in="lists-2026.1",
)

#: Beta times log-ratios, in units of the domain's reach, and scores, of lists that are met.
_CORNERS = (
    ((0.0, 0.0, 0.0), (0.0, 1.0, 2.0)),
    ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ((0.5, 0.0, -0.5), (2.0, 1.0, 0.0)),
    ((-0.5, 0.0, 0.5), (2.0, 1.0, 0.0)),
    ((0.5, 0.5, -0.5), (1.0, 1.0, 0.0)),
    ((-0.5, 0.5, 0.5), (1.0, 0.0, 0.0)),
    ((0.5, -0.5, -0.5), (0.0, 0.0, 0.0)),
    ((0.5, -0.5, 0.0), (-20.0, 20.0, 0.0)),
)
#: The reference's log-probabilities there, in nats; at None the largest of all is zero, as of a certain short answer.
_DEPTH, _DEPTHS = -2000.0, (-2000.0, None, -6900.0)


def test_corners_are_finite(candidate: ListSubject) -> None:
    """Ties of policies and of scores, certainty of the best answer and of the worst; each by itself, at every beta."""
    batches = [
        _filled(candidate, np.array([ratios]) * candidate.domain.reach, np.array([scores]), beta, dtype, depth)
        for ratios, scores in _CORNERS
        for beta in candidate.domain.betas
        for dtype in (np.float32, np.float64)
        for depth in _DEPTHS
    ]
    scan(candidate, RULE, batches, "a corner of the domain")


def test_margins_are_finite(candidate: ListSubject) -> None:
    """The best answer runs through the domain against two others, every 1/16 up to 20 and every 1/4 beyond."""
    near = fit_reach(20.0)
    half = np.concatenate([np.arange(0.0, near, 1 / 16), np.arange(near, candidate.domain.reach + 1e-9, 1 / 4)])
    margins = np.concatenate([-half[:0:-1], half])
    rows = np.stack([margins / 2, -margins / 2, np.zeros_like(margins)], axis=1)
    scores = np.array([[2.0, 1.0, 0.0]])
    batches = [
        _filled(candidate, piece, scores, candidate.domain.usual, np.float32) for piece in np.array_split(rows, 32)
    ]
    scan(candidate, RULE, batches, "in a scan of neighbouring margins")


def test_every_size_and_every_number_of_answers(candidate: ListSubject) -> None:
    """Sizes with three answers, numbers of answers with four lists."""
    batches = [ranked(candidate, size, 3, size) for size in EVERY_SIZE]
    batches += [ranked(candidate, 4, count, count) for count in range(2, MOST_ANSWERS + 1)]
    for start in range(0, len(batches), 64):
        scan(candidate, RULE, batches[start : start + 64], "in one of many sizes")


def test_nothing_that_was_asked_is_not_finite(candidate: ListSubject) -> None:
    """Whatever the properties before this one asked inside the domain: none of them judges what is not finite."""
    report_asked_elsewhere(candidate, RULE)


def _filled(
    candidate: ListSubject,
    rows: np.ndarray,
    scores: np.ndarray,
    beta: float,
    dtype: type[np.floating],
    depth: float | None = _DEPTH,
) -> ListBatch:
    """Lists of these `rows` (beta times log-ratios), repeated until they make a batch that this loss can work with."""
    index = np.arange(candidate.size(len(rows))) % len(rows)
    highest = -np.maximum(rows.max() / beta, 0.0) if depth is None else depth
    reference = np.full(rows[index].shape, highest)
    policy, level = reference + rows[index] / beta, np.broadcast_to(scores, reference.shape)
    return ListBatch(policy.astype(dtype), reference.astype(dtype), level.astype(dtype), beta)
