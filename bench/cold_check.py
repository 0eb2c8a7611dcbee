"""(a) One cold `harness check` of DPO over `docker run` of the same image, same flags, doing `import torch`."""

from __future__ import annotations

from bench.containers import HARNESS, ROOT, docker_run, sandbox_image
from bench.measure import Figure, ratio, seconds


def figure(times: int) -> Figure:
    """Both are whole commands in fresh processes, as a person would type them."""
    check = [str(HARNESS), "check", str(ROOT / "examples" / "dpo.py")]
    bare = docker_run(sandbox_image(), ["-W", "ignore", "-c", "import torch"])
    seconds(check), seconds(bare)
    sides = (("harness check", lambda: seconds(check)), ("docker run, import torch", lambda: seconds(bare)))
    return ratio("cold", "`harness check` of DPO / `docker run` with `import torch`", 1.2, sides, times)
