"""Frames of the wire, without the numbers in them: what starting a sandbox takes, and nothing more.

Apart from `wire` because numpy takes longer to import than a container takes to be asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import wire as layout

if TYPE_CHECKING:
    import struct

HEADER = layout.HEADER
#: Length of the ENDED payload, in bytes.
ENDED_SIZE = 5
#: Longest payload that any reply may have, in bytes.
MAX_REPLY = 64 << 20


class WireError(Exception):
    """The bytes are no valid reply to the request."""


def pack_frame(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    """A request frame."""
    return HEADER.pack(layout.MAGIC, kind, sequence, len(payload)) + payload


def parse_header(data: bytes, *, sequence: int, expected: tuple[int, ...]) -> tuple[int, int]:
    """Check a reply's header; give its kind and the length of its payload."""
    if len(data) != HEADER.size:
        raise WireError("a header was cut")
    magic, kind, got, length = HEADER.unpack(data)
    if magic != layout.MAGIC or data[5:8] != b"\0\0\0":
        raise WireError("a header has the wrong magic bytes")
    if kind not in expected:
        raise WireError(f"a reply of kind {kind} answers no request")
    if got != sequence:
        raise WireError("a reply carries another request's number")
    if length > MAX_REPLY:
        raise WireError(f"a reply announces {length} bytes")
    return kind, length


class Reader:
    """A cursor that cannot leave the payload."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > len(self._data) - self._at:
            raise WireError("a reply ends too early")
        piece = self._data[self._at : self._at + size]
        self._at += size
        return piece

    def unpack(self, layout_: struct.Struct) -> tuple[int, ...]:
        """The next numbers."""
        return layout_.unpack(self.take(layout_.size))

    def finish(self) -> None:
        """Raise WireError where bytes are left."""
        if self._at != len(self._data):
            raise WireError("a reply is longer than its content")


def parse_ended(payload: bytes) -> tuple[int, bool]:
    """The ENDED payload: the fork's wait status, and whether memory had run out."""
    reader = Reader(payload)
    status, starved = int.from_bytes(reader.take(4), "little"), reader.take(1)[0]
    reader.finish()
    return status, bool(starved)


def parse_ready(payload: bytes) -> tuple[str, str]:
    """The READY payload: versions of Python and torch inside, as short printable texts."""
    words = payload[:100].decode("ascii", "replace").split()
    if len(words) != 2 or not all(w.isprintable() for w in words):
        raise WireError("the sandbox did not say its versions")
    return words[0], words[1]
