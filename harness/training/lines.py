"""What a step tells on its stdout, read strictly: names, numbers and sizes, and nothing else gets through."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness.core.errors import InfrastructureError
from harness.protocol.job import Progress

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
    if read.progress is not None:
        told = read.progress
        return Progress(told.done, told.total, told.what, dict(told.curve))
    return dict(read.metrics) if read.metrics is not None else given[0]  # type: ignore[return-value]
