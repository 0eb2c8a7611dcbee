"""What a hostile peer makes of an honest frame: cut, doubled, reordered, renumbered, resized, overwritten, endless."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from honest import ANSWER, ENDED, FAULT, LOADED, READY, STARTED, complaint, frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from choices import Choices

KINDS = (READY, LOADED, STARTED, ANSWER, FAULT, ENDED, 0, 3, 255)
#: Lengths and counts that break what trusts them: none, one off, negative ones, four gigabytes.
LENGTHS = (0, 1, 5, 0xFFFF, 0x10000, 64 << 20, (64 << 20) + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HEADER = 16


@dataclass
class Spoken:
    """Bytes for stdout, and what the peer does after them: nothing, `close`, or `stdout`/`stderr` without an end."""

    data: bytes
    then: str = ""


@dataclass(frozen=True)
class Moment:
    """An honest frame, the number of its request and of the one before."""

    honest: bytes
    sequence: int
    previous: int


def _put(data: bytes, at: int, piece: bytes) -> bytes:
    return data[:at] + piece + data[at + len(piece) :]


def _resized(moment: Moment, payload: bytes) -> bytes:
    """The same header with another payload, and a length that fits it."""
    return moment.honest[:12] + struct.pack("<I", len(payload)) + payload


def _cut(moment: Moment, plan: Choices) -> Spoken:
    return Spoken(moment.honest[: plan.below(len(moment.honest))], "close" if plan.byte() % 2 else "")


def _doubled(moment: Moment, _: Choices) -> Spoken:
    return Spoken(moment.honest * 2)


def _preceded(moment: Moment, plan: Choices) -> Spoken:
    number = (0, moment.sequence, moment.previous)[plan.below(3)]
    before = frame(KINDS[plan.below(len(KINDS))], number, plan.take(plan.below(12)))
    return Spoken(before + moment.honest)


def _followed(moment: Moment, plan: Choices) -> Spoken:
    return Spoken(moment.honest + plan.take(1 + plan.below(20)))


def _renumbered(moment: Moment, plan: Choices) -> Spoken:
    wrong = (0, moment.previous, moment.sequence ^ 1, (moment.sequence + 1) & 0xFFFFFFFF, plan.number())
    return Spoken(_put(moment.honest, 8, struct.pack("<I", wrong[plan.below(len(wrong))])))


def _announced(moment: Moment, plan: Choices) -> Spoken:
    then = ("", "close", "stdout")[plan.below(3)]
    return Spoken(_put(moment.honest, 12, struct.pack("<I", LENGTHS[plan.below(len(LENGTHS))])), then)


def _of_another_kind(moment: Moment, plan: Choices) -> Spoken:
    return Spoken(_put(moment.honest, 4, bytes([KINDS[plan.below(len(KINDS))]])))


def _marked(moment: Moment, plan: Choices) -> Spoken:
    """Another byte in the magic, or in what is to be zero."""
    at = (0, 1, 2, 3, 5, 6, 7)[plan.below(7)]
    return Spoken(_put(moment.honest, at, bytes([moment.honest[at] ^ (1 + plan.below(255))])))


def _overwritten(moment: Moment, plan: Choices) -> Spoken:
    data = moment.honest
    for _ in range(1 + plan.below(3)):
        data = _put(data, plan.below(len(data)), plan.take(1 + plan.below(4)))
    return Spoken(data[: len(moment.honest)])


def _counted(moment: Moment, plan: Choices) -> Spoken:
    """A number inside the payload, as a count or a size would be."""
    if len(moment.honest) < HEADER + 4:
        return Spoken(moment.honest)
    at = HEADER + 4 * plan.below((len(moment.honest) - HEADER) // 4)
    return Spoken(_put(moment.honest, at, struct.pack("<I", LENGTHS[plan.below(len(LENGTHS))])))


def _longer(moment: Moment, plan: Choices) -> Spoken:
    at, more = HEADER + plan.below(len(moment.honest) - HEADER + 1), plan.take(1 + plan.below(40))
    return Spoken(_resized(moment, moment.honest[HEADER:at] + more + moment.honest[at:]))


def _shorter(moment: Moment, plan: Choices) -> Spoken:
    at = HEADER + plan.below(len(moment.honest) - HEADER + 1)
    return Spoken(_resized(moment, moment.honest[HEADER:at] + moment.honest[at + 1 + plan.below(8) :]))


def _empty(moment: Moment, _: Choices) -> Spoken:
    return Spoken(_resized(moment, b""))


def _not_a_number(moment: Moment, plan: Choices) -> Spoken:
    """NaN where a header has integers, or where a payload has them or numbers."""
    piece = struct.pack("<f" if plan.byte() % 2 else "<d", math.nan)
    return Spoken(_put(moment.honest, plan.below(len(moment.honest)), piece)[: len(moment.honest)])


def _replaced(_: Moment, plan: Choices) -> Spoken:
    return Spoken(plan.take(plan.below(64)), "close" if plan.byte() % 2 else "")


def _complained(moment: Moment, plan: Choices) -> Spoken:
    kinds = (FAULT, ANSWER)
    told = complaint(plan.below(6), plan.number(), plan.take(plan.below(8)), plan.take(plan.below(8)))
    return Spoken(frame(kinds[plan.below(2)], moment.sequence, told))


def _ended(moment: Moment, plan: Choices) -> Spoken:
    number = (0, moment.sequence)[plan.below(2)]
    then = ("", "close", "stdout", "stderr")[plan.below(4)]
    return Spoken(frame(ENDED, number, plan.take((5, 5, 4, 6)[plan.below(4)])), then)


def _endless(moment: Moment, plan: Choices) -> Spoken:
    return Spoken(moment.honest[: plan.below(len(moment.honest) + 1)], ("stdout", "stderr")[plan.below(2)])


WAYS: tuple[Callable[[Moment, Choices], Spoken], ...] = (
    _cut,
    _doubled,
    _preceded,
    _followed,
    _renumbered,
    _announced,
    _of_another_kind,
    _marked,
    _overwritten,
    _counted,
    _longer,
    _shorter,
    _empty,
    _not_a_number,
    _replaced,
    _complained,
    _ended,
    _endless,
)


def spoken(moment: Moment, plan: Choices) -> Spoken:
    """What is sent in place of the honest frame; half of all plans leave it as it is."""
    way = plan.byte()
    if way % 2 == 0:
        return Spoken(moment.honest)
    return WAYS[(way // 2) % len(WAYS)](moment, plan)
