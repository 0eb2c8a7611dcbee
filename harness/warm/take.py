"""A check takes a sandbox from a helper: nothing that the helper says is believed but that nobody used it before.

Which container it is, the engine says: image, limits, every setting of the request, whose it is, that it runs, and that
nobody took it yet. The streams are attached anew, by the engine, to that very container. What it sees of its
confinement it says again, to a number that it cannot have known. Whatever goes wrong here, the check makes a container
of its own.

Covered: a helper that is away, dead, another user's, slow, or says what makes no sense; another container, of another
image or with other limits; one that was taken before, or has a candidate loaded. Not covered: a helper of the same user
that lies about use and restores what shows it; such a process may ask the engine for anything itself.
"""

from __future__ import annotations

import re
import secrets
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.containers.isolation import Evidence, problems
from harness.containers.isolation import built as isolated
from harness.containers.request import LABEL as SANDBOX_LABEL
from harness.containers.request import container_request, name_for_taker, taker_of
from harness.containers.started import HandedOver, Started
from harness.containers.stream import DeadlineError, FloodError, StreamClosedError, Streams
from harness.core.errors import InfrastructureError
from harness.protocol import frames
from harness.sandbox import wire as layout
from harness.warm import place, talk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.containers.engine import Engine
    from harness.containers.request import Recipe

#: How long a sandbox that is ready may take to say so again, in seconds.
_AGAIN_SECONDS = 2.0
#: Longest READY payload, in bytes, and most warnings of an engine about one request.
_READY_CAP, _MOST_WARNINGS = 1 << 10, 100
_ID = re.compile(r"[0-9a-f]{64}")
_WRONG = (
    InfrastructureError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    frames.WireError,
    DeadlineError,
    StreamClosedError,
    FloodError,
)
#: Compared by themselves: the engine adds those of the image.
_MERGED = ("Env", "Labels", "Image", "HostConfig")


class RefusedError(ValueError):
    """What the helper gave is not to be used."""


@dataclass(frozen=True)
class _Given:
    """What a helper gave: a container, what the engine said when it was made, and what holds its stdin open."""

    helper: socket.socket
    stdin: socket.socket
    container: str
    warnings: tuple[str, ...]

    def let_go(self) -> None:
        """Close what holds it: it ends by itself then, unless somebody else is attached."""
        self.stdin.close()
        self.helper.close()


def take(engine: Engine, recipe: Recipe) -> Started | None:
    """A sandbox of this recipe that is ready and was never used; None where there is none, for whatever reason."""
    began = time.monotonic()
    try:
        key = place.key_of(engine.url, recipe)
        return _verified(engine, recipe, key, _ask(key), began) if key else None
    except _WRONG:
        return None


def _ask(key: str) -> _Given:
    with place.folder(place.folder_path()) as folder:
        # Open as long as the sandbox is: the helper starts no other one meanwhile, beside the work of this one.
        helper = talk.connect(folder, key)
    descriptors: list[int] = []
    try:
        talk.send(helper, {"ask": talk.TAKE})
        message, descriptors = talk.receive(helper)
        container, warnings = message["container"], message["warnings"]
        named = isinstance(container, str) and _ID.fullmatch(container)
        if not named or not isinstance(warnings, list) or len(warnings) > _MOST_WARNINGS or len(descriptors) != 1:
            raise RefusedError("the helper gives no container")
        # As a socket, which is closed once, however often that is asked for.
        return _Given(helper, socket.socket(fileno=descriptors[0]), container, tuple(map(str, warnings)))
    except BaseException:
        talk.close_all(descriptors)
        helper.close()
        raise


def _verified(engine: Engine, recipe: Recipe, key: str, given: _Given, began: float) -> Started:
    """Make it this process's own, once the engine has said that it is what was asked for; then hear it."""
    container, attached, own = given.container, None, False
    try:
        built = engine.describe(container)
        if built["Id"] != container:
            raise RefusedError("the engine knows it by another name")
        if wrong := not_as_asked(engine, built, recipe, key):
            raise RefusedError(wrong)
        # For whoever looks for what dead processes left.
        engine.rename(container, name_for_taker(container))
        own = True
        attached = engine.attach(container)
        ready = _ready_again(attached, recipe)
        found = problems(Evidence(given.warnings, built, frames.parse_ready(ready).confinement), recipe)
        if any(not problem.waivable for problem in found):
            raise RefusedError("; ".join(map(str, found)))
        processor = engine.processor(container) or 0.0
    except BaseException:
        if attached is not None:
            attached.close()
        given.let_go()
        if own:
            engine.remove(container)
        raise
    handed_over = HandedOver(ready, built, processor, time.monotonic() - began, given.let_go)
    return Started(container, attached, recipe, given.warnings, handed_over=handed_over)


def not_as_asked(engine: Engine, built: Mapping[str, Any], recipe: Recipe, key: str) -> str:
    """What of a container is not as a new one would be asked for, in words; empty where all is, and nobody took it."""
    asked = container_request(recipe)
    config, host = built["Config"], built["HostConfig"]
    state = built["State"]
    if loose := next(isolated(built, recipe), None):
        return str(loose)
    if not state["Running"] or state["Paused"] or state["Restarting"] or built["RestartCount"] or built.get("ExecIDs"):
        return "it does not run, or was not left alone"
    if taker_of(str(built["Name"])):
        return "somebody took it before"
    labels = config["Labels"]
    if labels.get(SANDBOX_LABEL) != "1" or labels.get(place.LABEL) != key:
        return "it is none of a helper's"
    differing = [name for name, value in asked["HostConfig"].items() if host.get(name) != value]
    differing += [name for name, value in asked.items() if name not in _MERGED and config.get(name) != value]
    if differing:
        return f"it was made with another {', '.join(differing)}"
    own = {entry.partition("=")[0] for entry in asked["Env"]}
    of_image = engine.image(recipe.image)["Config"].get("Env") or []
    merged = {*asked["Env"], *(entry for entry in of_image if entry.partition("=")[0] not in own)}
    return "" if set(config["Env"]) == merged else "it was made with another environment"


def _ready_again(attached: Any, recipe: Recipe) -> bytes:
    """What it says of itself now: READY to a number that only this process knows."""
    # Streams take no more than what came; nothing comes behind an answer until something is asked.
    streams = Streams(attached, cap=recipe.limits.output, shown=0, stopping=recipe.stopping)
    deadline = time.monotonic() + _AGAIN_SECONDS
    sequence = secrets.randbits(32) | 1
    streams.write(frames.pack_frame(layout.READY, sequence), deadline)
    head = streams.read(layout.HEADER.size, deadline)
    _, length = frames.parse_header(head, sequence=sequence, expected=(layout.READY,))
    if length > _READY_CAP:
        raise RefusedError("it says more than it has to say")
    return streams.read(length, deadline)
