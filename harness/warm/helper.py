"""The helper: it listens, gives sandboxes away, and is gone after some idle minutes.

One process of the user's own, for one kind of sandbox. It reads one word of whoever connects, who has to be the same
user, and never a candidate, a path or a verdict.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.containers.engine import Engine
from harness.core.errors import UserError
from harness.core.waiting import opened, taken
from harness.warm import place, talk
from harness.warm.supply import Supply

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from harness.containers.request import Recipe

#: How long a helper is there that nobody asks for anything, in seconds.
IDLE = 600.0
#: How long a check that took a sandbox keeps the next one from being started, in seconds.
_LEASE = 60.0
#: How often it looks whether its time is over, in seconds.
_LOOK = 1.0


@dataclass
class _Caller:
    """One who is connected: since when, and whether it took a sandbox and is at work."""

    since: float
    took: bool = False


class Helper:
    """Serves at a socket until it is idle, told to stop, or cannot start sandboxes any more."""

    def __init__(self, listener: socket.socket, supply: Supply, idle: float, ready: Callable[[], None]) -> None:
        """`ready` is called once, when the first sandbox is there."""
        self._listener, self._supply, self._idle = listener, supply, idle
        self._image = supply.image
        self._tell: Callable[[], None] | None = ready
        self._callers: dict[socket.socket, _Caller] = {}
        self._until = time.monotonic() + idle
        self._over = False

    def stop(self, *_: object) -> None:
        """End soon."""
        self._over = True

    def serve(self) -> None:
        """Serve."""
        while not self._over and time.monotonic() < self._until and self._supply.failure is None:
            now = time.monotonic()
            for one in [one for one, caller in self._callers.items() if now - caller.since > _LEASE]:
                self._let_go(one)
            readable, _, _ = select.select([self._listener, *self._callers], [], [], min(_LOOK, self._idle))
            for one in readable:
                if one is self._listener:
                    self._accept()
                else:
                    self._hear(one)
            self._supply.pause(paused=any(caller.took for caller in self._callers.values()))
            if self._tell is not None and self._supply.ready:
                self._tell()
                self._tell = None
        for one in list(self._callers):
            self._let_go(one)

    def _accept(self) -> None:
        one, _ = self._listener.accept()
        try:
            talk.ask_same_user(one)
            one.settimeout(talk.SECONDS)
        except OSError:
            one.close()
            return
        self._callers[one] = _Caller(time.monotonic())

    def _hear(self, one: socket.socket) -> None:
        """Answer one word; whoever says anything else, or goes, is let go."""
        try:
            message, descriptors = talk.receive(one)
            talk.close_all(descriptors)
            self._answer(one, message)
        except (OSError, ValueError):
            self._let_go(one)

    def _answer(self, one: socket.socket, message: dict[str, Any]) -> None:
        match message.get("ask"):
            case talk.TAKE if not self._callers[one].took:
                self._until = time.monotonic() + self._idle
                self._give(one)
            case talk.STATUS:
                talk.send(one, {"pid": os.getpid(), "ready": self._supply.ready, "image": self._image})
            case talk.STOP:
                self.stop()
                talk.send(one, {"pid": os.getpid(), "ready": 0, "image": self._image})
            case _:
                raise talk.NoMessageError("nobody asks for that")

    def _give(self, one: socket.socket) -> None:
        kept = self._supply.give()
        if kept is None:
            talk.send(one, {"container": None, "warnings": []})
            return
        self._callers[one].took = True
        try:
            talk.send(one, {"container": kept.container, "warnings": list(kept.warnings)}, [kept.stdin.fileno()])
        except OSError:
            # It may have been read, or not: it is given to nobody else.
            self._supply.drop(kept)
            raise
        kept.stdin.close()

    def _let_go(self, one: socket.socket) -> None:
        del self._callers[one]
        one.close()


def run(url: str, recipe: Recipe, *, count: int, idle: float, ready: Callable[[], None]) -> None:
    """Be the helper for a recipe; `ready` is called when the first sandbox is there.

    Raises UserError where there is one already or none can be, InfrastructureError where no sandbox can be started.
    """
    key = place.key_of(url, recipe)
    if not key:
        raise UserError(
            "no sandboxes are kept ready on this engine",
            remedy="they are with Docker on this host; checks start their own",
        )
    with (
        place.folder(place.folder_path(), make=True) as folder,
        opened(folder / f"{key}.lock") as lock,
        contextlib.closing(Engine(url)) as engine,
    ):
        if not taken(lock):
            raise UserError("there is a helper for these sandboxes already", remedy="see `harness warm --status`")
        with contextlib.closing(talk.listen(folder, key)) as listener:
            supply = Supply(engine, recipe, count)
            try:
                helper = Helper(listener, supply, idle, ready)
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, helper.stop)
                helper.serve()
            finally:
                _gone(folder, key)
                supply.close()
            if supply.failure is not None:
                raise supply.failure


def _gone(folder: Path, key: str) -> None:
    with contextlib.suppress(OSError):
        (folder / f"{key}.sock").unlink()
