"""`python3 -m harness.setup`: environment, container engine, image; each only where it is missing."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - `make PYTHON=python3.9` reaches this line too
    raise SystemExit(
        f"Python 3.11 or later is needed and this is {sys.version.split()[0]}; "
        "name another one: make setup PYTHON=python3.11"
    )

import argparse
import subprocess
from pathlib import Path

from harness.core.errors import HarnessError, ImageMissingError, UserError
from harness.images import current
from harness.setup import engine, environment
from harness.setup.steps import Display, SetupError

ROOT = Path(__file__).resolve().parents[2]
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Set the checkout up and return the exit code: 0, or 3 with what is to be done by hand."""
    parser = argparse.ArgumentParser(prog="python3 -m harness.setup", description=__doc__)
    parser.add_argument("--no-image", action="store_true", help="stop before the sandbox image")
    parser.add_argument("--no-engine", action="store_true", help="the Python environment alone")
    parser.add_argument("--train", action="store_true", help="also what the training rungs need, for their tests")
    chosen = parser.parse_args(arguments)
    display = Display()
    try:
        if not (ROOT / "pyproject.toml").exists():
            raise UserError(
                "this is no checkout", remedy="what is installed is set up; the image: `harness image build`"
            )
        if not environment.is_ready(ROOT):
            with display.step("making the Python environment .venv"):
                environment.make(ROOT)
        if chosen.train and not environment.has_training(ROOT):
            with display.step("adding what the training rungs need"):
                environment.add_training(ROOT)
        if not chosen.no_engine:
            engine.ensure(display)
            if not chosen.no_image and not image_is_ready():
                with display.step("building the sandbox image", live=False):
                    make_image(ROOT)
    except HarnessError as fault:
        sys.stderr.write(f"setup: {fault.message}\n")
        if fault.remedy:
            sys.stderr.write(f"  what to do: {fault.remedy}\n")
        return fault.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("setup: interrupted; run it again to go on\n")
        return INTERRUPTED
    return 0


def image_is_ready() -> bool:
    """Tell whether the engine has the image that today's sources call for."""
    try:
        current()
    except ImageMissingError:
        return False
    return True


def make_image(root: Path) -> None:
    """Build it with `harness image build`, whose own progress and errors are shown as they come."""
    command = [str(root / ".venv" / "bin" / "harness"), "image", "build"]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode
    if status != 0:
        raise SetupError(
            f"the sandbox image was not built (exit status {status})",
            remedy="read the lines above, mend that, and run `make image`",
        )


if __name__ == "__main__":
    raise SystemExit(main())
