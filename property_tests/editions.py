"""Which editions of the profiles a test belongs to: they are frozen, so a test that changes is kept as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Test = TypeVar("Test", bound="Callable[..., Any]")


def since(edition: str) -> Callable[[Test], Test]:
    """The test runs from this edition on, such as "2026.2"."""
    return _marked("_since", edition)


def until(edition: str) -> Callable[[Test], Test]:
    """The test runs up to this edition and not after it."""
    return _marked("_until", edition)


def belongs(test: Callable[..., Any], edition: str) -> bool:
    """Whether a test is a part of this edition."""
    marks = vars(test)
    return order_of(marks.get("_since", edition)) <= order_of(edition) <= order_of(marks.get("_until", edition))


def _marked(name: str, edition: str) -> Callable[[Test], Test]:
    order_of(edition)  # a malformed edition fails where it stands

    def mark(test: Test) -> Test:
        vars(test)[name] = edition
        return test

    return mark


def order_of(edition: str) -> tuple[int, ...]:
    """An edition as numbers, to be compared."""
    return tuple(int(part) for part in edition.split("."))
