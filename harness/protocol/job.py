"""What a step of a task is told, and what it tells while it works. JSON on both ways.

The job lies in a file; progress and the outcome are lines on stdout, one JSON object each: `{"progress": ...}` as
often as the task likes, `{"metrics": ...}` once at the end, `{"failed": ...}` instead where a step gives up.
"""

from __future__ import annotations

import enum
import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: What a task is set up with: plain values only, so that they make a digest.
Setting = float | int | str | bool | tuple[float, ...] | tuple[str, ...]


#: The least and the most that a metric can be.
Range = tuple[float, float]
#: What tasks tell besides metrics, of the clock and not of a loss: it is never the same twice.
TIMES = frozenset({"seconds_per_step"})
ANY, COUNT, SHARE = (-math.inf, math.inf), (0.0, math.inf), (0.0, 1.0)


@dataclass(frozen=True)
class Declared:
    """What a rung with certain settings measures, and what it needs: ladders are held against it before they are used.

    `metrics` are those that a gate may read, with their ranges: no times, and no points of learning curves. `inputs`
    are the user's files that it reads. `only_where` names metrics that are there only where another one reaches so
    much, since a training that was ended early has no others.
    """

    metrics: Mapping[str, Range]
    inputs: tuple[str, ...] = ()
    only_where: Mapping[str, tuple[str, float]] = field(default_factory=dict)


class Step(enum.StrEnum):
    """The steps of a task in their order: `sample` and `train` once a round where a task trains in rounds.

    The last one is taken as often as somebody asks the model something.
    """

    PREPARE = "prepare"
    SAMPLE = "sample"
    TRAIN = "train"
    SCORE = "score"
    ANSWER = "answer"


@dataclass(frozen=True)
class Job:
    """One step to do.

    `data` is what `prepare` made (read-only afterwards), or the questions for `answer`; `weights` what `train` left
    (read-only, for `score` and `answer`; `answer` without any asks the model that training began with), `out` the one
    place to write to. `oracle` is the Unix socket that answers for the candidate, for `train` alone.
    `inputs` are files of the user's by name (a model, a preference set), read-only. `device` is "cpu" or "cuda".
    `round` is the round that a step belongs to, from 1; 0 where it belongs to none. A step of a round has in `weights`
    what the round before left, and `train` in `data` what `sample` made.
    """

    task: str
    step: Step
    seed: int
    settings: dict[str, Setting] = field(default_factory=dict)
    out: str = ""
    data: str = ""
    weights: str = ""
    oracle: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"
    round: int = 0

    @classmethod
    def read(cls, path: Path) -> Job:
        """Read a job from its file."""
        content = json.loads(path.read_text("utf-8"))
        settings = {k: tuple(v) if isinstance(v, list) else v for k, v in content.pop("settings").items()}
        return cls(**{**content, "step": Step(content["step"]), "settings": settings})

    def write(self, path: Path) -> None:
        """Write it where a step can read it."""
        path.write_text(json.dumps(asdict(self), sort_keys=True), "utf-8")


@dataclass(frozen=True)
class Progress:
    """How far a step is: `done` of `total` units of work, what it is at, and what it measured there.

    `curve` holds the numbers of a learning curve at this point, such as the mean loss of the last steps.
    """

    done: int
    total: int
    what: str = ""
    curve: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what the line about it could not carry: a bool would be written as one."""
        if type(self.done) is not int or type(self.total) is not int:
            raise TypeError(f"{self.done!r} of {self.total!r} are no numbers of units")


class Say(Protocol):
    """Tells whoever waits how far a step is. Cheap enough to be called every few steps."""

    def __call__(self, progress: Progress, /) -> None:
        """Tell it."""


def silent(_: Progress) -> None:
    """Tell nobody."""


class StepError(Exception):
    """A step cannot go on, and it is not the candidate's fault.

    `fault` is "user" (data, model or settings that cannot be used) or "ours". `remedy` is the next step for a person.
    """

    def __init__(self, message: str, *, fault: str = "ours", remedy: str = "") -> None:
        super().__init__(message)
        self.fault, self.remedy = fault, remedy


def line(**content: object) -> str:
    """One line of what a step tells. A number that JSON has no word for is written as a string: "nan", "inf"."""
    return json.dumps(_plain(content), allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
