"""Sandboxes that are started before anybody needs them: a second of loading torch that nobody waits for.

Each is a container like any other, with every layer looked at before it is handed out, and single-use as any: it is
handed out once, for one candidate, and one that nobody took is removed. Until then it has been asked nothing. Those who
take one are told apart afterwards by the container's name, since no engine gives a container another label.

Covered: sandboxes of one recipe, for the threads of one process. Not covered: other limits, a GPU (whose memory they
would hold), other runs' labels than a name can tell: who asks for what is not made here gets a new one.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.containers.request import AHEAD_LABEL
from harness.core.errors import HarnessError, InfrastructureError
from harness.oracle.sandbox import Sandbox

if TYPE_CHECKING:
    from harness.containers.engine import Engine
    from harness.containers.request import Recipe

#: Sandboxes that wait to be taken, and those that are being started for that, together.
AHEAD = 2
#: One that has waited for longer is removed, in seconds: a container does not live for ever.
_OLDEST = 300.0


@dataclass
class _Made:
    """One on its way to be taken: `sandbox` is None while it is being started."""

    sandbox: Sandbox | None = None
    since: float = math.inf


class Supply:
    """A few sandboxes of a recipe, started by threads of their own; `close` removes those that nobody took.

    Nothing is started before `expect` says how many will be needed.
    """

    def __init__(self, engine: Engine, recipe: Recipe, ahead: int = AHEAD) -> None:
        self._first, self._recipe = engine, _bare(recipe)
        self._labels = recipe.labels
        self._stopping = recipe.stopping
        self._ahead = 0 if recipe.gpu is not None else ahead
        self._expected = 0.0
        self._closing = False
        self._made: list[_Made] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def close(self) -> None:
        """Remove what nobody took, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.drop()
        for thread in self._threads:
            thread.join()

    def expect(self, number: float) -> None:
        """So many more will be taken, as far as is known; infinitely many are as many as fit ahead."""
        with self._changed:
            self._expected = number
            if number and not self._threads and not self._closing:
                self._threads = [
                    threading.Thread(target=self._serve, name=f"supply-{place}", daemon=True)
                    for place in range(self._ahead)
                ]
                for thread in self._threads:
                    thread.start()
            self._changed.notify_all()

    def take(self, engine: Engine, recipe: Recipe) -> Sandbox:
        """A sandbox for one candidate, by the taker's own connection: one that was made ahead, else a new one.

        It may still be loading: `wait_ready` waits. Raises InfrastructureError.
        """
        while (found := self._taken(recipe)) is not None:
            try:
                found.hand_over(engine, recipe)
            except InfrastructureError:  # it died while it waited
                _remove(found)
            else:
                return found
        return Sandbox(engine, recipe)

    def drop(self) -> None:
        """Remove all that nobody took, and expect nothing; what is being started is waited for."""
        with self._changed:
            self._expected = 0.0
            self._changed.wait_for(lambda: all(one.sandbox is not None for one in self._made))
            left, self._made = self._made, []
        for one in left:
            _remove(one.sandbox)

    def _taken(self, recipe: Recipe) -> Sandbox | None:
        """The oldest that is of this recipe; None where there is none, or will be none."""
        if _bare(recipe) != self._recipe or not set(self._labels) <= set(recipe.labels):
            return None
        with self._changed:
            self._expected = max(0.0, self._expected - 1.0)
        while True:
            with self._changed:
                # One that is on its way is there sooner than one that has yet to begin.
                self._changed.wait_for(lambda: not self._made or any(one.sandbox is not None for one in self._made))
                ready = [one for one in self._made if one.sandbox is not None]
                if not ready:
                    return None
                one = min(ready, key=lambda each: each.since)
                self._made.remove(one)
                self._changed.notify_all()
            if time.monotonic() - one.since < _OLDEST:
                return one.sandbox
            _remove(one.sandbox)

    def _wanted(self) -> bool:
        return len(self._made) < min(self._ahead, self._expected)

    def _serve(self) -> None:
        """Start one after the other, as long as some are wanted. A fault ends that until more are expected."""
        engine: Engine | None = None
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing or self._wanted())
                    if self._closing:
                        return
                    one = _Made()
                    self._made.append(one)
                sandbox = None
                try:
                    # A connection is not to be shared between threads.
                    engine = engine or self._first.another()
                    sandbox = self._started(engine)
                finally:
                    with self._changed:
                        one.sandbox, one.since = sandbox, time.monotonic()
                        if sandbox is None:  # whoever needs one will meet the same fault, and tell it
                            self._made.remove(one)
                            self._expected = 0.0
                        self._changed.notify_all()
        finally:
            if engine is not None:
                engine.close()

    def _started(self, engine: Engine) -> Sandbox | None:
        """One that is ready, its layers looked at; None where there is a fault."""
        labels = (*self._labels, (AHEAD_LABEL, "1"))
        recipe = replace(self._recipe, labels=labels, stopping=lambda: self._closing or self._stopping())
        sandbox = None
        try:
            sandbox = Sandbox(engine, recipe)
            sandbox.wait_ready()
        except HarnessError:
            _remove(sandbox)
            return None
        return sandbox


def _never() -> bool:
    return False


def _bare(recipe: Recipe) -> Recipe:
    """What a sandbox is made of, without whose it is."""
    return replace(recipe, labels=(), stopping=_never)


def _remove(sandbox: Sandbox | None) -> None:
    """Remove one that nobody uses; one that cannot be removed is swept with this process's others."""
    if sandbox is not None:
        with contextlib.suppress(InfrastructureError):
            sandbox.close()
