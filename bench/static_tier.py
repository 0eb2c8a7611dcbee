"""(d) `harness check --static`: seconds, and that none of the heavy packages is loaded for it."""

from __future__ import annotations

import json
import subprocess
import sys

from bench.containers import HARNESS, ROOT
from bench.measure import Figure, environment, seconds

#: What the static tier must do without.
HEAVY = ("torch", "numpy", "hypothesis", "pytest", "docker", "pydantic")
_LOADED = """
import json, sys
sys.argv = ["harness", "check", "--static", "--screened-ok", sys.argv[1]]
from harness.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def figure(times: int) -> Figure:
    """The whole command in a fresh process."""
    loss = str(ROOT / "examples" / "dpo.py")
    if heavy := heavy_modules(loss):
        raise RuntimeError(f"the static tier loads {', '.join(heavy)}")
    command = [str(HARNESS), "check", "--static", "--screened-ok", loss]
    seconds(command)
    values = tuple(seconds(command) for _ in range(times))
    return Figure("static", "`harness check --static`, and no heavy package loaded", values, 0.12, unit="s")


def heavy_modules(loss: str) -> list[str]:
    """Which of the heavy packages the command has loaded by its end."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, loss], env=environment(), capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    return [name for name in HEAVY if name in loaded]
