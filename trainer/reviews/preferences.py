"""Preferences between two texts, as rows of the hub's files state them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.protocol.job import StepError
from harness.trainer.hub import rows

if TYPE_CHECKING:
    from pathlib import Path

_REMEDY = (
    "each row needs `prompt` with `chosen` and `rejected` as texts, or `prompt` with two `responses` and `chosen`, "
    "the place of the better one (0 or 1)"
)


@dataclass(frozen=True)
class Preference:
    """One row, counted from 1; the texts as they stand."""

    row: int
    prompt: str
    chosen: str
    rejected: str


def preferences(path: Path, split: str) -> list[Preference] | None:
    """The rows of a split; None where the set has no such split. Raises StepError (the user's fault) for a bad row."""
    found = rows(path, split)
    if found is None:
        return None
    if not found:
        raise StepError(f"the split {split} of the preference set is empty", fault="user", remedy=_REMEDY)
    return [_preference(number, row) for number, row in enumerate(found, start=1)]


def _preference(number: int, row: dict[str, Any]) -> Preference:
    if "responses" in row:
        chosen, rejected = _of_two(number, row)
    else:
        chosen, rejected = row.get("chosen"), row.get("rejected")
    texts = {"prompt": row.get("prompt"), "chosen": chosen, "rejected": rejected}
    for name, text in texts.items():
        if not isinstance(text, str):
            what = "no" if text is None else f"a {type(text).__name__} as"
            raise StepError(f"row {number} of the preference set has {what} {name}", fault="user", remedy=_REMEDY)
        if not text.strip():
            said = f"row {number} of the preference set has an empty {name}"
            raise StepError(said, fault="user", remedy="drop such rows")
    return Preference(number, str(texts["prompt"]), str(texts["chosen"]), str(texts["rejected"]))


def _of_two(number: int, row: dict[str, Any]) -> tuple[Any, Any]:
    """Better and worse of a row that lists both and names the better one by its place."""
    both, place = row["responses"], row.get("chosen")
    if not isinstance(both, list) or len(both) != 2:
        raise StepError(f"row {number} of the preference set has no two responses", fault="user", remedy=_REMEDY)
    if not isinstance(place, int) or place not in {0, 1}:
        said = f"row {number} of the preference set names {place!r} as the better response"
        raise StepError(said, fault="user", remedy=_REMEDY)
    return both[place], both[1 - place]
