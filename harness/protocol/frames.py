"""Frames of the wire, without the numbers in them: what starting a sandbox takes, and nothing more.

Apart from `wire` because numpy takes longer to import than a container takes to be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from harness.sandbox import confinement
from harness.sandbox import wire as layout

if TYPE_CHECKING:
    import struct

HEADER = layout.HEADER
#: Length of the ENDED payload, in bytes.
ENDED_SIZE = 5
#: Longest payload that any reply may have, in bytes.
MAX_REPLY = 64 << 20
#: Longest text of versions in READY, in bytes.
VERSIONS_CAP = 100


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

    def skip(self, size: int) -> int:
        """Go past the next `size` bytes; give where they begin."""
        begin, end = self._at, self._at + size
        if end > len(self._data):
            raise WireError("a reply ends too early")
        self._at = end
        return begin

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        begin = self.skip(size)
        return self._data[begin : begin + size]

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(len(self._data) - self._at)

    def unpack(self, layout_: struct.Struct) -> tuple[int, ...]:
        """The next numbers."""
        return layout_.unpack_from(self._data, self.skip(layout_.size))

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


@dataclass(frozen=True)
class Confinement:
    """What process 1 of a sandbox saw of its own confinement before it saw a candidate.

    `seccomp` is the kernel's mode (2: a filter). Capabilities are bit sets: held in any of the four sets, and
    within reach. `swap` is what may be used beyond memory, `cpus` in billionths of a processor, sizes in bytes;
    None where nothing could be seen, `confinement.UNLIMITED` where there is no limit.
    """

    flags: int
    seccomp: int | None
    uid: int
    gid: int
    interfaces: int | None
    held: int | None
    bound: int | None
    memory: int | None
    swap: int | None
    pids: int | None
    cpus: int | None
    descriptors: int | None
    file_size: int | None
    core: int | None
    tmp_size: int | None
    tmp_inodes: int | None

    def has(self, flag: int) -> bool:
        """Whether a flag of `harness.sandbox.confinement` is set."""
        return bool(self.flags & flag)


@dataclass(frozen=True)
class Ready:
    """The READY payload: versions of Python and torch inside, and how the sandbox is confined."""

    versions: tuple[str, str]
    confinement: Confinement


_UNSEEN = {
    "seccomp": confinement.UNSEEN_MODE,
    "interfaces": confinement.UNSEEN_COUNT,
    "uid": None,
    "gid": None,
    "flags": None,
}


def parse_ready(payload: bytes) -> Ready:
    """The READY payload; raises WireError unless every byte of it means something."""
    reader = Reader(payload)
    packed = reader.take(confinement.FACTS.size)
    numbers = confinement.FACTS.unpack(packed)
    if confinement.FACTS.pack(*numbers) != packed or numbers[0] & ~confinement.ALL_FLAGS:
        raise WireError("the sandbox said something about its confinement that means nothing")
    said = payload[len(packed) :]
    words = said.decode("ascii", "replace").split(" ")
    if (
        not said.isascii()
        or len(said) > VERSIONS_CAP
        or len(words) != 2
        or not all(w and w.isprintable() for w in words)
    ):
        raise WireError("the sandbox did not say its versions")
    seen: dict[str, Any] = {
        field.name: None if number == _UNSEEN.get(field.name, confinement.UNSEEN) else number
        for field, number in zip(fields(Confinement), numbers, strict=True)
    }
    return Ready((words[0], words[1]), Confinement(**seen))
