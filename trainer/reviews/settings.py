"""What the rung of controlled generation is set up with, as a ladder's file or a test states it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Self

from harness.protocol.job import ANY, COUNT, SHARE, Declared, StepError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Range, Setting

#: The user's files that the source `files` reads.
INPUTS = ("model", "pairs", "classifier")
#: How far a policy is from its reference, in nats: KL(policy || reference) of an answer of the policy's, and a token of
#: one; KL(reference || policy) a token of the policy's answers and of the questions, ends left out, which is arXiv
#: 2406.08414's, and of an answer of the reference's.
DIVERGENCES = ("kl", "kl_token", "kl_forward", "kl_forward_answer")
#: Settings that the prepared data do not depend on.
TRAINING_ONLY = frozenset({"epochs", "batch", "micro", "rate", "rise", "clip", "betas", "keep"})


@dataclass(frozen=True)
class Settings:
    """Sizes of the task, of the training and of the evaluation.

    Of the embedded source: `corpus` reviews of up to `remarks` remarks, `layers`, `width` and `heads` of the model,
    `warm_steps` of supervised training at `warm_rate`, `prompts` with two samples each for the pairs, pairs whose
    rewards differ by less than `tie` are dropped. Of files: `limit` tokens of a prompt with its completion;
    `pairs` of them at most (0 for all); `too_long` is "refuse" or "drop"; `positive` is the classifier's label for a
    good review.

    Of both: `epochs` of training in batches of `batch` pairs, Adam at `rate` with a linear rise over the share `rise`
    of the steps and a cosine to zero, gradient norm clipped at `clip` (0 for not), one training for each of `betas`;
    `micro` pairs go through the model at once (0 for all), whatever the batch; `keep` steps between checkpoints.
    `questions` prompts are asked in the evaluation, with `answer` new tokens at most; `precision` holds for the policy
    on a GPU.
    """

    task: ClassVar[str] = "reviews"
    #: Settings that are one of a few words.
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "source": ("grammar", "files"),
        "precision": ("float32", "bfloat16"),
        "too_long": ("refuse", "drop"),
    }
    #: The least that each count may be.
    least: ClassVar[Mapping[str, int]] = {
        **dict.fromkeys(
            ("corpus", "remarks", "layers", "width", "heads", "prompts", "epochs", "batch", "keep", "answer"), 1
        ),
        **dict.fromkeys(("warm_steps", "pairs", "micro"), 0),
        **dict.fromkeys(("limit", "questions"), 2),
    }
    #: Bounds of what is not counted.
    ranges: ClassVar[Mapping[str, Range]] = {
        **dict.fromkeys(("warm_rate", "rate"), (1e-9, 1.0)),
        "clip": (0.0, 1e6),
        **dict.fromkeys(("rise", "tie"), (0.0, 0.99)),
    }

    source: str = "grammar"
    corpus: int = 8000
    remarks: int = 2
    layers: int = 2
    width: int = 64
    heads: int = 4
    warm_steps: int = 500
    warm_rate: float = 5e-3
    prompts: int = 1024
    tie: float = 0.05
    limit: int = 512
    pairs: int = 0
    too_long: str = "refuse"
    positive: str = "POSITIVE"
    epochs: int = 2
    batch: int = 32
    micro: int = 0
    rate: float = 7e-4
    rise: float = 0.0
    clip: float = 1.0
    betas: tuple[float, ...] = (1.0,)
    keep: int = 25
    questions: int = 512
    answer: int = 32
    precision: str = "float32"

    @classmethod
    def of(cls, given: Mapping[str, Setting]) -> Self:
        """Read the settings of a job. Raises StepError (the user's fault) for an unknown name or a value of no use."""
        known = {f.name: f.default for f in fields(cls)}
        if unknown := sorted(set(given) - set(known)):
            raise StepError(
                f"the task {cls.task} has no setting {', '.join(unknown)}",
                fault="user",
                remedy=f"known are: {', '.join(known)}",
            )
        out = cls(**{name: cls._like(name, value, known[name]) for name, value in given.items()})  # type: ignore[arg-type]
        out._check()
        return out

    def declared(self) -> Declared:
        """What is measured; nobody can say what is grammatical in the user's files."""
        each = {"reward": SHARE, "reward_gain": (-1.0, 1.0), "accuracy": SHARE, "length_ratio": COUNT}
        each |= {**dict.fromkeys(DIVERGENCES, COUNT), **({"grammar": SHARE} if self.source == "grammar" else {})}
        every = {f"{name}_at_{beta:g}": span for beta in self.betas for name, span in each.items()}
        training = {"finite": SHARE, "stable_steps": COUNT, "steps": COUNT, "lowest_margin": ANY}
        whole = {"best": SHARE, "worst": SHARE, "reference_reward": SHARE}
        return Declared(training | each | whole | every, INPUTS if self.source == "files" else ())

    def _check(self) -> None:
        for name, least in self.least.items():
            if getattr(self, name) < least:
                raise self._useless(name, getattr(self, name), f"at least {least}")
        for name, known in self.choices.items():
            if getattr(self, name) not in known:
                raise self._useless(name, getattr(self, name), f"one of {', '.join(known)}")
        for name, (low, high) in self.ranges.items():
            if not low <= getattr(self, name) <= high:
                raise self._useless(name, getattr(self, name), f"from {low:g} to {high:g}")
        if not self.betas or len(set(self.betas)) < len(self.betas) or not all(0.0 < b < math.inf for b in self.betas):
            raise self._useless("betas", self.betas, "different positive numbers, one or more")
        if self.width % self.heads:
            raise self._useless("width", self.width, f"a multiple of the {self.heads} heads")

    @classmethod
    def _like(cls, name: str, value: Setting, default: object) -> object:
        """The value in the type of the default: TOML and JSON tell 1 from 1.0, and have lists for tuples."""
        if isinstance(default, tuple):
            several = value if isinstance(value, (tuple, list)) else (value,)
            if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in several):
                return tuple(float(v) for v in several)
        elif isinstance(default, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        elif isinstance(value, type(default)) and not isinstance(value, bool):
            return value
        raise cls._useless(name, value, f"like {default!r}")

    @classmethod
    def _useless(cls, name: str, value: object, wanted: str) -> StepError:
        remedy = f"it is {wanted}"
        return StepError(f"the setting {name} of the task {cls.task} is {value!r}", fault="user", remedy=remedy)
