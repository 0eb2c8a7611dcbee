"""What surrounds the caller has no say in the judging: not the environment, not warnings, not the folder."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Names of the environment that pytest obeys: options, plugins, themes, places.
_PREFIXES = ("PYTEST_", "PY_IGNORE_", "PY_COLORS")


class Alone(contextlib.AbstractContextManager[None]):
    """Within it, the environment holds nothing that pytest obeys; `end` puts that back, and may come early."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}

    def __enter__(self) -> None:
        """Take the names out."""
        for name in [n for n in os.environ if n.startswith(_PREFIXES)]:
            self._taken[name] = os.environ.pop(name)

    def end(self) -> None:
        """Put them back."""
        os.environ |= self._taken
        self._taken.clear()

    def __exit__(self, *_: object) -> None:
        """As `end`."""
        self.end()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without remarks by numpy or anybody else: candidates answer NaN and infinity as a matter of course."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
