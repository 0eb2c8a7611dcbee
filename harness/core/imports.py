"""Where programs of ours look for modules: candidates lie in the caller's folder, under names such as `random.py`.

Python looks in that folder first in two cases, and would run there, on the host, what may only run in a sandbox: for
`python -m` (see `harness/__main__.py`), and in the processes that multiprocessing starts, which begin with `-c`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAFE = "PYTHONSAFEPATH"


def put_the_callers_path_behind() -> None:
    """Nothing on PYTHONPATH hides from here on what is installed; only the folder that we are in ourselves stays."""
    own = str(Path(__file__).resolve().parents[2])
    named = {os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p} - {own}  # noqa: PTH100
    behind = [p for p in sys.path if os.path.abspath(p) in named]  # noqa: PTH100 - links are not followed
    sys.path[:] = [p for p in sys.path if p not in behind] + behind


@contextlib.contextmanager
def safe_children() -> Iterator[None]:
    """While processes of Python's are started: none looks for modules in the folder that it is started in."""
    before = os.environ.get(_SAFE)
    os.environ[_SAFE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE]
        else:
            os.environ[_SAFE] = before
