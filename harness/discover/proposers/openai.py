"""`openai:MODEL`: a language model behind any endpoint that speaks OpenAI's chat completions.

The `openai` library asks, waits and tries again; here is what it cannot know: a reply that is too long is cut, a stream
that broke is asked for again, a server without structured output is asked without it, and the key of the account stands
in nothing that leaves this module.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from harness.core.candidate import SIZE_LIMIT
from harness.core.errors import UserError
from harness.core.text import one_line
from harness.discover import prompts
from harness.discover.proposers.base import ProposerError, Reply, Usage
from harness.discover.proposers.wire import TooMuchError, capped_client, whole
from harness.llm.endpoint import check_address

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.discover.proposers import Ask
    from harness.discover.proposers.base import Context, Outcome
    from harness.discover.proposers.wire import Whole

VARIABLE = "OPENAI_API_KEY"
#: Ways to ask for JSON, the strictest first; a server that refuses one is asked by the next, from then on.
FORMS: tuple[dict[str, Any], ...] = (
    {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "loss", "strict": True, "schema": prompts.SCHEMA},
        }
    },
    {"response_format": {"type": "json_object"}},
    {},
)
#: Times that a reply is asked for which the server began and did not end, or which was no reply at all.
_TURNS = 3
#: Characters of a reply that are kept: one more than the largest candidate, so that it is known to be too large.
_KEPT = SIZE_LIMIT + 1
#: Characters of a token, where a server does not count them.
_TOKEN = 4


class OpenAIProposer:
    """Asks a chat model. `key` is the account's; it is taken out of whatever is said or raised here."""

    takes_pictures: bool
    resamples = True

    def __init__(self, ask: Ask, key: str) -> None:
        self._ask, self._key = ask, key
        self._form = 0
        self.takes_pictures = ask.pictures
        self._client = openai.OpenAI(
            api_key=key or "none",
            base_url=ask.base_url,
            timeout=min(ask.timeout, 60.0),
            max_retries=ask.retries,
            http_client=capped_client(),
        )

    @property
    def label(self) -> str:
        """The model; the endpoint is nobody's business who reads a record."""
        return f"openai:{self._ask.word}"

    def request(self, context: Context) -> Json:
        """The conversation."""
        return list(prompts.messages(context))

    def propose(self, context: Context, key: str) -> Reply:
        """Ask, up to three times where a stream breaks."""
        asked = prompts.messages(context)
        if context.picture is not None and self.takes_pictures:
            asked = prompts.with_picture(asked, context.picture)
        spent = Usage()
        reply = Reply("")
        for _ in range(_TURNS):
            reply, ended = self._once(asked, context.seed, key)
            spent = spent + reply.usage
            if ended:
                break
        return Reply(self._safe(reply.text), spent, cut=reply.cut, refused=reply.refused)

    def told(self, outcome: Outcome) -> None:
        """What came of a reply is in the next context."""

    def state(self) -> Json:
        """The form that the server is known to take."""
        return {"form": self._form}

    def restore(self, state: Json) -> None:
        """Go on with that form."""
        form = state.get("form") if isinstance(state, dict) else None
        if type(form) is not int or not 0 <= form < len(FORMS):
            raise ValueError("this is no state of an openai proposer")
        self._form = form

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _once(self, asked: list[dict[str, Json]], seed: int, key: str) -> tuple[Reply, bool]:
        """One call, and whether the server brought it to an end. Raises ProposerError for what is no reply."""
        while True:
            try:
                stream = self._client.chat.completions.create(**self._body(asked, seed), extra_headers=_headers(key))
                return self._collect(stream, asked)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if self._form + 1 >= len(FORMS):
                    raise self._error(error, "another model, or a shorter context") from None
                self._form += 1
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                raise self._error(error, f"set {VARIABLE} to a key that this endpoint takes") from None
            except openai.NotFoundError as error:
                raise self._error(error, "name a model that the endpoint has; see --base-url") from None
            except openai.APIStatusError as error:
                raise self._error(error, "resume the run when the endpoint answers again") from None
            except openai.APIConnectionError as error:
                raise self._error(error, "see that the endpoint runs and --base-url is right; then resume") from None
            except (TooMuchError, ValueError, openai.OpenAIError):
                return Reply("", _estimate(asked, "", self._ask)), False  # an answer that is none

    def _body(self, asked: list[dict[str, Json]], seed: int) -> dict[str, Any]:
        # Servers that are not OpenAI's know the older name, and its newer models only the other.
        limit = "max_tokens" if self._ask.base_url else "max_completion_tokens"
        body: dict[str, Any] = {
            "model": self._ask.word,
            "messages": asked,
            "stream": True,
            limit: self._ask.most_tokens,
        }
        if self._ask.temperature is not None:
            body["temperature"] = self._ask.temperature
        if self._form + 1 < len(FORMS):
            body |= {"seed": seed % 2**31, "stream_options": {"include_usage": True}}
        return body | FORMS[self._form]

    def _collect(self, stream: Any, asked: list[dict[str, Json]]) -> tuple[Reply, bool]:
        pieces: list[str] = []
        size, why, refused, usage = 0, None, False, None
        until = time.monotonic() + self._ask.timeout
        with stream:
            if (found := whole(stream.response)) is not None:  # it was not asked for in one piece, but came so
                return self._in_one(found, asked), True
            try:
                for chunk in stream:
                    usage = getattr(chunk, "usage", None) or usage
                    for choice in chunk.choices[:1]:
                        why = choice.finish_reason or why
                        refused = refused or bool(getattr(choice.delta, "refusal", None))
                        piece = choice.delta.content or ""
                        pieces.append(piece[: max(0, _KEPT - size)])
                        size += len(piece)
                    if size > _KEPT or time.monotonic() > until:
                        why = why or "length"
                        break
            except (openai.APIConnectionError, TooMuchError, ValueError, AttributeError, TypeError):
                # Broken off, or no longer what the protocol says: what came was paid for, and is no reply.
                why = "length" if size > _KEPT else None
        text = "".join(pieces)
        counted = _count(usage, self._ask) or _estimate(asked, text, self._ask)
        refused = refused or why == "content_filter"
        return Reply(text, counted, cut=why in {"length", None}, refused=refused and not text.strip()), why is not None

    def _in_one(self, found: Whole, asked: list[dict[str, Json]]) -> Reply:
        choice = found.choices[0]
        text = (choice.message.content or "")[:_KEPT]
        counted = _count(found.usage, self._ask) or _estimate(asked, text, self._ask)
        refused = bool(choice.message.refusal) and not text.strip()
        return Reply(text, counted, cut=choice.finish_reason == "length", refused=refused)

    def _safe(self, text: str) -> str:
        """A text without the key, which a server may have sent back."""
        return text.replace(self._key, "[key]") if self._key else text

    def _error(self, error: openai.OpenAIError, remedy: str) -> ProposerError:
        said = one_line(self._safe(str(error)), 300)
        return ProposerError(f"{self.label} gave no reply: {type(error).__name__}: {said}", remedy=remedy)


