"""An OpenAI-compatible endpoint: one request in, one reply out, or an error by fault.

The `openai` library sends, and tries again with a growing pause after 408, 409, 429, 5xx, time-outs and broken
connections. What comes back is read here and not by the library, which lets anything pass. A body has a cap on its
bytes and a deadline as a whole: an endpoint that never ends, or that drips, holds nobody up.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import openai
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import HarnessError, InfrastructureError, UserError
from harness.core.text import one_line
from harness.llm.request import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.llm.request import Request

#: Where the key comes from.
VARIABLE = "OPENAI_API_KEY"
#: Ways to ask for structured output, the strictest first: by a schema, as some JSON, not at all and with nothing else
#: that only some servers know. A server that refuses one is asked by the next, from then on.
FORMS = ("json_schema", "json_object", "")
#: The largest body of a reply that is read, in bytes; a stream says much about each of its pieces.
MOST_BYTES = 4 * 1024 * 1024
_MOST_STREAMED = 4 * MOST_BYTES
#: Attempts at a reply that is no chat completion, such as a proxy's error page, or a stream that broke off.
_TURNS = 3
#: Seconds without a byte after which a stream is taken for broken.
_SILENCE = 60.0
#: What the user has to mend, and how.
_USERS = {
    400: ("the request is refused", "another model, or a shorter context"),
    401: ("the key is refused", f"set {VARIABLE} to a key that this endpoint takes"),
    403: ("the key may not do this", f"set {VARIABLE} to a key that this endpoint takes"),
    404: ("there is no such model, or no such address", "name a model that the endpoint has; see --base-url"),
    413: ("the request is too long", "another model, or a shorter context"),
    422: ("the request is refused", "another model, or a shorter context"),
}
_NOTHING = Reply("", "", "", 0, 0, counted=False)


class UnfinishedError(InfrastructureError):
    """The endpoint sent no whole reply. `reply` is what came, with `finish` "length" where it broke off."""

    def __init__(self, message: str, reply: Reply = _NOTHING, *, remedy: str = "") -> None:
        """Keep what came."""
        super().__init__(message, remedy=remedy)
        self.reply = reply


class _TooMuchError(UnfinishedError):
    """A reply was longer than anybody reads, or packed so that its length cannot be told: not to be asked for again."""


class _Candidate(BaseModel):
    token: str
    logprob: float


class _Token(BaseModel):
    top_logprobs: list[_Candidate] = []


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    model_config = ConfigDict(from_attributes=True, strict=True)
    prompt_tokens: int = Field(ge=0, le=10**9)
    completion_tokens: int = Field(ge=0, le=10**9)


class _Body(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    model: str = ""
    usage: Any = None


class Endpoint:
    """A client for one address; None is the library's own default, or OPENAI_BASE_URL.

    The key comes from OPENAI_API_KEY and goes nowhere but into the request's header; an address of one's own may do
    without. `name` is what errors call the endpoint. `seconds` is the time for one attempt as a whole, `retries` the
    further attempts. With `kept` a reply is asked for as a stream and cut after so many characters, or where its time
    is up; without it, it comes whole or not at all. `form` is the place in FORMS of what the server takes. Raises
    UserError where key or address make no sense.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        name: str = "the endpoint",
        seconds: float = 120.0,
        retries: int = 6,
        kept: int | None = None,
    ) -> None:
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        self._key = os.environ.get(VARIABLE, "").strip()
        if not self._key and base_url is None:
            raise UserError(
                f"{VARIABLE} is not set", remedy=f"export {VARIABLE}, or name an endpoint of your own by --base-url"
            )
        _check_address(base_url)
        self._name, self._seconds, self._kept = name, seconds, kept
        self._silence = seconds if kept is None else min(seconds, _SILENCE)
        self.form = 0
        self._client = openai.OpenAI(
            api_key=self._key or "none",
            base_url=base_url,
            timeout=self._silence,
            max_retries=retries,
            http_client=openai.DefaultHttpxClient(
                event_hooks={"response": [self._guard]},
                follow_redirects=False,
                headers={"Accept-Encoding": "identity"},
            ),
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def ask(self, request: Request, *, key: str = "") -> Reply:
        """Send a request and read its reply. A server may know a call that is made again by its `key`.

        Raises UserError where the endpoint refuses the request as such (key, model, length), InfrastructureError where
        it does not answer, and of these UnfinishedError where it answers in no form agreed on, or breaks off.
        """
        lost: tuple[Reply, ...] = ()
        while True:
            try:
                reply = self._once(request, key)
            except UnfinishedError as error:
                if isinstance(error, _TooMuchError) or len(lost) + 1 == _TURNS:
                    error.reply = replace(error.reply, lost=lost)
                    raise
                lost += (error.reply,)
            else:
                return replace(reply, tries=reply.tries + len(lost), lost=lost)

    def _once(self, request: Request, key: str) -> Reply:
        raw = self._send(request, {"Idempotency-Key": f"harness-{key[:48]}"} if key else {})
        response = raw.http_response
        # A server that streams nothing sends its reply in one piece, whatever it was asked for.
        whole = self._kept is None or response.headers.get("content-type", "").startswith("application/json")
        reply = self._whole(request, response) if whole else self._streamed(request, raw.parse())
        return replace(reply, tries=raw.retries_taken + 1)

    def _send(self, request: Request, headers: dict[str, str]) -> Any:
        while True:
            try:
                create = self._client.chat.completions.with_raw_response.create
                return create(**self._body(request), extra_headers=headers)
            except openai.APIStatusError as error:
                if error.status_code not in {400, 422} or request.schema is None or self.form + 1 == len(FORMS):
                    raise self._refused(error.status_code, error.message) from None
                self.form += 1
            except openai.APITimeoutError:
                raise self._silent(f"it did not answer within {self._silence:g} s, at any attempt") from None
            except openai.APIConnectionError as error:
                raise self._silent(str(error.__cause__ or error)) from None

    def _body(self, request: Request) -> dict[str, Any]:
        messages: list[dict[str, Any]] = [asdict(message) for message in request.messages]
        if request.picture is not None:
            shown = next(message for message in messages if message["role"] == "user")
            url = {"url": f"data:image/png;base64,{request.picture}"}
            shown["content"] = [{"type": "text", "text": shown["content"]}, {"type": "image_url", "image_url": url}]
        what: dict[str, Any] = {"model": request.model, "messages": messages, request.cap: request.most_tokens}
        if request.temperature is not None:
            what["temperature"] = request.temperature
        if request.top:
            what |= {"logprobs": True, "top_logprobs": request.top}
        if self._kept is not None:
            what["stream"] = True
        form = FORMS[self.form]
        if form and self._kept is not None:
            what["stream_options"] = {"include_usage": True}
        if form and request.seed is not None:
            what["seed"] = request.seed
        if form and request.schema is not None:
            schema = {"json_schema": request.schema} if form == "json_schema" else {}
            what["response_format"] = {"type": form, **schema}
        return what

    def _whole(self, request: Request, response: httpx2.Response) -> Reply:
        try:
            read = _Body.model_validate_json(response.read())
        except httpx2.HTTPError as error:
            raise UnfinishedError(f"{self._name} broke off: {self._redacted(str(error))[:300]}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UnfinishedError(
                f"{self._name} sent what is no chat completion: {where or 'body'}: {first['msg'][:200]}",
                remedy="is this the address of an OpenAI-compatible endpoint, with /v1 at its end?",
            ) from error
        choice = read.choices[0]
        tokens = choice.logprobs.content if choice.logprobs and choice.logprobs.content else []
        top = tuple((one.token, one.logprob) for one in tokens[0].top_logprobs) if tokens else ()
        reply = self._reply(request, choice.message.content or "", choice.finish_reason, read.model, read.usage)
        return replace(reply, top=top, refused=bool(choice.message.refusal))

    def _streamed(self, request: Request, stream: openai.Stream[Any]) -> Reply:
        pieces: list[str] = []
        size, refused = 0, False
        finish: Any = None
        model, usage = "", None
        kept, until = self._kept or 0, time.monotonic() + self._seconds
        with stream:
            try:
                for chunk in stream:
                    model = getattr(chunk, "model", None) or model
                    usage = getattr(chunk, "usage", None) or usage
                    for choice in chunk.choices[:1]:
                        finish = choice.finish_reason or finish
                        refused = refused or bool(getattr(choice.delta, "refusal", None))
                        piece = choice.delta.content or ""
                        pieces.append(piece[: max(0, kept - size)])
                        size += len(piece)
                    if size > kept or time.monotonic() > until:
                        finish = finish or "length"
                        break
            except (openai.OpenAIError, ValueError, AttributeError, TypeError):
                # Broken off, or no longer what the protocol says: what came was paid for, and is no reply.
                finish = "length" if time.monotonic() > until else None
        reply = self._reply(request, "".join(pieces), finish or "length", model, usage)
        reply = replace(reply, refused=refused)
        if finish is None:
            raise UnfinishedError(f"{self._name} broke its reply off", reply, remedy="try again later")
        return reply

    def _reply(self, request: Request, text: str, finish: Any, model: Any, usage: Any) -> Reply:
        text = self._redacted(text[: self._kept])
        try:
            counted = _Usage.model_validate(usage)
        except ValidationError:
            counted = None
        return Reply(
            text=text,
            finish=str(finish or "")[:40],
            model=self._redacted(str(model))[:200],
            prompt_tokens=counted.prompt_tokens if counted else request.worst_tokens() - request.most_tokens,
            completion_tokens=counted.completion_tokens if counted else len(text.encode("utf-8", "replace")),
            counted=counted is not None,
        )

    def _refused(self, status: int, message: str) -> HarnessError:
        said = one_line(self._redacted(message), 300)
        if status in _USERS:
            what, remedy = _USERS[status]
            return UserError(f"{self._name} answers {status}, {what}: {said}", remedy=remedy)
        remedy = "wait, ask with fewer workers, or raise your limit" if status == 429 else "try again later"
        return InfrastructureError(f"{self._name} answers {status}, at the last attempt too: {said}", remedy=remedy)

    def _silent(self, why: str) -> InfrastructureError:
        said = one_line(self._redacted(why), 300)
        return InfrastructureError(
            f"{self._name} does not answer: {said}", remedy="is it running, and is this its address?"
        )

    def _redacted(self, text: str) -> str:
        """A text without the key, which a server may have sent back; what is shorter than any key is none."""
        return text.replace(self._key, "[key]") if len(self._key) >= 8 else text

    def _guard(self, response: httpx2.Response) -> None:
        """Put a cap and a deadline on a body before anybody reads it."""
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            response.close()
            raise _TooMuchError(f"{self._name} packs its replies, and was asked not to")
        streamed = response.headers.get("content-type", "").startswith("text/event-stream")
        most = _MOST_STREAMED if streamed else MOST_BYTES
        too_much = f"{self._name} sent a reply of more than {most} bytes"
        response.stream = _Capped(response.stream, most, time.monotonic() + self._seconds, too_much)


class _Capped(httpx2.SyncByteStream):
    """A stream of bytes that ends with an error past its cap or its deadline."""

    def __init__(self, inner: Any, most: int, until: float, too_much: str) -> None:
        self._inner, self._left, self._until, self._too_much = inner, most, until, too_much

    def __iter__(self) -> Iterator[bytes]:
        """Give the bytes on. Raises _TooMuchError, and what the library takes for a time-out."""
        for chunk in self._inner:
            self._left -= len(chunk)
            if self._left < 0:
                raise _TooMuchError(self._too_much)
            if time.monotonic() > self._until:
                raise httpx2.ReadTimeout("the reply did not end in time")
            yield chunk

    def close(self) -> None:
        """Close what is below."""
        self._inner.close()


def _check_address(url: str | None) -> None:
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
            remedy=f"check --base-url or OPENAI_BASE_URL; a key belongs into {VARIABLE}",
        )
