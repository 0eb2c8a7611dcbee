"""A judge that is asked many questions: recorded replies first, the endpoint for the rest, nonsense asked again.

What a panel of questions gives is a function of the recording alone, to the last bit: asked again without an endpoint,
the same comes out. A reply that cannot be read is asked for again with a reminder; a question without a readable reply
is left out and counted; too many of those, and there is no result at all.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from harness.core.errors import InfrastructureError, StoppedError, UserError
from harness.llm.account import Account, Budget
from harness.llm.request import Message, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.llm.endpoint import Endpoint
    from harness.llm.recording import Recording

T = TypeVar("T")
#: A question and its reply, and each reminder with its own.
Exchange: TypeAlias = tuple[tuple[Request, Reply], ...]


@dataclass(frozen=True)
class Manner:
    """How a judge is asked; see `Request`. `again` is how often nonsense is asked again, `workers` how many at once.

    `most_excluded` is the share of questions that may stay without a readable reply.
    """

    model: str
    temperature: float | None = 0.0
    most_tokens: int = 2048
    cap: str = "max_tokens"
    again: int = 2
    most_excluded: float = 0.05
    workers: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not self.model or self.most_tokens < 1 or self.again < 0 or self.workers < 1:
            raise UserError("a judge needs a model, a token and a worker at least")
        if self.cap not in {"max_tokens", "max_completion_tokens"} or not 0.0 <= self.most_excluded < 1.0:
            raise UserError("a reply's cap is max_tokens or max_completion_tokens; a share lies in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What a panel of questions took.

    `nonsense` counts replies that could not be read, `replies` all of them, `models` are those that answered.
    """

    replies: int
    nonsense: int
    prompt_tokens: int
    completion_tokens: int
    models: tuple[str, ...]

    def calls(self) -> dict[str, Any]:
        """These figures, for what else is made of the same panel."""
        return {each.name: getattr(self, each.name) for each in fields(Calls)}


@dataclass(frozen=True)
class Heard(Calls, Generic[T]):
    """What a panel of questions gave, in their order; None where nothing readable came."""

    values: tuple[T | None, ...]

    @property
    def excluded(self) -> int:
        """Questions without a readable reply."""
        return sum(value is None for value in self.values)


