"""Length-controlled win rate, after AlpacaEval 2 (Dubois and others, arXiv 2404.04475).

Judges like long answers. A logistic regression explains the preference of each prompt by the difference in length, by
how hard the prompt is, and by what is left, the model itself:

    logit p = phi tanh((l_ours - l_theirs) / sd) + psi difficulty + theta

L1 penalty, no intercept (theta is a feature that is always 1), the penalty's strength by 5-fold cross-validation with
both halves of a prompt in the same fold. A preference p is two rows, one of each label, with weights p and 1 - p. The
length term is then set to 0, and the mean over prompts is what the win rate would be at equal length.

AlpacaEval adds comparisons of its baseline with deliberately long and short versions of itself, and difficulties of its
own prompts, fitted over many models. Both are data of its authors that are not shipped here: `anchors` and
`difficulties` take them from a user who has them. Without them the terms are left out, and figures are comparable only
with figures that were made in the same way.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Folds of the cross-validation, as published.
FOLDS = 5
#: Weight of each anchor, as published: .2, shared by two versions of the baseline.
_ANCHOR = 0.1
#: Samples of the bootstrap.
RESAMPLES = 200


@dataclass(frozen=True)
class Compared:
    """One prompt: how much ours is preferred, in [0, 1], and both lengths in characters.

    `difficulty` is the prompt's, in the unit of whoever fitted it.
    """

    preference: float
    ours: int
    theirs: int
    difficulty: float = 0.0


@dataclass(frozen=True)
class Controlled:
    """The win rate at equal length, with its 95 % interval, beside the plain one.

    The interval is that of a bootstrap over prompts at the chosen penalty, seeded. `length`, `difficulty` and `model`
    are the coefficients phi, psi and theta; `strength` is the inverse of the penalty.
    """

    win_rate: float
    low: float
    high: float
    plain: float
    length: float
    difficulty: float
    model: float
    strength: float
    prompts: int
    anchors: int


def length_controlled(
    compared: Sequence[Compared], anchors: Sequence[Compared] = (), *, resamples: int = RESAMPLES
) -> Controlled:
    """Fit the regression and set the length term to 0. The same input gives the same figures.

    `resamples` are those of the bootstrap for the interval; without any it has no ends (NaN).

    Raises UserError for fewer prompts than folds, and for figures that are none.
    """
    if len(compared) < FOLDS:
        raise UserError(f"a length-controlled win rate needs {FOLDS} prompts at least, and there are {len(compared)}")
    everything = [*compared, *anchors]
    if any(not 0.0 <= one.preference <= 1.0 or not math.isfinite(one.difficulty) for one in everything):
        raise UserError("a preference lies between 0 and 1, and a difficulty is a finite number")
    try:
        from sklearn import linear_model, model_selection  # noqa: PLC0415 - optional, and takes seconds to import
    except ImportError as error:
        raise UserError(
            "a length-controlled win rate needs scikit-learn", remedy='pip install "preference-loss-harness[judge]"'
        ) from error
    features, p, weight = _features(compared, anchors)
    x, y, w = _doubled(features, p, weight)
    search = linear_model.LogisticRegressionCV(
        cv=_folds(model_selection.GroupKFold(FOLDS), len(everything)),
        scoring=_fit_of,
        l1_ratios=(1.0,),
        use_legacy_attributes=False,
        **_PUBLISHED,
    )
    coefficients = _fitted(search, x, y, w)
    strength = float(np.ravel(search.C_)[0])
    model = linear_model.LogisticRegression(C=strength, l1_ratio=1.0, **_PUBLISHED)
    own = features[: len(compared)]
    ends = _bootstrap(model, (features, p, weight), len(compared), resamples) if resamples else (math.nan, math.nan)
    low, high = ends
    return Controlled(
        win_rate=_at_equal_length(own, coefficients),
        low=low,
        high=high,
        plain=float(p[: len(compared)].mean()),
        length=float(coefficients[0]),
        difficulty=float(coefficients[1]),
        model=float(coefficients[2]),
        strength=strength,
        prompts=len(compared),
        anchors=len(anchors),
    )


_PUBLISHED: dict[str, Any] = {"solver": "liblinear", "dual": False, "fit_intercept": False, "random_state": 123}


def _features(compared: Sequence[Compared], anchors: Sequence[Compared]) -> tuple[Array, Array, Array]:
    """Features (N, 3), preferences (N,), weights (N,). The model's own feature is 0 for an anchor: it is not in it."""
    gap = np.array([one.ours - one.theirs for one in (*compared, *anchors)], dtype=np.float64)
    spread = float(gap[: len(compared)].std(ddof=1))
    length = np.tanh(gap / spread) if spread > 0.0 else np.zeros_like(gap)
    difficulty = np.array([one.difficulty for one in (*compared, *anchors)], dtype=np.float64)
    ours = np.concatenate([np.ones(len(compared)), np.zeros(len(anchors))])
    p = np.array([one.preference for one in (*compared, *anchors)], dtype=np.float64)
    weight = np.where(ours > 0.0, 1.0, _ANCHOR)
    return np.column_stack([length, difficulty, ours]), p, weight


def _doubled(features: Array, p: Array, weight: Array) -> tuple[Array, NDArray[np.int64], Array]:
    """Each prompt twice: as won with weight p, and as lost with weight 1 - p."""
    y = np.repeat(np.array([1, 0]), len(p))
    return np.vstack([features, features]), y, np.concatenate([p * weight, (1.0 - p) * weight])


def _folds(splitter: Any, prompts: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to fit on and rows to score, for each fold; both rows of a prompt are on the same side."""
    return list(splitter.split(np.zeros(2 * prompts), groups=np.tile(np.arange(prompts), 2)))


def _fit_of(model: Any, x: Array, y: NDArray[np.int64], sample_weight: Array) -> float:
    """Mean log-likelihood of a fold's preferences, weighted; both rows of a prompt are in it."""
    q = np.clip(model.predict_proba(x)[:, 1], 1e-15, 1.0 - 1e-15)
    return float((sample_weight * np.where(y == 1, np.log(q), np.log1p(-q))).sum() / (len(y) / 2.0))


def _fitted(model: Any, x: Array, y: NDArray[np.int64], w: Array) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that liblinear wanted more steps: the published procedure goes on, too
        model.fit(x, y, sample_weight=w)
    out: Array = np.asarray(model.coef_, dtype=np.float64).reshape(-1)
    return out


def _at_equal_length(features: Array, coefficients: Array) -> float:
    logits = features[:, 1:] @ coefficients[1:]
    return float((1.0 / (1.0 + np.exp(-np.clip(logits, -500.0, 500.0)))).mean())


def _bootstrap(model: Any, data: tuple[Array, Array, Array], own: int, resamples: int) -> tuple[float, float]:
    """The middle 95 % over prompts drawn again; anchors stay as they are."""
    features, p, weight = data
    draw = np.random.Generator(np.random.PCG64(123))
    rest = np.arange(own, len(p))
    rates = []
    for _ in range(resamples):
        drawn = draw.integers(own, size=own)
        rows = np.concatenate([drawn, rest])
        rates.append(
            _at_equal_length(features[drawn], _fitted(model, *_doubled(features[rows], p[rows], weight[rows])))
        )
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(low), float(high)
