"""What the supervised task is set up with: images, network, training."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.protocol.job import SHARE, Declared, StepError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Setting

#: Where images come from, and the networks, by their names.
SOURCES = ("digits", "cifar10")
NETWORKS = ("small", "mlp", "resnet18")
#: The input that names the folder of CIFAR-10.
INPUT = "data"


@dataclass(frozen=True)
class Settings:
    """Sizes of the task. Training is AdamW's, whose steps do not grow with the loss; its rate falls as a cosine.

    `train` images are drawn to train with (0: all that are not held) and `held` to score by. `augment` is 1 where
    images are mirrored and moved by up to an eighth of their width.
    """

    source: str = "digits"
    network: str = "small"
    train: int = 400
    held: int = 1397
    epochs: int = 15
    batch: int = 32
    rate: float = 2e-3
    decay: float = 1e-2
    augment: int = 0

    @classmethod
    def of(cls, given: Mapping[str, Setting]) -> Settings:
        """Take a job's settings. Raises StepError (the user's) for an unknown name and a value that cannot be."""
        fields = {f.name: f for f in dataclasses.fields(cls)}
        if unknown := sorted(set(given) - set(fields)):
            known = ", ".join(fields)
            raise StepError(f"the images task has no setting {unknown[0]!r}", fault="user", remedy=f"one of {known}")
        try:
            return cls(**{name: _as(name, fields[name].default, value) for name, value in given.items()})
        except ValueError as error:
            raise StepError(f"a setting of the images task is wrong: {error}", fault="user") from error

    def declared(self) -> Declared:
        """What is measured; CIFAR-10 is the user's, and has test images of its own."""
        names = ["finite", "train_accuracy", "accuracy", *(["test_accuracy"] if self.source == "cifar10" else [])]
        inputs = (INPUT,) if self.source == "cifar10" else ()
        return Declared(dict.fromkeys(names, SHARE), inputs)

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        if self.source not in SOURCES or self.network not in NETWORKS:
            raise ValueError(f"source is one of {', '.join(SOURCES)}, network one of {', '.join(NETWORKS)}")
        for name in ("held", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be at least 1")
        if self.train < 0 or self.augment not in {0, 1}:
            raise ValueError("train is no negative number, and augment is 0 or 1")
        if not (math.isfinite(self.rate) and self.rate > 0 and math.isfinite(self.decay) and self.decay >= 0):
            raise ValueError("rate is a positive number, and decay no negative one")


def _as(name: str, example: Any, value: Setting) -> Any:
    if isinstance(value, (bool, tuple)) or isinstance(example, str) is not isinstance(value, str):
        raise ValueError(f"{name} is {value!r} where something like {example!r} is due")
    if isinstance(example, int) and isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{name} has to be a whole number, and is {value!r}")
    return type(example)(value)
