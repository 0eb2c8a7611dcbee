"""Times as records and keys have them: UTC, to the microsecond, in RFC 3339 with a Z."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.core.errors import UserError

_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


def now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


def spelt(when: datetime) -> str:
    """The one way in which a time is written, so that equal times are equal texts."""
    return when.astimezone(UTC).strftime(_FORM)


def read(text: str) -> datetime:
    """A time that `spelt` wrote. Raises ValueError for any other text."""
    when = datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    if spelt(when) != text:
        raise ValueError(f"{text!r:.60} is no time as it is written here")
    return when


def given(text: str) -> datetime:
    """A time as people write it: a date, or a date and a time in ISO 8601; UTC where no zone is told.

    Raises UserError.
    """
    try:
        when = datetime.fromisoformat(text)
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{text!r:.60} is no time", remedy="write it as 2026-01-31 or 2026-01-31T12:00:00Z") from error
