"""What a judge is asked and what it replies, as plain frozen values. A request is known by its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Message:
    """One turn of the conversation; `role` is "system" or "user"."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One call of the judge, all that decides about its reply.

    `temperature` None leaves it to the endpoint, as models that reason want it. `most_tokens` caps the reply, in
    tokens; `cap` is the name that the endpoint knows this by. `top` asks for the log-probabilities of that many
    candidates for each token.
    """

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = 0.0
    most_tokens: int = 2048
    cap: str = "max_tokens"
    top: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of the request as canonical JSON."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

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
    estimated where it does not (`counted` False). `tries` are the attempts it took.
    """

    text: str
    finish: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    counted: bool = True
    tries: int = 1
    top: tuple[tuple[str, float], ...] = ()
