"""Have the sandbox image: asked for without starting anything, built by the environment's own command."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from harness.core.errors import ImageMissingError
from harness.images import current
from harness.setup.shell import SetupError

if TYPE_CHECKING:
    from pathlib import Path


def is_ready() -> bool:
    """Tell whether the engine has the image that today's sources call for."""
    try:
        current()
    except ImageMissingError:
        return False
    return True


def make(root: Path) -> None:
    """Build it with `harness image build`, whose own progress and errors are shown as they come."""
    command = [str(root / ".venv" / "bin" / "harness"), "image", "build"]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode
    if status != 0:
        raise SetupError(
            f"the sandbox image was not built (exit status {status})",
            remedy="read the lines above, mend that, and run `make image`",
        )
