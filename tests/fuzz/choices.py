"""Decisions out of a fuzzer's bytes: each input is a plan, and every plan is one that can be carried out."""

from __future__ import annotations


class Choices:
    """A cursor over the input. Past its end every choice is the first one, so that short inputs are plans too."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that nothing was decided by yet."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """A number from 0 to 255."""
        return self.take(1)[0] if self.left else 0

    def below(self, most: int) -> int:
        """A number from 0 to `most` - 1."""
        return int.from_bytes(self.take(2 if most <= 1 << 16 else 4), "little") % most

    def number(self) -> int:
        """A number of four bytes, as a header carries it."""
        return int.from_bytes(self.take(4), "little")

    def take(self, size: int) -> bytes:
        """The next bytes, fewer where the input ends."""
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(self.left)
