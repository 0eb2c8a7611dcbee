"""Work made ready ahead of need: in order, not too far ahead, and nothing left lying about."""

from __future__ import annotations

import functools
import threading
import time
from typing import TYPE_CHECKING

import pytest

from harness.oracle.prefetch import Prefetcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.002)
    return False


class Source:
    """Counts what was made."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.made: list[int] = []
        self.threads: set[str] = set()

    def __iter__(self) -> Iterator[int]:
        for i in range(self.count):
            self.threads.add(threading.current_thread().name)
            self.made.append(i)
            yield i


def test_items_come_in_order_each_once() -> None:
    disposed: list[int] = []
    ahead = Prefetcher(Source(20), disposed.append)
    assert list(ahead) == list(range(20))
    ahead.close()
    assert disposed == []


@pytest.mark.parametrize("many", [1, 3])
def test_no_more_than_that_many_are_made_ahead(many: int) -> None:
    source = Source(10)
    disposed: list[int] = []
    ahead = Prefetcher(source, disposed.append, ahead=many)
    assert eventually(lambda: len(source.made) == many)
    time.sleep(0.05)
    assert len(source.made) == many

    def has_made(count: int) -> bool:
        return len(source.made) == count

    items = iter(ahead)
    for taken in range(1, 5):
        assert next(items) == taken - 1
        assert eventually(functools.partial(has_made, taken + many))
        time.sleep(0.02)
        assert len(source.made) == taken + many
    ahead.close()
    assert disposed == list(range(4, 4 + many))


def test_the_work_is_done_in_another_thread() -> None:
    source = Source(3)
    ahead = Prefetcher(source, lambda _: None)
    list(ahead)
    ahead.close()
    assert source.threads == {"ahead_0"}


def test_closing_disposes_of_what_nobody_took() -> None:
    disposed: list[int] = []
    source = Source(10)
    ahead = Prefetcher(source, disposed.append, ahead=2)
    assert eventually(lambda: len(source.made) == 2)
    ahead.close()
    assert disposed == [0, 1]
    assert len(source.made) == 2


def test_closing_waits_for_the_item_that_is_being_made() -> None:
    begun, go = threading.Event(), threading.Event()
    disposed: list[str] = []

    def source() -> Iterator[str]:
        begun.set()
        go.wait(120)
        yield "slow"

    ahead = Prefetcher(source(), disposed.append)
    assert begun.wait(120)
    threading.Timer(0.1, go.set).start()
    ahead.close()
    assert disposed == ["slow"]


def test_an_error_reaches_the_consumer_behind_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    ahead = Prefetcher(source(), lambda _: None)
    items = iter(ahead)
    assert next(items) == 1
    with pytest.raises(KeyError, match="broken"):
        next(items)
    ahead.close()


def test_an_interrupt_reaches_the_consumer() -> None:
    def source() -> Iterator[int]:
        raise KeyboardInterrupt
        yield 1

    ahead = Prefetcher(source(), lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        list(ahead)
    ahead.close()


def test_an_empty_source() -> None:
    ahead: Prefetcher[int] = Prefetcher([], lambda _: None)
    assert list(ahead) == []
    ahead.close()
    ahead.close()


def is_even(number: int) -> bool:
    return number % 2 == 0


def test_what_does_not_count_is_made_along_with_the_one_behind_it() -> None:
    source = Source(7)
    disposed: list[int] = []
    ahead = Prefetcher(source, disposed.append, counts=is_even)
    assert eventually(lambda: source.made == [0])
    items = iter(ahead)
    assert next(items) == 0
    # 1 hides nobody's start, so that 2 is made as well.
    assert eventually(lambda: source.made == [0, 1, 2])
    time.sleep(0.02)
    assert source.made == [0, 1, 2]
    assert next(items) == 1
    assert eventually(lambda: source.made == [0, 1, 2, 3, 4])
    ahead.close()
    assert disposed == [2, 3, 4]


def test_where_nothing_counts_no_end_is_waited_for() -> None:
    source = Source(1000)
    ahead = Prefetcher(source, lambda _: None, counts=lambda _: False)
    assert next(iter(ahead)) == 0
    time.sleep(0.02)
    assert len(source.made) < 100
    ahead.close()


def test_all_come_in_order_whatever_counts() -> None:
    disposed: list[int] = []
    for counts in (is_even, lambda number: number == 5, lambda _: False):
        ahead = Prefetcher(Source(40), disposed.append, counts=counts)
        assert list(ahead) == list(range(40))
        ahead.close()
    assert disposed == []


def test_an_error_comes_behind_what_does_not_count() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 3
        raise KeyError("broken")

    disposed: list[int] = []
    ahead = Prefetcher(source(), disposed.append, counts=is_even)
    items = iter(ahead)
    assert [next(items), next(items)] == [1, 3]
    with pytest.raises(KeyError, match="broken"):
        next(items)
    ahead.close()
    assert disposed == []