def _headers(key: str) -> dict[str, str]:
    # A call that is made again after a kill is known by it to servers that keep such keys.
    return {"Idempotency-Key": f"harness-{key[:48]}"}


def _priced(tokens_in: int, tokens_out: int, ask: Ask) -> Usage:
    dollars = None
    if ask.price_in is not None and ask.price_out is not None:
        dollars = (tokens_in * ask.price_in + tokens_out * ask.price_out) / 1e6
    return Usage(tokens_in, tokens_out, dollars, calls=1)


def _count(usage: Any, ask: Ask) -> Usage | None:
    """What the server counted, if it is numbers."""
    counted = []
    for name in ("prompt_tokens", "completion_tokens"):
        value = usage.get(name) if isinstance(usage, dict) else getattr(usage, name, None)
        if type(value) is not int or not 0 <= value < 2**40:
            return None
        counted.append(value)
    return _priced(counted[0], counted[1], ask)


def _estimate(asked: list[dict[str, Json]], text: str, ask: Ask) -> Usage:
    spoken = sum(len(str(message["content"])) for message in asked if isinstance(message["content"], str))
    return _priced(spoken // _TOKEN + 1, len(text) // _TOKEN + 1, ask)


def open_proposer(ask: Ask) -> OpenAIProposer:
    """A chat model. Raises UserError where there is no key for OpenAI's own endpoint."""
    key = os.environ.get(VARIABLE, "").strip()
    if not key and not ask.base_url:
        raise UserError(f"{VARIABLE} is not set", remedy="export it, or name an endpoint of your own by --base-url")
    check_address(ask.base_url or os.environ.get("OPENAI_BASE_URL", ""), httpx2)
    return OpenAIProposer(ask, key)
