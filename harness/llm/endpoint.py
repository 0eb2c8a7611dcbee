"""An OpenAI-compatible endpoint: one request in, one reply out, or an error by fault.

The `openai` library sends, and tries again with a growing pause after 408, 409, 429, 5xx, time-outs and broken
connections. What comes back is read here and not by the library, which lets anything pass. A body has a cap on its
bytes and a deadline as a whole: an endpoint that never ends, or that drips, holds nobody up.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from harness.core.errors import InfrastructureError, UserError
from harness.llm.request import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.llm.request import Request

#: The largest body of a reply that is read, in bytes.
MOST_BYTES = 4 * 1024 * 1024
#: Attempts at a reply that came whole and is no chat completion, such as a proxy's error page.
_GARBLED = 3
_KEY = "OPENAI_API_KEY"
_USERS = {
    400: "the request is refused",
    401: "the key is refused",
    403: "the key may not do this",
    404: "there is no such model, or no such address",
    413: "the request is too long",
    422: "the request is refused",
}


class _Candidate(BaseModel):
    token: str
    logprob: float


class _Token(BaseModel):
    top_logprobs: list[_Candidate] = []


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0, le=10**9)
    completion_tokens: int = Field(default=0, ge=0, le=10**9)


class _Body(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    model: str = ""
    usage: _Usage | None = None


class Endpoint:
    """A client for one address; None is the library's own default, or OPENAI_BASE_URL.

    The key comes from OPENAI_API_KEY and goes nowhere but into the request's header; an address of one's own may do
    without. `seconds` is the time for one attempt as a whole, `retries` the further attempts. Raises UserError where
    the library is missing, or key or address make no sense.
    """

    def __init__(self, base_url: str | None = None, *, seconds: float = 120.0, retries: int = 6) -> None:
        try:
            import httpx2  # noqa: PLC0415 - what the openai library sends with, and as optional
            import openai  # noqa: PLC0415 - optional, and slow to import
        except ImportError as error:
            raise UserError(
                "a judge needs the openai library", remedy='pip install "preference-loss-harness[discover]"'
            ) from error
        base_url = base_url or os.environ.get("OPENAI_BASE_URL")
        self._key = os.environ.get(_KEY, "")
        if not self._key and base_url is None:
            raise UserError(f"{_KEY} is not set", remedy=f"export {_KEY}, or name an endpoint of your own")
        check_address(base_url, httpx2)
        self._seconds = seconds
        self._openai = openai
        self._broken, self._late = httpx2.RemoteProtocolError, httpx2.ReadTimeout
        self._stream = httpx2.SyncByteStream
        http = openai.DefaultHttpxClient(event_hooks={"response": [self._guard]}, follow_redirects=False)
        self._client = openai.OpenAI(
            api_key=self._key or "none", base_url=base_url, timeout=seconds, max_retries=retries, http_client=http
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def ask(self, request: Request) -> Reply:
        """Send a request and read its reply.

        Raises UserError where the endpoint refuses the request as such (key, model, length), InfrastructureError where
        it does not answer, or not in the form agreed on.
        """
        what: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            request.cap: request.most_tokens,
            "extra_headers": {"Accept-Encoding": "identity"},
        }
        if request.temperature is not None:
            what["temperature"] = request.temperature
        if request.top:
            what |= {"logprobs": True, "top_logprobs": request.top}
        garbled = InfrastructureError()
        for attempt in range(_GARBLED):
            raw = self._send(what)
            try:
                return self._read(request, raw.http_response.content, attempt + raw.retries_taken + 1)
            except InfrastructureError as error:
                garbled = error
        raise garbled

    def _send(self, what: dict[str, Any]) -> Any:
        try:
            return self._client.chat.completions.with_raw_response.create(**what)
        except self._openai.APIStatusError as error:
            raise self._refused(error.status_code, error.message) from error
        except self._openai.APITimeoutError as error:
            raise _silent(f"it did not answer within {self._seconds:g} s, at any attempt") from error
        except self._openai.APIConnectionError as error:
            raise _silent(self._redacted(str(error.__cause__ or error))) from error

    def _read(self, request: Request, body: bytes, tries: int) -> Reply:
        try:
            read = _Body.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InfrastructureError(
                f"the judge's endpoint sent what is no chat completion: {where or 'body'}: {first['msg'][:200]}",
                remedy="is this the address of an OpenAI-compatible endpoint, with /v1 at its end?",
            ) from error
        choice = read.choices[0]
        text = self._redacted(choice.message.content or "")
        tokens = choice.logprobs.content if choice.logprobs and choice.logprobs.content else []
        usage = read.usage or _Usage(
            prompt_tokens=request.worst_tokens() - request.most_tokens, completion_tokens=len(text.encode())
        )
        return Reply(
            text=text,
            finish=(choice.finish_reason or "")[:40],
            model=self._redacted(read.model)[:200],
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            counted=read.usage is not None,
            tries=tries,
            top=tuple((one.token, one.logprob) for one in tokens[0].top_logprobs) if tokens else (),
        )

    def _refused(self, status: int, message: str) -> Exception:
        said = self._redacted(message)[:300]
        if status in _USERS:
            return UserError(f"the judge's endpoint answers {status}, {_USERS[status]}: {said}")
        remedy = "wait, ask with fewer workers, or raise your limit" if status == 429 else "try again later"
        return InfrastructureError(
            f"the judge's endpoint answers {status}, at the last attempt too: {said}", remedy=remedy
        )

    def _redacted(self, text: str) -> str:
        return text.replace(self._key, "[key]") if len(self._key) >= 8 else text

    def _guard(self, response: Any) -> None:
        """Put a cap and a deadline on a body before anybody reads it."""
        if response.headers.get("content-encoding", "identity") != "identity":
            raise InfrastructureError("the judge's endpoint packs its replies, and was asked not to")
        deadline = time.monotonic() + self._seconds
        response.stream = _capped(self._stream, response.stream, lambda: time.monotonic() > deadline, self._late)


def check_address(url: str | None, httpx2: Any) -> None:
    """Refuse what is no address of an endpoint; nothing stands for the library's own.

    Raises UserError, which does not repeat it: it may hold a secret.
    """
    if not url:
        return
    try:
        parts = urlsplit(url)  # which takes characters away that do not print
        httpx2.URL(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        good = good and not (parts.username or parts.query)
    except (ValueError, httpx2.InvalidURL):  # brackets without an end, a port that is none
        good = False
    if not good or not url.isprintable() or " " in url:
        raise UserError(
            "an endpoint's address is http(s)://host[:port]/path, without user, password or query",
            remedy=f"check --base-url or OPENAI_BASE_URL; a key belongs into {_KEY}",
        )


def _silent(why: str) -> InfrastructureError:
    return InfrastructureError(
        f"the judge's endpoint does not answer: {why[:300]}", remedy="is it running, and is this its address?"
    )


def _capped(base: type, inner: Any, late: Callable[[], bool], too_late: type[Exception]) -> Any:
    """A stream of bytes that ends with an error past its cap or its deadline."""

    class Capped(base):  # type: ignore[misc] # the base comes from a library that is imported late
        def __iter__(self) -> Any:
            size = 0
            for chunk in inner:
                size += len(chunk)
                if size > MOST_BYTES:
                    raise InfrastructureError(f"the judge's endpoint sent a reply of more than {MOST_BYTES} bytes")
                if late():
                    raise too_late("the reply did not end in time")
                yield chunk

        def close(self) -> None:
            inner.close()

    return Capped()
