"""Work that is made ready ahead of need, so that checking many files never waits for a sandbox to start."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


class _End:
    """What stands behind the last item: nothing, or the error that ended the source."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Prefetcher(Generic[T]):
    """Runs `source` in a thread of its own, up to `ahead` items in advance.

    `close` ends the thread and gives each item that nobody took to `dispose`. An error of the source is
    raised to the one who iterates.
    """

    def __init__(self, source: Iterable[T], dispose: Callable[[T], None], *, ahead: int = 1) -> None:
        self._source = source
        self._dispose = dispose
        self._items: queue.Queue[T | _End] = queue.Queue()
        self._room = threading.Semaphore(ahead)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        """Give the items in order, each once."""
        while True:
            item = self._items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            self._room.release()
            yield item

    def close(self) -> None:
        """Stop, and dispose of what nobody took."""
        self._closing.set()
        self._room.release()
        self._thread.join()
        while True:
            try:
                item = self._items.get_nowait()
            except queue.Empty:
                return
            if not isinstance(item, _End):
                self._dispose(item)

    def _work(self) -> None:
        end = _End()
        try:
            iterator = iter(self._source)
            while True:
                self._room.acquire()
                if self._closing.is_set():
                    break
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                self._items.put(item)
        except BaseException as error:  # noqa: BLE001 - it has to reach the one who waits
            end = _End(error)
        self._items.put(end)
