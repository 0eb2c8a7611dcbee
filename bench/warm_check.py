"""(a) A warm `harness check` of DPO, by a helper that has a sandbox ready, over `docker run` of the image alone."""

from __future__ import annotations

import subprocess
import time

import click

from bench.containers import HARNESS, ROOT, docker_run, sandbox_image
from bench.measure import Figure, environment, ratio, seconds

#: A helper may need so long to fill up between two checks, in seconds.
_REFILL = 15.0


class NoHelperError(click.ClickException):
    """There is no `harness warm` to be measured."""

    exit_code = 3

    def __init__(self) -> None:
        super().__init__("this harness has no command `warm`, so that no check is a warm one")


def require() -> None:
    """Raise NoHelperError where the command is not there."""
    told = subprocess.run([str(HARNESS), "warm", "--help"], env=environment(), capture_output=True, check=False)
    if told.returncode:
        raise NoHelperError


def figure(times: int) -> Figure:
    """Both are whole commands in fresh processes. The helper fills up again before each check, which is not counted."""
    require()
    loss = str(ROOT / "examples" / "dpo.py")
    bare = docker_run(sandbox_image(), ["-W", "ignore", "-c", "import torch"])
    with subprocess.Popen(
        [str(HARNESS), "warm"], env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as helper:

        def warm() -> float:
            time.sleep(_REFILL)
            return seconds([str(HARNESS), "check", loss])

        try:
            warm(), seconds(bare)
            sides = (("harness check, warm", warm), ("docker run, import torch", lambda: seconds(bare)))
            what = "`harness check` of DPO with `harness warm` / `docker run` with `import torch`"
            return ratio("warm", what, 0.4, sides, times)
        finally:
            helper.terminate()
