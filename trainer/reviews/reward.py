"""How positive a text is, from 0 to 1: by VADER's lexicon, or by a classifier of the user's."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@cache
def _vader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - reads its lexicon

    return SentimentIntensityAnalyzer()


def vader(texts: Sequence[str]) -> NDArray[np.float64]:
    """(compound + 1) / 2 of each text, shape (N,). Source: Hutto and Gilbert 2014, the package vaderSentiment."""
    analyse = _vader().polarity_scores
    return np.array([(analyse(text)["compound"] + 1.0) / 2.0 for text in texts], dtype=np.float64)


@torch.no_grad()
def by_classifier(
    model: Any, tokenizer: Any, label: int, texts: Sequence[str], *, chunk: int = 32
) -> NDArray[np.float64]:
    """Probability of `label` for each text, shape (N,). A text longer than the classifier reads is cut at its end."""
    out = []
    reach = min(int(tokenizer.model_max_length), int(getattr(model.config, "max_position_embeddings", 1 << 20)))
    for i in range(0, len(texts), chunk):
        batch = tokenizer(
            list(texts[i : i + chunk]), return_tensors="pt", padding=True, truncation=True, max_length=reach
        )
        logits = model(**batch.to(model.device)).logits.float()
        out.append(logits.softmax(dim=1)[:, label].double().cpu().numpy())
    found = np.concatenate(out)
    if not np.isfinite(found).all():
        raise StepError(
            "the classifier gives scores that are no numbers", fault="user", remedy="check the model in `classifier`"
        )
    return found
