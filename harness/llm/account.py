"""What calls have cost, and the budget that they may not go over."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.llm.request import Reply, Request


class BudgetSpentError(UserError):
    """The budget does not allow another call."""


@dataclass(frozen=True)
class Usage:
    """What calls cost: tokens in and out, US dollars (None where no price is known), calls of a server."""

    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float | None = 0.0
    calls: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of prompts and replies."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: Usage) -> Usage:
        """The cost of both. An unknown price stays unknown."""
        known = self.dollars is not None and other.dollars is not None
        return Usage(
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            (self.dollars or 0.0) + (other.dollars or 0.0) if known else None,
            self.calls + other.calls,
        )


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens of prompts and of replies; None where nobody knows."""

    prompt: float | None = None
    completion: float | None = None

    def usage(self, tokens_in: int, tokens_out: int, calls: int = 1) -> Usage:
        """So many tokens, and what they cost."""
        dollars = None
        if self.prompt is not None and self.completion is not None:
            dollars = (tokens_in * self.prompt + tokens_out * self.completion) / 1e6
        return Usage(tokens_in, tokens_out, dollars, calls)


@dataclass(frozen=True)
class Budget:
    """The most tokens and US dollars that may be spent.

    A budget in money needs prices: without them nothing would ever be spent. Raises UserError for a budget that makes
    no sense.
    """

    tokens: float = math.inf
    money: float = math.inf
    prices: Prices = Prices()

    def __post_init__(self) -> None:
        """Refuse what would never stop anybody."""
        prices = (self.prices.prompt, self.prices.completion)
        given = [price for price in prices if price is not None]
        if not all(figure >= 0.0 for figure in (self.tokens, self.money, *given)) or math.inf in given:
            raise UserError("a budget and its prices are numbers from 0 up")
        if self.money < math.inf and None in prices:
            raise UserError("a budget in money needs the prices of a million tokens")

    def over(self, spent: Usage) -> str:
        """What is used up, in words; empty while nothing is.

        Raises UserError where money is limited and what was spent is not known.
        """
        if spent.tokens >= self.tokens:
            return f"the budget of {self.tokens} tokens is used up"
        if self.money < math.inf and spent.dollars is None:
            raise UserError("a budget in dollars needs a price", remedy="give --price-in and --price-out")
        return f"the budget of {self.money:g} dollars is used up" if (spent.dollars or 0.0) >= self.money else ""


class Account:
    """Tokens and money spent, calls that are under way included at the most they can cost.

    `spent` is without those, and without what money is worth: see `money`.
    It begins with all that lies in the recording, so that a budget holds over interruptions. Safe for threads. Not
    counted: what an endpoint bills for calls that failed, of which nobody is told.
    """

    def __init__(self, budget: Budget, recorded: Iterable[Reply] = ()) -> None:
        self._budget = budget
        self._lock = threading.Lock()
        self.spent = Usage()
        self._held = Usage()
        self.estimated = 0
        for reply in recorded:
            self._take(reply)

    @property
    def money(self) -> float:
        """US dollars so far; 0 where no price is known."""
        return self._priced(self.spent)

    def hold(self, request: Request) -> None:
        """Set aside the most that a call can cost. Raises BudgetSpentError where that is more than is left."""
        with self._lock:
            held = self._held + _most(request)
            spent = self.spent
            worst = spent + held
            if worst.tokens > self._budget.tokens or self._priced(worst) > self._budget.money:
                raise BudgetSpentError(
                    f"the judge's budget is spent: {spent.tokens} tokens in {spent.calls} calls ({self.money:.2f}), "
                    f"and one more call may cost {request.worst_tokens()}",
                    remedy="raise the budget and run it again: what was answered is kept, and not asked again",
                )
            self._held = held

    def settle(self, request: Request, reply: Reply | None) -> None:
        """Count what a call did cost, and let go of what was held for it. None: it failed."""
        most = _most(request)
        with self._lock:
            self._held += Usage(-most.tokens_in, -most.tokens_out)
            if reply is not None:
                self._take(reply)

    def _take(self, reply: Reply) -> None:
        self.spent += Usage(reply.prompt_tokens, reply.completion_tokens, calls=1)
        self.estimated += not reply.counted

    def _priced(self, usage: Usage) -> float:
        return self._budget.prices.usage(usage.tokens_in, usage.tokens_out).dollars or 0.0


def _most(request: Request) -> Usage:
    """The most that a call can cost, in tokens."""
    return Usage(request.worst_tokens() - request.most_tokens, request.most_tokens)
