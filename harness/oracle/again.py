"""What was answered, kept in part, to be asked again where nothing of it can be remembered: in a fresh container.

A candidate may remember its answers, and so give each of them twice, whatever it has become in between; and with the
screen off it may say of itself that it is a fresh process. A container that has been asked nothing yet is ours.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from harness.protocol.spotcheck import changed, same

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.protocol.batch import Answer, Batch, Complaint

#: So many bytes of what is kept; beyond them every second batch is let go.
CAP = 64 << 20
#: Batches in one request.
_TOGETHER = 32
#: The last batches of a training, all of which are asked again.
LAST = 64


@dataclass(frozen=True)
class Exchange:
    """The `number`th batch that was answered, its answer, and whether it had its request for itself."""

    number: int
    batch: Batch
    answer: Answer | Complaint
    alone: bool


class Kept:
    """One batch in `every`, and the `last` ones, with their answers; `calls` counts all.

    `every` doubles when more than `cap` bytes would be kept. `when`, a number of calls and what is to be done then,
    is for whoever prepares for the asking.
    """

    def __init__(
        self, every: int, last: int, *, cap: int = CAP, when: tuple[int, Callable[[], None]] | None = None
    ) -> None:
        if every < 1 or last < 1:
            raise ValueError("one in `every` is kept, and at least the last one")
        self.every, self.calls = every, 0
        self._share: list[Exchange] = []
        self._last: deque[Exchange] = deque(maxlen=last)
        self._cap, self._bytes = cap, 0
        self._when = when

    def take(
        self, batches: Sequence[Batch], answers: Sequence[Answer | Complaint], *, alone: bool | None = None
    ) -> None:
        """Take what one request asked and got; `alone` says whether that was all of it, and one batch."""
        alone = len(batches) == 1 if alone is None else alone
        for batch, answer in zip(batches, answers, strict=True):
            self.calls += 1
            one = Exchange(self.calls, batch, answer, alone)
            self._last.append(one)
            if self.calls % self.every == 0:
                self._share.append(one)
                self._bytes += _size(one)
        while self._bytes > self._cap and self._share:
            self.every *= 2
            self._share = [e for e in self._share if e.number % self.every == 0]
            self._bytes = sum(map(_size, self._share))
        self.count(0)

    def count(self, more: int) -> None:
        """Count batches that were answered and are not kept."""
        self.calls += more
        if self._when is not None and self.calls >= self._when[0]:
            act, self._when = self._when[1], None
            act()

    def latest_first(self) -> list[Exchange]:
        """What is kept, the last answered first."""
        known = {e.number: e for e in (*self._share, *self._last)}
        return [known[number] for number in sorted(known, reverse=True)]

    def ask(self, fresh: Callable[[Sequence[Batch]], Sequence[Answer]], tolerance: float = 0.0) -> int:
        """Ask `fresh` for what a training was answered, the last first; give how many batches that were.

        Raises what it raises, and CandidateFault where an answer is another one, as `spotcheck.same` says.
        """
        asked = self.latest_first()
        for at in range(0, len(asked), _TOGETHER):
            piece = asked[at : at + _TOGETHER]
            for one, after in zip(piece, fresh([e.batch for e in piece]), strict=True):
                before = cast("Answer", one.answer)  # a training ends at the first complaint
                if not same(before, after, tolerance):
                    raise changed(one.number, one.batch, before, after, "in a fresh container")
        return len(asked)

    def clear(self) -> None:
        """Forget all: nothing of it counts."""
        self.calls = self._bytes = 0
        self._share.clear()
        self._last.clear()


def _size(one: Exchange) -> int:
    batch = one.batch
    asked = sum(tensor.nbytes for tensor in batch.tensors)
    return asked + batch.dtype.itemsize * (1 + len(batch.contract.differentiated)) * batch.numbers
