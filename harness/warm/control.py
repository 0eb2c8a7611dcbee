"""Starting a helper apart from the command that asks for it; asking all of this user's how they are, or to end."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.errors import HarnessError, InfrastructureError, UserError
from harness.warm import place, talk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import TextIO

#: Longest line that a helper says before it is left alone.
_LINE = 1 << 14


@dataclass(frozen=True)
class Told:
    """What a helper says of itself: the number of its process, how many sandboxes wait, and of which image."""

    pid: int
    ready: int
    image: str


def begin(arguments: Sequence[str]) -> int:
    """Start a helper, which is the command of this project with these arguments, and wait until it has a sandbox.

    Gives the number of its process. Raises what it says went wrong.
    """
    # In a session of its own: it outlives the terminal. Nothing of the caller's folder is looked into (-P).
    helper = subprocess.Popen(
        [sys.executable, "-s", "-P", "-m", "harness", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
        text=True,
    )
    try:
        with helper.stdout or sys.stdin as said:
            _heard(said.readline(_LINE))
    except BaseException:
        helper.terminate()
        helper.wait()
        raise
    return helper.pid


def _heard(line: str) -> None:
    try:
        told: dict[str, Any] = json.loads(line)
        if told["ready"]:
            return
        kind: type[HarnessError] = UserError if told["user"] else InfrastructureError
        message, remedy = str(told["message"]), str(told["remedy"])
    except (ValueError, KeyError, TypeError) as error:
        raise InfrastructureError(
            "the helper ended before it was ready", remedy="see whether `harness check` works, and try again"
        ) from error
    raise kind(message, remedy=remedy)


def say(out: TextIO, error: HarnessError | None = None) -> None:
    """What a helper says to the one who started it: that it is ready, or why it is not."""
    told: dict[str, Any] = {"ready": error is None}
    if error is not None:
        told |= {"user": isinstance(error, UserError), "message": error.message, "remedy": error.remedy}
    out.write(json.dumps(told) + "\n")
    out.flush()


def ask_all(word: str) -> list[Told]:
    """Ask every helper of this user, and give what those said that live."""
    try:
        with place.folder(place.folder_path()) as folder:
            keys = sorted(path.stem for path in folder.iterdir() if path.suffix == ".sock")
            return [told for key in keys if (told := _asked(folder, key, word)) is not None]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"the helpers' folder cannot be used: {error}", remedy="remove it, or make it yours") from error


def _asked(folder: Path, key: str, word: str) -> Told | None:
    try:
        with talk.connect(folder, key) as sock:
            talk.send(sock, {"ask": word})
            message, descriptors = talk.receive(sock)
            talk.close_all(descriptors)
            return Told(int(message["pid"]), int(message["ready"]), str(message["image"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
