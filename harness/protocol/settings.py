"""Settings as a ladder's file or a job has them, read into a frozen dataclass whose defaults tell the types."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Setting

T = TypeVar("T")


def read_settings(kind: type[T], given: Mapping[str, Setting], what: str) -> T:
    """The settings; `what` is what has them ("a fine-tune").

    A whole number may stand for a float, and a float without a fraction for a whole number. Raises StepError, the
    user's, for one that does not exist or is of another type.
    """
    kinds = {field.name: type(field.default) for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(given) - set(kinds)):
        remedy = f"settings are: {', '.join(sorted(kinds))}"
        raise StepError(f"{what} has no setting {unknown[0]!r}", fault="user", remedy=remedy)
    return kind(**{name: _as(kinds[name], name, value) for name, value in given.items()})


def _as(kind: type, name: str, value: Setting) -> Any:
    if kind is str and isinstance(value, str):
        return value
    if kind in {int, float} and isinstance(value, (int, float)) and not isinstance(value, bool):
        if kind is float:
            return float(value)
        if float(value).is_integer():
            return int(value)
    remedy = f"give {name} as a value of type {kind.__name__}"
    raise StepError(f"the setting {name} cannot be {value!r}", fault="user", remedy=remedy)
