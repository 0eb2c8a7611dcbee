"""From rows of a preference set to pairs: a prompt, a better completion and a worse one.

`chosen` and `rejected` are texts or conversations (lists of messages with `role` and `content`). With an explicit
`prompt` they are what follows it, or repeat it; without one, the prompt is what both begin with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: A message as chat templates take it.
Message = dict[str, str]
#: A text, or a conversation.
Piece = str | list[Message]
_REMEDY = "each row needs `chosen` and `rejected`, both texts or both lists of messages with `role` and `content`"


@dataclass(frozen=True)
class Pair:
    """One pair; all three are texts, or all three are lists of messages. `row` counts from 1."""

    row: int
    prompt: Piece
    chosen: Piece
    rejected: Piece

    @property
    def conversational(self) -> bool:
        """Whether it is made of messages."""
        return not isinstance(self.chosen, str)


def pairs(rows: Iterable[dict[str, Any]]) -> list[Pair]:
    """Read rows. Raises StepError that names the first row that is none."""
    found = [_pair(number, row) for number, row in enumerate(rows, start=1)]
    if not found:
        raise StepError("the preference set is empty", fault="user", remedy=_REMEDY)
    if len({pair.conversational for pair in found}) > 1:
        raise StepError("the preference set mixes texts and conversations", fault="user", remedy=_REMEDY)
    return found


def _pair(number: int, row: dict[str, Any]) -> Pair:
    missing = [name for name in ("chosen", "rejected") if row.get(name) is None]
    if missing:
        raise _bad(number, f"has no `{missing[0]}`")
    chosen, rejected = _piece(number, "chosen", row["chosen"]), _piece(number, "rejected", row["rejected"])
    prompt = None if row.get("prompt") is None else _piece(number, "prompt", row["prompt"])
    if isinstance(chosen, str) and isinstance(rejected, str):
        pair = _texts(number, prompt, chosen, rejected)
    elif isinstance(chosen, list) and isinstance(rejected, list):
        pair = _conversations(number, prompt, chosen, rejected)
    else:
        raise _bad(number, "has a text on one side and messages on the other")
    for name, side in (("chosen", pair.chosen), ("rejected", pair.rejected)):
        if _is_empty(side):
            raise StepError(f"row {number}: the {name} completion is empty", fault="user", remedy="drop such rows")
    return pair


def _piece(number: int, name: str, value: Any) -> Piece:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        raise _bad(number, f"has a `{name}` that is neither text nor messages")
    for message in value:
        if not isinstance(message, dict) or not all(isinstance(message.get(k), str) for k in ("role", "content")):
            raise _bad(number, f"has a message without role and content in `{name}`")
    return [{"role": message["role"], "content": message["content"]} for message in value]


def _texts(number: int, prompt: Piece | None, chosen: str, rejected: str) -> Pair:
    if prompt is None:
        size = in_common(chosen, rejected)
        # The space before a completion belongs to it: tokens of texts begin with theirs.
        size -= bool(size and chosen[size - 1] == " ")
        return Pair(number, chosen[:size], chosen[size:], rejected[size:])
    if not isinstance(prompt, str):
        raise _bad(number, "has messages as a prompt and texts as completions")
    return Pair(number, prompt, chosen, rejected)


def _conversations(number: int, prompt: Piece | None, chosen: list[Message], rejected: list[Message]) -> Pair:
    if isinstance(prompt, list):
        size = len(prompt)
        if chosen[:size] == prompt and rejected[:size] == prompt:
            chosen, rejected = chosen[size:], rejected[size:]
        return Pair(number, prompt, chosen, rejected)
    # At least the last message is the completion, also where both sides are the same.
    size = min(in_common(chosen, rejected), len(chosen) - 1, len(rejected) - 1)
    shared = chosen[:size]
    if isinstance(prompt, str) and not any(message["role"] == "user" for message in shared):
        shared = [*shared, {"role": "user", "content": prompt}]
    if not shared:
        raise _bad(number, "has conversations that share no beginning, and no prompt")
    return Pair(number, shared, chosen[size:], rejected[size:])


def in_common(one: Sequence[object], other: Sequence[object]) -> int:
    """How many characters, messages or tokens at their beginnings are the same."""
    same = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        same += 1
    return same


def _is_empty(side: Piece) -> bool:
    if isinstance(side, str):
        return not side.strip()
    return not side or not any(message["content"].strip() for message in side)


def _bad(number: int, what: str) -> StepError:
    return StepError(f"row {number} of the preference set {what}", fault="user", remedy=_REMEDY)
