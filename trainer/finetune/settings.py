"""What a fine-tune is set up with. Every number that decides about the outcome stands in here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.protocol.job import ANY, COUNT, SHARE, Declared, StepError
from harness.protocol.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Setting

#: The user's files that it reads.
INPUTS = ("model", "preferences")
#: What becomes of pairs that are longer than the limits.
TOO_LONG = ("refuse", "drop", "truncate")
WEIGHTS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Settings:
    """Data, model, training and evaluation. Lengths are tokens, rates are per step, switches are 0 or 1.

    Data: `train_split` and `test_split` name the parts of the preference set; where it has no part of that second
    name, `held_out` pairs are set apart by seed. Of the others `share` is trained on, `pairs` at most (0: all).
    `too_long` says what becomes of pairs beyond `max_length`: `truncate` cuts the prompt to its last `max_prompt`
    tokens first, then the ends of the completions.

    Training: the optimizer moves after `step_pairs` pairs, however many devices share them; `batch` pairs go through
    one device, and into one call of the loss, at a time. The warm-up is a share of all steps, the decay a cosine.
    `rate` is AdamW's. `checkpoint` is the number of optimizer steps between two checkpoints (0: none). `weights` is
    the type in which they are kept. `lora_rank` 0 trains all of them; `lora_targets` is "all-linear" or names of
    modules, separated by commas.

    Evaluation: `samples` held-out prompts are answered by policy and reference, up to `answer` tokens at
    `temperature`; `evaluation_batch` sequences go through a model at once.
    """

    beta: float = 0.1
    train_split: str = "train"
    test_split: str = "test"
    held_out: int = 256
    pairs: int = 0
    share: float = 1.0
    max_length: int = 1024
    max_prompt: int = 512
    too_long: str = "refuse"
    batch: int = 8
    step_pairs: int = 8
    epochs: float = 1.0
    rate: float = 1e-5
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip: float = 1.0
    checkpoint: int = 50
    weights: str = "float32"
    gradient_checkpointing: int = 0
    attention: str = "sdpa"
    lora_rank: int = 0
    lora_alpha: float = 16.0
    lora_targets: str = "all-linear"
    samples: int = 64
    answer: int = 128
    temperature: float = 1.0
    evaluation_batch: int = 8

    def declared(self) -> Declared:
        """What is measured; without `samples` nothing is asked of the policy but held-out pairs."""
        metrics = {"finite": SHARE, "steps": COUNT, "accuracy": SHARE, "margin": ANY, "margin_sd": COUNT}
        metrics |= {"chosen_change": ANY}
        if self.samples:
            metrics |= dict.fromkeys(("kl_chosen", "kl", "kl_answer", "length_ratio"), COUNT) | {"ended": SHARE}
        return Declared(metrics, INPUTS)

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything is loaded."""
        for what, holds in self._rules():
            if not holds:
                raise StepError(f"the settings of this fine-tune make no sense: {what}", fault="user", remedy=what)

    def _rules(self) -> tuple[tuple[str, bool], ...]:
        positive = ["beta", "max_length", "max_prompt", "batch", "step_pairs", "epochs", "rate", "clip"]
        positive += ["answer", "temperature", "evaluation_batch", "held_out"]
        least = ["pairs", "warmup", "weight_decay", "checkpoint", "lora_rank", "samples"]
        return (
            *((f"{name} has to be finite and above 0", self._number(name) > 0) for name in positive),
            *((f"{name} has to be finite and at least 0", self._number(name) >= 0) for name in least),
            ("max_prompt has to be below max_length", self.max_prompt < self.max_length),
            ("step_pairs has to be a multiple of batch", self.batch <= 0 or self.step_pairs % self.batch == 0),
            ("share has to be above 0 and at most 1", 0.0 < self.share <= 1.0),
            ("warmup is a share and has to be below 1", self.warmup < 1),
            (f"too_long has to be one of {', '.join(TOO_LONG)}", self.too_long in TOO_LONG),
            (f"weights has to be one of {', '.join(WEIGHTS)}", self.weights in WEIGHTS),
            ("gradient_checkpointing has to be 0 or 1", self.gradient_checkpointing in {0, 1}),
            # A step of 1e-6 on a weight of 0.02 is below what bfloat16 can tell apart: it would be lost.
            (
                "weights have to be float32 where all of them are trained: bfloat16 rounds small steps away",
                self.weights == "float32" or self.lora_rank > 0,
            ),
            ("lora_alpha has to be above 0", self.lora_alpha > 0),
            ("lora_targets has to name modules", bool(self.lora_targets.strip())),
        )

    def _number(self, name: str) -> float:
        value = float(getattr(self, name))
        return value if math.isfinite(value) else -math.inf

    @classmethod
    def of(cls, given: Mapping[str, Setting]) -> Settings:
        """The settings of a job. Raises StepError for one that does not exist or is of another type."""
        return read_settings(cls, given, "a fine-tune")
