"""What the rung needs to know of a source, embedded or of the user's files: models, words, and what a text is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from harness.trainer.reviews.model import Model
    from harness.trainer.reviews.texts import Pairs, Tokens


@dataclass(frozen=True)
class Material:
    """What training and evaluation are made of: pairs to train on, pairs held out, prompts to ask."""

    train: Pairs
    held: Pairs
    questions: Tokens


class World(Protocol):
    """A source as training and scoring use it. `end` is the token that ends a text."""

    end: int

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256, by name, of all that the reference's log-probabilities depend on, besides the tokens of pairs."""

    def reference(self) -> Model:
        """The reference model, in evaluation mode, on the job's device; a new copy at every call."""

    def rewards(self, prompts: Tokens, completions: Tokens) -> NDArray[np.float64]:
        """How positive each text is, shape (N,), from 0 to 1."""

    def grammatical(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]
    ) -> NDArray[np.bool_] | None:
        """Whether each text is in the language, shape (N,); None where nobody can say."""
