"""What a judge has cost, and the budget that it may not go over."""

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
class Budget:
    """The most tokens and money for one recording; prices are per million tokens, in the currency of `money`.

    A budget in money needs a price: without one nothing would ever be spent. Raises UserError for a budget that makes
    no sense.
    """

    tokens: float = math.inf
    money: float = math.inf
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what would never stop anybody."""
        figures = (self.tokens, self.money, self.prompt_price, self.completion_price)
        if not all(figure >= 0.0 for figure in figures) or math.inf in figures[2:]:
            raise UserError("a budget and its prices are numbers from 0 up")
        if self.money < math.inf and not self.prompt_price + self.completion_price > 0.0:
            raise UserError("a budget in money needs the prices of a million tokens")

    def cost(self, prompt: float, completion: float) -> float:
        """What so many tokens cost."""
        return (prompt * self.prompt_price + completion * self.completion_price) / 1e6


class Account:
    """Tokens and money spent, calls that are under way included at the most they can cost.

    It begins with all that lies in the recording, so that a budget holds over interruptions. Safe for threads. Not
    counted: what an endpoint bills for calls that failed, of which nobody is told.
    """

    def __init__(self, budget: Budget, recorded: Iterable[Reply] = ()) -> None:
        self._budget = budget
        self._lock = threading.Lock()
        self._tokens = [0.0, 0.0]
        self._held = [0.0, 0.0]
        self.calls = 0
        self.estimated = 0
        for reply in recorded:
            self._take(reply)

    @property
    def tokens(self) -> int:
        """Tokens so far, of prompts and replies."""
        return int(sum(self._tokens))

    @property
    def money(self) -> float:
        """Money so far."""
        return self._budget.cost(*self._tokens)

    def hold(self, request: Request) -> None:
        """Set aside the most that a call can cost. Raises BudgetSpentError where that is more than is left."""
        prompt, completion = float(request.worst_tokens() - request.most_tokens), float(request.most_tokens)
        with self._lock:
            held = [self._tokens[0] + self._held[0] + prompt, self._tokens[1] + self._held[1] + completion]
            if sum(held) > self._budget.tokens or self._budget.cost(*held) > self._budget.money:
                raise BudgetSpentError(
                    f"the judge's budget is spent: {self.tokens} tokens in {self.calls} calls ({self.money:.2f}), and "
                    f"one more call may cost {prompt + completion:.0f}",
                    remedy="raise the budget and run it again: what was answered is kept, and not asked again",
                )
            self._held = [self._held[0] + prompt, self._held[1] + completion]

    def settle(self, request: Request, reply: Reply | None) -> None:
        """Count what a call did cost, and let go of what was held for it. None: it failed."""
        with self._lock:
            self._held[0] -= request.worst_tokens() - request.most_tokens
            self._held[1] -= request.most_tokens
            if reply is not None:
                self._take(reply)

    def _take(self, reply: Reply) -> None:
        self._tokens[0] += reply.prompt_tokens
        self._tokens[1] += reply.completion_tokens
        self.calls += 1
        self.estimated += not reply.counted
