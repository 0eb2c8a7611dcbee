"""(a) A warm `harness check` of DPO, by sandboxes that a helper has ready, over `docker run` of the image alone."""

from __future__ import annotations

import re
import subprocess
import time

import click

from bench.containers import HARNESS, ROOT, docker_run, sandbox_image
from bench.measure import Figure, environment, ratio, seconds

#: A check takes so many sandboxes; the helper may need so long to have them ready, in seconds.
_SANDBOXES, _PATIENCE = 2, 120.0
_BETWEEN = 0.5


class NoHelperError(click.ClickException):
    """There is no `harness warm` to be measured."""

    exit_code = 3

    def __init__(self) -> None:
        super().__init__("this harness has no command `warm`, so that no check is a warm one")


def require() -> None:
    """Raise NoHelperError where the command is not there."""
    if _warm("--help").returncode:
        raise NoHelperError


def figure(times: int) -> Figure:
    """Whole commands in fresh processes. The helper is waited for, which is not counted, and ends here."""
    require()
    loss = str(ROOT / "examples" / "dpo.py")
    bare = docker_run(sandbox_image(), ["-W", "ignore", "-c", "import torch"])

    def warm() -> float:
        _filled()
        return seconds([str(HARNESS), "check", "--warm", loss])

    begun = _warm()
    if begun.returncode:
        raise RuntimeError(f"no helper could be started: {begun.stderr}")
    try:
        warm(), seconds(bare)
        sides = (("harness check, warm", warm), ("docker run, import torch", lambda: seconds(bare)))
        what = "`harness check` of DPO with `harness warm` / `docker run` with `import torch`"
        return ratio("warm", what, 0.4, sides, times)
    finally:
        _warm("--stop")


def _filled() -> None:
    """Wait until the helper has what a check takes."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        ready = re.search(r": (\d+) ready", _warm("--status").stdout)
        if ready and int(ready[1]) >= _SANDBOXES:
            return
        time.sleep(_BETWEEN)
    raise RuntimeError(f"the helper had no {_SANDBOXES} sandboxes ready in {_PATIENCE:.0f} s")


def _warm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(HARNESS), "warm", *words],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
