"""P418: the gradients lead to the right class, and are of a size that training can use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rules import Rule
from harness.verdict import Severity
from property_tests.classification.strategies import free_classes, labelled, seeds
from property_tests.editions import since

if TYPE_CHECKING:
    from harness.classification.batch import Labelled
    from harness.classification.classifier import Classifier

RULE = Rule(
    id="P418",
    name="labelled-gradient-direction",
    severity=Severity.ERROR,
    summary="Along the way from clearly right to clearly wrong the gradients climb, by as much as training can use.",
    why=(
        "Values are what is compared, gradients are what trains. A loss whose values are right and whose gradients "
        "push the other way, are next to nothing, or enormous teaches nothing, or the wrong classes."
    ),
    fix="Let autograd differentiate the values; look for a custom backward, a detach, a sign or a factor.",
    before="return (2 * good).detach() - good",
    after="return good",
    introduced_in="classification-2026.2",
)

#: Points on the way at which gradients are asked.
POINTS = 12
_AT, _WEIGHT = np.polynomial.legendre.leggauss(POINTS)
#: What an example may climb for each unit of its margin, at least and at most: cross-entropy climbs by a half.
LEAST, MOST = 1e-5, 1e6


@since("2026.2")
@settings(max_examples=24)
@given(
    margin=st.sampled_from((4.0, 1.0, 2.0, 10.0)), count=free_classes, seed=seeds, size=st.sampled_from((8, 1, 2, 64))
)
def test_gradients_climb_towards_wrong(oracle: Classifier, margin: float, count: int, seed: int, size: int) -> None:
    """The right class is on top by the margin, and ends below another one by as much; asked in float32."""
    draw = np.random.Generator(np.random.PCG64([seed, 80]))
    base = labelled(oracle, size, count, seed, reach=0.25, grid=0)
    wrong = (base.targets + draw.integers(1, count, size=base.examples)) % count
    places = np.arange(count)[None]
    right = (places == base.targets[:, None]).astype(np.float64)
    way = margin * ((places == wrong[:, None]) - right)
    begin = base.moved(margin * right)
    marks = oracle.marks([begin.moved(way * t) for t in (1.0 + _AT) / 2.0])
    climbed = np.sum([w * (m.gradient * way).sum(axis=1) for w, m in zip(_WEIGHT, marks, strict=True)], axis=0) / 2.0
    climbed *= base.examples / margin
    if not np.isfinite(climbed).all():
        return  # another rule's finding
    total = float(climbed.mean())
    if not LEAST <= total <= MOST:
        how = "enormously" if total > MOST else "next to nothing" if total > -LEAST else "downwards"
        message = f"from clearly right to wrong by {margin:g} the gradients climb {how}: {total:.3g} a unit"
        raise oracle.wrong(RULE, message, begin, climbed=total)
    _by_itself(oracle, begin, climbed)


def _by_itself(oracle: Classifier, begin: Labelled, climbed: np.ndarray) -> None:
    """No example of a batch goes the other way where it is one by itself."""
    worst = int(climbed.argmin())
    if oracle.smallest_batch == 1 and climbed[worst] < -LEAST:
        message = (
            f"for one example the gradients fall on the way from clearly right to wrong: {climbed[worst]:.3g} a unit"
        )
        raise oracle.wrong(RULE, message, begin.take([worst]), climbed=float(climbed[worst]))
