"""The HTTP client of the openai proposer: no answer may fill this machine's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import openai
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes of one answer that are read.
MOST_BYTES = 16 * 1024 * 1024


class TooMuchError(Exception):
    """An answer was longer than anybody reads, or packed so that its length cannot be told."""


class _Capped(httpx2.SyncByteStream):
    """An answer's bytes, up to a limit."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        """Give the bytes on. Raises TooMuchError."""
        left = MOST_BYTES
        for piece in self._stream:
            left -= len(piece)
            if left < 0:
                raise TooMuchError
            yield piece

    def close(self) -> None:
        """Close what is below."""
        self._stream.close()


def _cap(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        response.close()
        raise TooMuchError  # it was asked for as it is
    response.stream = _Capped(response.stream)


def capped_client() -> httpx2.Client:
    """A client whose answers are capped."""
    return openai.DefaultHttpxClient(event_hooks={"response": [_cap]}, headers={"Accept-Encoding": "identity"})


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class Whole(BaseModel):
    """An answer in one piece, as far as it matters."""

    choices: list[_Choice] = Field(min_length=1)
    usage: dict[str, Any] | None = None


def whole(response: Any) -> Whole | None:
    """The body of an answer that came in one piece, though a stream was asked for; None for a stream.

    Raises ValueError for what is no answer, TooMuchError for what is too long.
    """
    if not response.headers.get("content-type", "").startswith("application/json"):
        return None
    return Whole.model_validate_json(response.read())
