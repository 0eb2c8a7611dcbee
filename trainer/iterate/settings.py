"""What iterative preference optimization is set up with, as a ladder's file or a test states it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.protocol.job import ANY, COUNT, SHARE, Declared
from harness.trainer.reviews import settings as reviews

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Range

#: The user's file of instructions: a JSON line each, the text under `prompt`.
FILE = "instructions"


@dataclass(frozen=True)
class Settings(reviews.Settings):
    """Those of the task reviews, of the embedded source alone and at one beta, and those of the rounds.

    In each of `rounds` rounds there are `prompts` instructions: "self" has the policy write them, "corpus" draws them,
    "file" takes them from the user's file. Each is answered `answers` times at `temperature`. The ranker's score is
    the reward and `taste` for every token; the best answer of a prompt is preferred to its worst one, where their
    scores differ by `tie` at least. After a round's training the policy goes on by the share `extrapolate` of the way
    that the training took it (accelerated preference optimization, arXiv 2410.06293, in the space of parameters).
    """

    task: ClassVar[str] = "iterate"
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "source": ("grammar",),
        "precision": ("float32",),
        "instructions": ("self", "corpus", "file"),
    }
    least: ClassVar[Mapping[str, int]] = {**reviews.Settings.least, "rounds": 1, "answers": 2}
    ranges: ClassVar[Mapping[str, Range]] = {
        **reviews.Settings.ranges,
        "temperature": (0.01, 10.0),
        "taste": (-1.0, 1.0),
        "extrapolate": (0.0, 1.0),
    }

    remarks: int = 4
    warm_steps: int = 800
    answer: int = 64
    prompts: int = 512
    epochs: int = 1
    rate: float = 4e-4
    rounds: int = 3
    answers: int = 5
    temperature: float = 0.4
    taste: float = 0.01
    instructions: str = "self"
    extrapolate: float = 0.0

    def declared(self) -> Declared:
        """What is measured after the last round; of each round the same is a point of a curve."""
        training = {"finite": SHARE, "stable_steps": COUNT, "steps": COUNT, "lowest_margin": ANY}
        sampled = {"pairs": COUNT, "agreement": SHARE, "chosen_longer": SHARE}
        whole = {"rounds": (0.0, float(self.rounds)), "reward": SHARE, "reward_gain": (-1.0, 1.0), "grammar": SHARE}
        whole |= {"reward_at_equal_length": ANY, "length": COUNT, "length_growth": COUNT, "kl": COUNT}
        return Declared(training | sampled | whole, (FILE,) if self.instructions == "file" else ())

    def _check(self) -> None:
        super()._check()
        if len(self.betas) != 1:
            raise self._useless("betas", self.betas, "one number: a round has one policy")
