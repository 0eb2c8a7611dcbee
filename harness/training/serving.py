"""The host's end of the oracle for trainers: a Unix socket in a private folder, one sandbox for each rank.

A trainer knows the candidate by its numbers alone. What goes wrong with the candidate is found on this side, and kept
here: `fault` is what really happened, whatever the trainer makes of it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Protocol, Self

from harness.core.errors import CandidateFault, HarnessError, InfrastructureError
from harness.oracle.again import LAST, Kept
from harness.protocol import relay
from harness.protocol.frames import WireError, pack_frame
from harness.protocol.spotcheck import EVERY, Rechecking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from harness.core.contract import Contract
    from harness.protocol.batch import Answer, Batch

#: Longest wait for the end of a thread that is in the middle of an answer, in seconds.
_ENDING = 30.0
_GREETING_SECONDS = 30.0


class Served(Protocol):
    """What can be served: it answers batches, and says how many rows it needs at least."""

    @property
    def smallest_batch(self) -> int:
        """The smallest batch that it can work with."""

    @property
    def contract(self) -> Contract:
        """What it is asked with."""

    def answer(self, batch: Batch, /) -> Answer:
        """Values and gradients; raises CandidateFault, InfrastructureError."""

    def answers(self, batches: Sequence[Batch], /) -> Sequence[Answer]:
        """Several of them, in one request where that can be."""


class Serving:
    """Answers trainers at `path` until it is closed; each rank gets what `opened(rank)` opens, for itself alone.

    Used in a `with`. The folder of `path` has to be private (0700): whoever can connect can ask. `fault` holds the
    first error by whoever's fault, `calls` the batches answered and `checks` the repeated ones. When a trainer has
    gone, what `opened(rank)` opens anew is asked one batch in `again` of those that it was answered, and the last ones
    (0: none): the answers have to be the same. `asked_again` counts them.
    """

    def __init__(
        self,
        path: Path,
        opened: Callable[[int], AbstractContextManager[Served]],
        *,
        ranks: int = 1,
        every: int = EVERY,
        again: int = 0,
        tolerance: float = 0.0,
    ) -> None:
        if path.parent.stat().st_mode & 0o077:
            raise InfrastructureError(f"others than its owner can reach the folder {path.parent}")
        self.path = path
        self.fault: HarnessError | None = None
        self.calls = 0
        self.checks = 0
        self.asked_again = 0
        self._opened, self._ranks = opened, ranks
        self._every, self._again, self._tolerance = every, again, tolerance
        self._asking: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._connections: set[socket.socket] = set()
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Self:
        """Listen."""
        try:
            self._listener.bind(str(self.path))
            self._listener.listen(self._ranks)
        except OSError as error:
            self._listener.close()
            raise InfrastructureError(f"no socket can be made at {self.path}: {error}") from error
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """End every connection, and wait for the sandboxes to be gone."""
        with self._lock:
            self._closing = True
            open_now = list(self._connections)
        for sock in (self._listener, *open_now):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in list(self._threads):
            thread.join(_ENDING)
        self.path.unlink(missing_ok=True)

    def settle(self) -> None:
        """Wait until every trainer that went away has had its last answers checked, and raise what went wrong.

        To be called when the trainers have ended, and before this is closed: a connection that we close ourselves is
        no end of a training, and is not checked.
        """
        for thread in self._threads[1:]:  # the first one waits for further trainers
            thread.join(_ENDING)
            while thread in self._asking:
                thread.join(_ENDING)  # a fresh sandbox keeps its own time
            if thread.is_alive() and self.fault is None:
                raise InfrastructureError("a trainer has ended, and its connection has not")
        if self.fault is not None:
            raise self.fault

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="serving", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closing:
                    connection.close()
                    return
                self._connections.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_GREETING_SECONDS)
                self._greet_and_answer(connection)
        except (OSError, EOFError):
            return  # the trainer is gone, or we are: its exit code tells more
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _greet_and_answer(self, connection: socket.socket) -> None:
        number = 0
        try:
            rank, number = self._rank_of(connection)
            with self._opened(rank) as served:
                welcome = relay.GREETING.pack(relay.VERSION, 0, served.smallest_batch)
                connection.sendall(pack_frame(relay.WELCOME, number, welcome))
                connection.settimeout(None)
                kept = Kept(self._again, LAST) if self._again else None
                number = self._answer(connection, served, kept)
            if kept is not None and not self._closing:
                self._ask_again(rank, kept)
        except HarnessError as fault:
            self._give_up(connection, fault)
        except WireError as error:
            self._give_up(connection, InfrastructureError(f"the trainer asks in an unknown way: {error}"))
        except (OSError, EOFError):
            raise
        except Exception as error:  # noqa: BLE001 - a mistake of ours in a thread would be lost
            self._give_up(
                connection, InfrastructureError(f"the harness itself failed: {type(error).__name__}: {error}")
            )

    def _rank_of(self, connection: socket.socket) -> tuple[int, int]:
        kind, number, payload = relay.receive(connection, relay.GREETING.size)
        if kind != relay.HELLO or len(payload) != relay.GREETING.size:
            raise WireError("it does not greet")
        version, rank, _ = relay.GREETING.unpack(payload)
        if version != relay.VERSION:
            raise InfrastructureError(
                f"the trainer speaks version {version} of the wire, and not {relay.VERSION}",
                remedy="build the trainer image anew (`harness image build --for trainer`)",
            )
        with self._lock:
            if rank >= self._ranks or rank in self._taken:
                raise InfrastructureError(f"rank {rank} of {self._ranks} asks for a sandbox that it has already")
            self._taken.add(rank)
        return rank, number

    def _ask_again(self, rank: int, kept: Kept) -> None:
        """Ask a sandbox that was asked nothing yet."""
        self._asking.add(threading.current_thread())
        try:
            with self._opened(rank) as fresh:
                count = kept.ask(fresh.answers, self._tolerance)
            with self._lock:
                self.asked_again += count
        finally:
            self._asking.discard(threading.current_thread())

    def _answer(self, connection: socket.socket, served: Served, kept: Kept | None) -> int:
        asked = Rechecking(served, every=self._every, tolerance=self._tolerance)
        try:
            while True:
                try:
                    kind, number, payload = relay.receive(connection, relay.ASK_CAP)
                except (EOFError, ConnectionError):
                    if not self._closing:
                        asked.finish()
                    return 0
                if kind != relay.ASK:
                    raise WireError(f"a frame of kind {kind} is no question")
                batch = relay.parse_ask(payload, served.contract)
                answer = asked.answer(batch)
                if kept is not None:
                    kept.take([batch], [answer])
                connection.sendall(pack_frame(relay.TOLD, number, relay.pack_told(answer)))
        finally:
            with self._lock:
                self.calls += asked.calls
                self.checks += asked.checks

    def _give_up(self, connection: socket.socket, fault: HarnessError) -> None:
        with self._lock:
            self.fault = self.fault or fault
        whose = "candidate" if isinstance(fault, CandidateFault) else "ours"
        with contextlib.suppress(OSError):
            connection.sendall(pack_frame(relay.FAILED, 0, relay.pack_failed(whose, fault.message)))
            # What the trainer still sends must not turn our goodbye into a reset.
            connection.shutdown(socket.SHUT_WR)