class Judge:
    """A model behind an endpoint, with a recording in front of it; without an endpoint, the recording alone."""

    def __init__(
        self,
        manner: Manner,
        recording: Recording,
        endpoint: Endpoint | None = None,
        budget: Budget | None = None,
        *,
        planned: int = 0,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take an endpoint to ask, or none; `planned` is the number of questions where they come in several panels.

        `stopping` is asked before each question. Raises UserError for a recording that takes nothing.
        """
        if endpoint is not None and not recording.writable:
            raise UserError("a judge that asks needs a recording to write to")
        self.manner = manner
        self.account = Account(budget or Budget(), recording)
        self.recording = recording
        #: What was asked and replied, by question in their order: with reminders, whichever worker was first.
        self.heard: list[Exchange] = []
        self._endpoint = endpoint
        self.planned, self._stopping, self._lost = planned, stopping, 0

    def request(self, system: str, user: str, *, top: int = 0, most_tokens: int | None = None) -> Request:
        """A question as this judge is asked; `top` and `most_tokens` as `Request` has them."""
        manner = self.manner
        messages = tuple(Message(role, _sound(text)) for role, text in (("system", system), ("user", user)) if text)
        cap = most_tokens or manner.most_tokens
        return Request(manner.model, messages, manner.temperature, cap, manner.cap, top)

    def hear(self, requests: Sequence[Request], read: Callable[[Reply], T | None], how: str) -> Heard[T]:
        """Ask all questions and read the replies; `read` gives None for nonsense, `how` says how to reply.

        Raises as `Endpoint.ask` and `Account.hold` do, UserError where a reply is not recorded and there is no
        endpoint, and InfrastructureError as soon as more questions than allowed are without a readable reply.
        """
        allowed = self.allowed(len(requests))
        lost: list[int] = []
        over = threading.Event()

        def one(number: int) -> tuple[T | None, Exchange]:
            if over.is_set():
                raise CancelledError
            if self._stopping():
                over.set()
                raise StoppedError
            try:
                return judged(number)
            except BaseException:
                over.set()  # before this thread takes the next question
                raise

        def judged(number: int) -> tuple[T | None, Exchange]:
            value, exchange = self._insist(requests[number], read, how)
            if value is None:
                lost.append(number)
            if len(lost) > allowed:
                said = exchange[-1][1].text[-160:]
                raise InfrastructureError(
                    f"the judge {self.manner.model} answers nonsense: {len(lost)} of {len(requests)} questions are "
                    f"without a readable reply, and {allowed:.0f} may be; the last one ended with {said!r}",
                    remedy="choose a judge that keeps to the form, or give it more tokens: see the recording",
                )
            return value, exchange

        with ThreadPoolExecutor(self.manner.workers) as pool:
            tasks = [pool.submit(one, number) for number in range(len(requests))]
            try:
                wait(tasks, return_when=FIRST_EXCEPTION)
            finally:  # after a fault, or Ctrl-C, nothing more is asked
                pool.shutdown(wait=False, cancel_futures=True)
        errors = [task.exception() for task in tasks if not task.cancelled()]
        if real := [error for error in errors if error is not None and not isinstance(error, CancelledError)]:
            raise real[0]
        outcomes = [task.result() for task in tasks]
        self._lost += len(lost)
        self.heard += [exchange for _, exchange in outcomes]
        replies = [reply for _, exchange in outcomes for _, reply in exchange]
        return Heard(
            values=tuple(value for value, _ in outcomes),
            replies=len(replies),
            nonsense=len(replies) - sum(value is not None for value, _ in outcomes),
            prompt_tokens=sum(reply.prompt_tokens for reply in replies),
            completion_tokens=sum(reply.completion_tokens for reply in replies),
            models=tuple(sorted({reply.model for reply in replies})),
        )

    def allowed(self, questions: int) -> float:
        """How many of a panel of questions may stay without a readable reply, after those of the panels before."""
        return self.manner.most_excluded * max(self.planned, questions) - self._lost

    def _insist(self, request: Request, read: Callable[[Reply], T | None], how: str) -> tuple[T | None, Exchange]:
        exchange: list[tuple[Request, Reply]] = []
        asked = request
        for attempt in range(self.manner.again + 1):
            reply = self._reply(asked)
            exchange.append((asked, reply))
            value = read(reply)
            if value is not None:
                return value, tuple(exchange)
            asked = request.reminded(how, attempt + 1)
        return None, tuple(exchange)

    def _reply(self, request: Request) -> Reply:
        known = self.recording.find(request)
        if known is not None:
            return known
        if self._endpoint is None:
            raise UserError(
                f"the recording has no reply to {request.digest[:12]} ({request.messages[-1].content[:60]!r}...)",
                remedy="judge with an endpoint, or with the files and settings that were recorded",
            )
        self.account.hold(request)
        reply = None
        started = time.monotonic()
        try:
            reply = self._endpoint.ask(request)
        finally:
            self.account.settle(request, reply)
        return self.recording.add(request, reply, time.monotonic() - started)


def somebody_to_ask() -> bool:
    """Whether the environment names an endpoint: by a key for the library's own, or by an address."""
    return any(os.environ.get(name) for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"))


def endpoint_of(base_url: str | None = None, **how: Any) -> Endpoint:
    """A judge's endpoint; `how` as `Endpoint` has it. Raises UserError where its library is not there, and as that."""
    try:
        from harness.llm.endpoint import Endpoint  # noqa: PLC0415 - loads an optional library
    except ModuleNotFoundError as error:
        remedy = 'pip install "preference-loss-harness[discover]"'
        raise UserError("a judge needs the openai library", remedy=remedy) from error
    return Endpoint(base_url, name="the judge's endpoint", **how)


def _sound(text: str) -> str:
    """A text without halves of characters, which no endpoint takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
