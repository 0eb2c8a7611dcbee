"""Work that is made ready ahead of need, so that checking many files never waits for a sandbox to start."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


class _End:
    """What stands behind the last item."""


class Prefetcher(Generic[T]):
    """Runs `source` in a thread of its own, up to `ahead` items in advance.

    `close` ends the thread and gives each item that nobody took to `dispose`. An error of the source is
    raised to the one who iterates.
    """

    def __init__(self, source: Iterable[T], dispose: Callable[[T], None], *, ahead: int = 1) -> None:
        self._next = partial(next, iter(source), _End())
        self._dispose = dispose
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._coming = deque(self._thread.submit(self._next) for _ in range(ahead))

    def __iter__(self) -> Iterator[T]:
        """Give the items in order, each once."""
        while not isinstance(item := self._coming[0].result(), _End):
            self._coming.popleft()
            self._coming.append(self._thread.submit(self._next))
            yield item

    def close(self) -> None:
        """Stop, and dispose of what nobody took."""
        self._thread.shutdown(cancel_futures=True)
        while self._coming:
            left = self._coming.popleft()
            if not left.cancelled() and left.exception() is None and not isinstance(item := left.result(), _End):
                self._dispose(item)
