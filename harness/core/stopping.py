"""INT and TERM for work that has to put things in order before it ends: a flag first, an end in any case.

Python runs a signal's handler between two of its own instructions, so a process that waits in C (a database's lock, an
engine that does not answer) would not hear of it for minutes. Here a thread hears of it at once. It raises a flag,
which whoever works asks for every few tenths of a second; a process that is still there some seconds later, or that a
person tells a second time, is ended as it is. Nothing is lost by that but the work since the last checkpoint: what it
held goes on as after any other death, and what it started ends with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: How long a process has to put things in order, in seconds. A container's removal may take one or two.
LAST = 10.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Signals that come within so many seconds are one: a terminal and a supervisor may both tell.
_ONCE = 0.5
#: What a process ends with that was told to stop: as the command does that was interrupted.
CODE = 130


class Stop:
    """The flag: called, it tells whether to stop. `last` seconds after it is raised `leave` is called.

    `say` is told of an end that came by force. `patient` is one whom another process tells, perhaps twice.
    """

    def __init__(
        self,
        last: float = LAST,
        *,
        patient: bool = False,
        leave: Callable[[int], object] = os._exit,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._told = threading.Event()
        self._over = threading.Event()
        self._again = threading.Event()
        self._last, self._patient, self._leave, self._say = last, patient, leave, say
        self._at = 0.0

    def __call__(self) -> bool:
        """Whether to stop."""
        return self._told.is_set()

    def now(self) -> None:
        """Stop; told again, without any more waiting."""
        if self._told.is_set():
            if not self._patient and time.monotonic() - self._at > _ONCE:
                self._again.set()
            return
        self._at = time.monotonic()
        self._told.set()
        threading.Thread(target=self._see_to_it, name="stop", daemon=True).start()

    def over(self) -> None:
        """The work has ended: nobody is to be forced any more."""
        self._over.set()
        self._again.set()

    def _see_to_it(self) -> None:
        self._again.wait(self._last)
        if not self._over.is_set():
            self._say("ended as it is; the next one goes on where the last checkpoint is")
            self._leave(CODE)


@contextlib.contextmanager
def heeding(stop: Stop, *, ignoring: tuple[signal.Signals, ...] = ()) -> Iterator[Stop]:
    """Raise the flag at INT and TERM, in the block; in the main thread alone. `ignoring` some of them has no effect."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)  # noqa: FBT003 - the library has no other way; what C writes to from the signal itself
    before = {number: signal.signal(number, signal.SIG_IGN if number in ignoring else _heard) for number in SIGNALS}
    woken = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while heard := ours.recv(64):
            for number in heard:
                if number in SIGNALS:
                    stop.now()

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    listener.start()
    try:
        yield stop
    finally:
        stop.over()
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        theirs.close()
        listener.join()
        ours.close()


def _heard(*_: object) -> None:
    """The thread hears of it by another way; without a handler the process would end at once."""
