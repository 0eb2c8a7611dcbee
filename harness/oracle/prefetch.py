"""Work that is made ready ahead of need, so that checking many files never waits for a sandbox to start."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

#: Most items that are made in one go: whoever waits for the first of them hears of it soon.
_AT_ONCE = 16


@dataclass(frozen=True)
class _Made(Generic[T]):
    """Items that were made in one go, and what the source raised behind them. Neither: its end."""

    items: tuple[T, ...]
    fault: BaseException | None = None


class Prefetcher(Generic[T]):
    """Runs `source` in a thread of its own, up to `ahead` items in advance.

    Items that do not count, since nothing has to start for them, are made along with the one behind them: that one
    would not be ahead of anything otherwise. `close` ends the thread and gives each item that nobody took to `dispose`.
    An error of the source is raised to the one who iterates.
    """

    def __init__(
        self,
        source: Iterable[T],
        dispose: Callable[[T], None],
        *,
        ahead: int = 1,
        counts: Callable[[T], bool] = lambda _: True,
    ) -> None:
        self._source, self._counts = iter(source), counts
        self._dispose = dispose
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._coming = deque(self._thread.submit(self._next) for _ in range(ahead))
        #: What was made in one go with an item that was taken.
        self._at_hand: deque[T] = deque()

    def _next(self) -> _Made[T]:
        """The next item that counts, and those before it that do not."""
        items: list[T] = []
        try:
            for item in self._source:
                items.append(item)
                if self._counts(item) or len(items) == _AT_ONCE:
                    break
        except BaseException as error:  # noqa: BLE001 - raised to the one who iterates, behind the items before it
            return _Made(tuple(items), error)
        return _Made(tuple(items))

    def __iter__(self) -> Iterator[T]:
        """Give the items in order, each once."""
        while (made := self._coming[0].result()).items or made.fault is not None:
            self._at_hand.extend(made.items)
            self._coming.popleft()
            self._coming.append(self._thread.submit(self._next))
            while self._at_hand:
                yield self._at_hand.popleft()
            if made.fault is not None:
                raise made.fault

    def close(self) -> None:
        """Stop, and dispose of what nobody took."""
        self._thread.shutdown(cancel_futures=True)
        while self._at_hand:
            self._dispose(self._at_hand.popleft())
        while self._coming:
            left = self._coming.popleft()
            for item in () if left.cancelled() else left.result().items:
                self._dispose(item)
