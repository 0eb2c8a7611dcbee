"""The trainer's end of the oracle: a Unix socket on which the host answers for the candidate."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Self

from harness.protocol import relay
from harness.protocol.frames import WireError, pack_frame
from harness.protocol.job import StepError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.protocol.batch import Answer, Batch

#: Longest wait for the host, in seconds: it ends a candidate that is slow long before, and says so.
PATIENCE = 300.0
_NUMBERS = 1 << 32


class RemoteOracle:
    """One connection to the host, for one rank, which has a sandbox of its own there.

    `smallest` is the number of pairs that the loss needs at least. The host asks earlier batches again by itself, so
    that nobody has to do so here. Raises StepError where the host cannot be reached, RefusedError where it gave up.
    """

    def __init__(self, path: Path, *, rank: int = 0, patience: float = PATIENCE) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(patience)
        self._number = 0
        try:
            self._sock.connect(str(path))
        except OSError as error:
            self._sock.close()
            raise StepError(f"nobody answers for the candidate at {path.name}: {error}") from error
        payload = self._round(
            relay.HELLO, relay.GREETING.pack(relay.VERSION, rank, 0), relay.WELCOME, relay.GREETING.size
        )
        version, _, self.smallest = relay.GREETING.unpack(payload)
        if version != relay.VERSION or self.smallest < 1:
            self.close()
            raise StepError(
                f"the host speaks version {version} and this trainer version {relay.VERSION}",
                remedy="build the trainer image anew (`harness image build --for trainer`)",
            )

    def answer(self, batch: Batch) -> Answer:
        """Ask for one batch."""
        payload = self._round(relay.ASK, relay.pack_ask(batch), relay.TOLD, relay.TOLD_CAP)
        try:
            return relay.parse_told(payload, batch)
        except WireError as error:
            raise StepError(f"the host answers in an unknown way: {error}") from error

    def close(self) -> None:
        """Say goodbye."""
        self._sock.close()

    def __enter__(self) -> Self:
        """Use it in a `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _round(self, kind: int, payload: bytes, expected: int, cap: int) -> bytes:
        self._number = (self._number + 1) % _NUMBERS
        try:
            self._sock.sendall(pack_frame(kind, self._number, payload))
            got, number, reply = relay.receive(self._sock, max(cap, relay.FAILED_CAP))
            if got == relay.FAILED:
                self.close()
                raise relay.parse_failed(reply)
            if got != expected or number != self._number or (kind == relay.HELLO and len(reply) != cap):
                raise WireError("a reply answers no question")
        except (OSError, EOFError) as error:
            self.close()
            raise StepError(f"the host went away: {type(error).__name__} {error}".rstrip()) from error
        except (WireError, ValueError, KeyError) as error:
            self.close()
            raise StepError(f"the host answers in an unknown way: {error}") from error
        else:
            return reply
