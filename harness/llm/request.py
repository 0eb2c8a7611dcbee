"""What a model is asked and what it replies, as plain frozen values. A request is known by its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Message:
    """One turn of the conversation; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One call of a model, all that decides about its reply.

    `temperature` None leaves it to the endpoint, as models that reason want it. `most_tokens` caps the reply, in
    tokens; `cap` is the name that the endpoint knows this by. `top` asks for the log-probabilities of that many
    candidates for each token. `schema` is what structured output is asked for by (`name`, `strict`, and a JSON
    `schema`), `picture` a PNG in base64 that is shown beside the first message of the user.
    """

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = 0.0
    most_tokens: int = 2048
    cap: str = "max_tokens"
    top: int = 0
    seed: int | None = None
    schema: dict[str, Any] | None = None
    picture: str | None = None

    def recorded(self) -> dict[str, Any]:
        """As recordings hold it. What was added later stands there where it was asked for alone: digests stay."""
        later = {"seed", "schema", "picture"}
        return {key: value for key, value in asdict(self).items() if key not in later or value is not None}

    @property
    def digest(self) -> str:
        """SHA-256 of the request as canonical JSON."""
        return hashlib.sha256(json.dumps(self.recorded(), sort_keys=True).encode()).hexdigest()

    def reminded(self, what: str, attempt: int) -> Request:
        """The same question once more, with a reminder of how to reply at its end."""
        *before, last = self.messages
        told = f"{last.content}\n\n[Reminder {attempt}: your last reply could not be read. {what}]"
        return replace(self, messages=(*before, Message(last.role, told)))

    def worst_tokens(self) -> int:
        """As many tokens as the call can cost: no token is shorter than a byte."""
        return sum(len(m.content.encode()) + 16 for m in self.messages) + self.most_tokens


@dataclass(frozen=True)
class Reply:
    """What came back. `finish` is why it ended ("stop", "length", ...), `model` what the endpoint says it is.

    `top` holds the first token's candidates and their log-probabilities in nats; tokens are counted by the endpoint, or
    the most that there can have been where it does not (`counted` False). `tries` are the attempts it took. `refused`
    is true where the endpoint says that the model refused. `lost` are replies before it that broke off, and were paid.
    """

    text: str
    finish: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    counted: bool = True
    tries: int = 1
    top: tuple[tuple[str, float], ...] = ()
    refused: bool = False
    lost: tuple[Reply, ...] = ()

    def recorded(self) -> dict[str, Any]:
        """As recordings hold it; see `Request.recorded`."""
        return {key: value for key, value in asdict(self).items() if key not in {"refused", "lost"} or value}
