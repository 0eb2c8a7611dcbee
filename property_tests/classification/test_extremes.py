"""P414: the corners of the operating domain, and the margins between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import confident
from harness.property_tests.common.finite import report_asked_elsewhere, report_not_finite
from harness.property_tests.common.strategies import EVERY_SIZE, fit_reach
from harness.property_tests.editions import since
from harness.protocol.batch_types import LabelledBatch

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P414",
    name="labelled-extremes",
    severity=Severity.ERROR,
    summary="Values and gradients are finite for ties, for certainty of either kind, and at every margin.",
    why=(
        "Early networks answer the same for every class, late ones are certain, and some are certainly wrong. A band "
        "of margins with NaN in it is met by some example of some batch, sooner or later."
    ),
    fix="Look at the numbers of the counterexample, and replace what overflows or divides there.",
    before="return -torch.log(1 - wrong_probability)",
    after="return F.softplus(wrong_logit - right_logit)",
    introduced_in="classification-2026.1",
)

#: Logits and right classes that are met, in units of the domain's reach.
_CORNERS = (
    (0.0, 0.0, 0.0),
    (1.0, 1.0, 1.0),
    (-1.0, -1.0, -1.0),
    (1.0, -1.0, -1.0),
    (-1.0, 1.0, 1.0),
    (1.0, 1.0, -1.0),
    (0.0, 1.0, -1.0),
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
)


def test_corners_are_finite(candidate: Classifier) -> None:
    """Ties, the right class alone at the top, and at the bottom; each by itself, so that it can be named."""
    rows = np.array(_CORNERS) * candidate.domain.reach
    batches = [_filled(candidate, row[None], dtype) for row in rows for dtype in (np.float32, np.float64)]
    report_not_finite(candidate, RULE, batches, False, True)  # noqa: FBT003 - see there


def test_margins_are_finite(candidate: Classifier) -> None:
    """The right logit runs through the domain, every 1/16 up to 20 and every 1/4 beyond, against two others."""
    near = fit_reach(20.0)
    half = np.concatenate([np.arange(0.0, near, 1 / 16), np.arange(near, candidate.domain.reach + 1e-9, 1 / 4)])
    margins = np.concatenate([-half[:0:-1], half])
    rows = np.stack([margins, np.zeros_like(margins), -np.abs(margins) / 2], axis=1)
    batches = [_filled(candidate, piece, np.float32) for piece in np.array_split(rows, 32)]
    report_not_finite(candidate, RULE, batches, False, True)  # noqa: FBT003 - see there


def _filled(candidate: Classifier, rows: np.ndarray, dtype: type[np.floating]) -> LabelledBatch:
    """The rows, repeated until they make a batch that this loss can work with; class 0 is right."""
    index = np.arange(candidate.size(len(rows))) % len(rows)
    return LabelledBatch(rows[index].astype(dtype), np.zeros(index.size, dtype=np.int64))


@since("2026.2")
def test_every_size_and_every_number_of_classes(candidate: Classifier) -> None:
    """Sizes with three classes, numbers of classes with four examples: confident networks, right and wrong."""
    batches = [confident(candidate, size, 3, size) for size in EVERY_SIZE]
    batches += [confident(candidate, 4, count, count) for count in range(2, 1001)]
    for start in range(0, len(batches), 64):
        report_not_finite(candidate, RULE, batches[start : start + 64], False, True)  # noqa: FBT003 - see there


@since("2026.2")
def test_nothing_that_was_asked_is_not_finite(candidate: Classifier) -> None:
    """Whatever the properties before this one asked inside the domain: none of them judges what is not finite."""
    report_asked_elsewhere(candidate, RULE)
