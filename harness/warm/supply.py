"""What a helper keeps: sandboxes that were started, said that they are ready, and were never used.

A thread starts them, one at a time, and none while a check that took one is under way. Each is given away once or
thrown away. Their standard input is held open by one descriptor; when that is closed, as the end of a process does, the
server inside ends its container.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.containers.request import container_request, taker_of
from harness.containers.stream import DeadlineError, FloodError, StreamClosedError, Streams
from harness.core.errors import InfrastructureError
from harness.protocol import frames
from harness.sandbox import wire as layout
from harness.warm import place
from harness.warm.take import not_as_asked

if TYPE_CHECKING:
    from harness.containers.engine import Engine
    from harness.containers.request import Recipe

#: Failures in a row after which none is started any more, and the wait after each, in seconds.
MOST_FAILURES, _AFTER_FAILURE = 3, 2.0
#: How often the thread looks whether something is to be done without being told, in seconds.
_LOOK = 0.5


@dataclass(frozen=True)
class Kept:
    """A sandbox that waits: its container, the engine's warnings, and the stream that holds its stdin open."""

    container: str
    warnings: tuple[str, ...]
    stdin: Any

    @property
    def lives(self) -> bool:
        """Whether its stream is still open: nothing ever comes by it but its end."""
        readable, _, _ = select.select([self.stdin], [], [], 0.0)
        return not readable


class Supply:
    """Keeps so many sandboxes of a recipe ready. `failure` says why there are none, where that is for good.

    None is started from the moment when one is given until `pause` says so.
    """

    def __init__(self, engine: Engine, recipe: Recipe, count: int) -> None:
        self._engine, self._recipe, self._count = engine, recipe, count
        #: The digest of the image that they are made of.
        self.image = recipe.image
        self._key = place.key_of(engine.url, recipe)
        self._labelled = replace(recipe, labels=(*recipe.labels, (place.LABEL, self._key)))
        self._kept: deque[Kept] = deque()
        self._given: list[str] = []
        self._change = threading.Condition()
        self._paused = self._over = False
        self.failure: InfrastructureError | None = None
        self._thread = threading.Thread(target=self._work, name="supply", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> int:
        """How many there are now."""
        with self._change:
            return len(self._kept)

    def pause(self, *, paused: bool) -> None:
        """Start none for now, or again."""
        with self._change:
            self._paused = paused
            self._change.notify()

    def give(self) -> Kept | None:
        """One that lives, which is the taker's from now on; None where there is none."""
        while True:
            with self._change:
                if not self._kept:
                    return None
                one = self._kept.popleft()
                if one.lives:
                    self._given.append(one.container)
                    self._paused = True  # until it is the taker's by name, or the taker is gone
                    return one
            self.drop(one)

    def drop(self, one: Kept) -> None:
        """Throw one away."""
        with contextlib.suppress(OSError):
            one.stdin.close()
        with contextlib.suppress(InfrastructureError):
            self._engine.remove(one.container)

    def close(self) -> None:
        """End: throw all away that nobody took."""
        with self._change:
            self._over = True
            self._change.notify()
        self._thread.join()
        while self._kept:
            self.drop(self._kept.popleft())
        self._tidy()

    def _work(self) -> None:
        failures = 0
        while self._next():
            try:
                self._tidy()
                one = self._start()
            except InfrastructureError as error:
                failures += 1
                if failures >= MOST_FAILURES:
                    self.failure = error
                    return
                with self._change:
                    self._change.wait_for(lambda: self._over, _AFTER_FAILURE)
                continue
            except Exception as error:  # noqa: BLE001 - nobody would hear of it otherwise
                self.failure = InfrastructureError(f"the harness itself failed: {type(error).__name__}: {error}")
                return
            failures = 0
            with self._change:
                self._kept.append(one)

    def _next(self) -> bool:
        """Wait until one is to be started; False where it is over."""
        with self._change:
            while not self._over and (self._paused or len(self._kept) >= self._count):
                self._change.wait(_LOOK)
                dead = [one for one in self._kept if not one.lives]
                for one in dead:
                    self._kept.remove(one)
                    self._given.append(one.container)
                    one.stdin.close()
            return not self._over

    def _tidy(self) -> None:
        """Remove what was given to one who never made it his own, and what has ended."""
        with self._change:
            if self._paused and not self._over:
                return
            given, self._given = self._given, []
        for container in given:
            with contextlib.suppress(InfrastructureError):
                if not taker_of(str(self._engine.describe(container).get("Name", ""))):
                    self._engine.remove(container)

    def _start(self) -> Kept:
        created = self._engine.create(container_request(self._labelled))
        stdin = None
        try:
            # Apart from what it says: this one is all that a taker needs to be given, and nothing ever comes by it.
            stdin = self._engine.attach(created.container, "stdin")
            said = self._engine.attach(created.container, "stdout", "stderr")
            with contextlib.closing(said):
                self._engine.start(created.container)
                self._hear(said)
            built = self._engine.describe(created.container)
            if wrong := not_as_asked(self._engine, built, self._recipe, self._key):
                raise InfrastructureError(f"a sandbox that was started ahead could not be told from others: {wrong}")
        except BaseException:
            if stdin is not None:
                stdin.close()
            self._engine.remove(created.container)
            raise
        return Kept(created.container, created.warnings, stdin)

    def _hear(self, said: Any) -> None:
        """Wait until it is ready. It may have printed nothing: a taker would not see that."""
        limits = self._recipe.limits
        streams = Streams(said, cap=limits.output, shown=limits.shown, stopping=lambda: self._over)
        deadline = time.monotonic() + limits.start
        try:
            head = streams.read(layout.HEADER.size, deadline)
            _, length = frames.parse_header(head, sequence=0, expected=(layout.READY,))
            frames.parse_ready(streams.read(length, deadline))
        except (frames.WireError, DeadlineError, StreamClosedError, FloodError) as error:
            raise InfrastructureError("a sandbox that was started ahead did not become ready") from error
        if streams.output:
            raise InfrastructureError("a sandbox that was started ahead printed something")
