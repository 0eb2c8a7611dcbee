"""Show the steps of the set-up: one line each, with the seconds it took; a live line on a terminal."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLEAR = "\r\x1b[2K"
_TICK_SECONDS = 0.2


class Display:
    """Writes to `stream` (standard error by default: standard output belongs to the verdict)."""

    def __init__(self, stream: TextIO | None = None, *, live: bool | None = None) -> None:
        """`live` redraws the running line; by default on a terminal that is not under CI."""
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty() and not os.environ.get("CI") if live is None else live

    @contextmanager
    def step(self, title: str, *, live: bool = True) -> Iterator[None]:
        """Show that a step runs, then that it is done or failed, and for how long it ran.

        `live=False` leaves the terminal to the step's own display.
        """
        live = live and self._live
        began = time.monotonic()
        ended = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(title, began, ended), daemon=True)
        if live:
            ticker.start()
        else:
            self._write(f"setup: {title} ...\n")
        mark = "failed"
        try:
            yield
            mark = "done"
        finally:
            ended.set()
            if live:
                ticker.join()
            start = f"{_CLEAR}  " if live else "setup: "
            self._write(f"{start}{title}: {mark} ({time.monotonic() - began:.1f} s)\n")

    def _tick(self, title: str, began: float, ended: threading.Event) -> None:
        while not ended.is_set():
            self._write(f"{_CLEAR}  {title} ... {time.monotonic() - began:.0f} s")
            ended.wait(_TICK_SECONDS)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
