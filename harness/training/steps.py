"""One step of a task, from its start to its metrics, wherever it runs; what it tells is read strictly.

Whatever goes wrong ends the step's process or container. Who is at fault is judged here: what the step says of the
candidate counts for nothing, since the host itself holds the sandbox. Of its stdout names, numbers and sizes get
through, and nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness.core.errors import HarnessError, InfrastructureError, StoppedError, UserError
from harness.protocol.job import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.containers.trainer_request import TrainerLimits
    from harness.protocol.job import Job

#: Longest line, in bytes, and how many of them one step may write.
LINE_CAP = 1 << 16
LINES_CAP = 1_000_000
_WORDS = ("nan", "inf", "-inf")


def _number(value: object) -> object:
    """JSON has no word for these, so they come as text; no other text is a number."""
    return float(value) if isinstance(value, str) and value in _WORDS else value


_Number = Annotated[float, Field(strict=True, allow_inf_nan=True), BeforeValidator(_number)]
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.+-]{0,63}(@[0-9]{1,9})?$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Progress(_Strict):
    done: int = Field(ge=0)
    total: int = Field(ge=0)
    what: str = Field(default="", max_length=500)
    curve: dict[_Name, _Number] = Field(default={}, max_length=64)


class Failed(_Strict):
    """A step that gave up, in its own words: who is at fault is for the host to judge."""

    fault: Literal["candidate", "user", "ours"]
    message: str = Field(max_length=20_000)
    remedy: str = Field(default="", max_length=20_000)


class _Line(_Strict):
    progress: _Progress | None = None
    metrics: dict[_Name, _Number] | None = Field(default=None, min_length=0, max_length=1024)
    failed: Failed | None = None


#: One line: how far it is, its metrics, or why it gave up.
Told = Progress | dict[str, float] | Failed


def read_line(data: bytes) -> Told:
    """Read one line. Raises InfrastructureError for anything that no step of ours writes."""
    try:
        read = _Line.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InfrastructureError(f"the trainer wrote a line that is none: {first['msg']} at {first['loc']}") from error
    given = [entry for entry in (read.progress, read.metrics, read.failed) if entry is not None]
    if len(given) != 1:
        raise InfrastructureError("the trainer wrote a line that says nothing, or several things at once")
    (told,) = given
    return Progress(told.done, told.total, told.what, told.curve) if isinstance(told, _Progress) else told


#: How often the size of what a step wrote is looked at, in seconds.
_BETWEEN_LOOKS = 2.0
#: Longest piece of a step's standard error in a report, in characters.
_SHOWN = 2000


@dataclass(frozen=True)
class End:
    """How a step ended: its exit code, whether for want of memory, and the beginning of what it wrote to stderr."""

    code: int
    starved: bool = False
    errors: str = ""


class Running(Protocol):
    """A step that was started."""

    def pieces(self) -> Iterator[bytes]:
        """What it writes to stdout, as it comes; an empty piece at least once a second. Ends with its output."""

    def end(self) -> End:
        """Wait for its end, for a few seconds after its output ended."""

    def close(self) -> None:
        """Kill it where it still runs, and remove what is left of it."""


class StepRunner(Protocol):
    """A place where steps run. `name` is "container" or "process"; `identity` tells which code runs there."""

    @property
    def name(self) -> str:
        """One of the two words."""

    @property
    def identity(self) -> str:
        """Another one wherever the numbers could be others."""

    def start(self, work: Job, limits: TrainerLimits) -> Running:
        """Start a step, which is given in paths of this host. Raises InfrastructureError."""


def run_step(
    where: StepRunner,
    work: Job,
    limits: TrainerLimits,
    *,
    say: Callable[[Progress], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
    fault: Callable[[], HarnessError | None] = lambda: None,
) -> dict[str, float]:
    """Run a step and give its metrics.

    `fault` is what the host knows by itself to have gone wrong meanwhile, such as the candidate's fault; it is raised
    whatever the step says. Raises UserError for what the user has to mend, InfrastructureError for all else,
    StoppedError where `stopping` says so.
    """
    running = where.start(work, limits)
    try:
        told = _follow(running, work, limits, say, stopping)
        end = running.end()
    except HarnessError:
        if (known := fault()) is not None:
            raise known from None
        raise
    finally:
        running.close()
    if (known := fault()) is not None:
        raise known
    if isinstance(told, Failed):
        raise _of(told, work, end)
    if end.starved:
        raise InfrastructureError(
            f"{work.task} {work.step}: it used more than {limits.memory >> 20} MiB of memory",
            remedy="give the rung more with the setting `memory_mib`",
        )
    if told is None or end.code != 0:
        shown = end.errors.strip()[-_SHOWN:]
        raise InfrastructureError(f"{work.task} {work.step} ended with exit code {end.code} and no metrics\n{shown}")
    return told


def _follow(
    running: Running,
    work: Job,
    limits: TrainerLimits,
    say: Callable[[Progress], None],
    stopping: Callable[[], bool],
) -> dict[str, float] | Failed | None:
    """Read its lines to the end; the last word counts, and nothing may come after it."""
    until = time.monotonic() + limits.seconds
    look = 0.0
    count = 0
    last: dict[str, float] | Failed | None = None
    for line in _lines(running):
        now = time.monotonic()
        if stopping():
            raise StoppedError
        if now > until:
            raise InfrastructureError(
                f"{work.task} {work.step} took longer than {limits.seconds / 60:g} minutes",
                remedy="give the rung more with the setting `minutes`",
            )
        if now > look:
            look = now + _BETWEEN_LOOKS
            _see_size(work, limits)
        if not line:
            continue
        count += 1
        if last is not None or count > LINES_CAP:
            raise InfrastructureError(f"{work.task} {work.step} goes on talking after its last word")
        told = read_line(line)
        if isinstance(told, Progress):
            say(told)
        else:
            last = told
    _see_size(work, limits)
    return last


def _lines(running: Running) -> Iterator[bytes]:
    """Whole lines, and an empty one whenever nothing came for a while."""
    waiting = b""
    for piece in running.pieces():
        *whole, waiting = (waiting + piece).split(b"\n")
        yield from (line for line in whole if line)
        if len(waiting) > LINE_CAP or any(len(line) > LINE_CAP for line in whole):
            raise InfrastructureError(f"the trainer wrote a line of more than {LINE_CAP} bytes")
        yield b""
    if waiting:
        raise InfrastructureError("the trainer's last line was cut")


def _see_size(work: Job, limits: TrainerLimits) -> None:
    size = 0
    for path in Path(work.out).rglob("*"):
        try:
            size += path.lstat().st_size
        except OSError:
            continue  # it was replaced meanwhile
    if size > limits.disk:
        raise InfrastructureError(
            f"{work.task} {work.step} wrote more than {limits.disk >> 20} MiB",
            remedy="give the rung more with the setting `disk_mib`",
        )


def _of(told: Failed, work: Job, end: End) -> HarnessError:
    """The error that a failure amounts to. Where the step blames a candidate, and the host saw no fault, it is ours."""
    message = f"{work.task} {work.step}: {told.message}"
    if told.fault == "user":
        return UserError(message, remedy=told.remedy)
    if told.fault == "candidate":
        return InfrastructureError(f"{message} (the host saw no fault of the candidate's)")
    shown = end.errors.strip()[-_SHOWN:]
    return InfrastructureError(f"{message}\n{shown}".rstrip(), remedy=told.remedy)
