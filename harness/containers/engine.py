"""The container engine; every failure of it is a fault of ours."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from harness.containers import request
from harness.containers.api import RefusedError, SocketApi
from harness.containers.endpoint import find_engine
from harness.containers.removals import Removals
from harness.core.errors import EngineUnavailableError, ImageMissingError, InfrastructureError
from harness.core.processes import is_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.api.client import APIClient

    from harness.containers.api import Api

#: Longest wait for an answer of the engine, in seconds.
ENGINE_TIMEOUT = 60
#: How often a removal is tried again, and how long after, in seconds.
_REMOVALS, _BETWEEN_REMOVALS = 10, 0.2
_FORCED = {"force": "1", "v": "1"}
_GOING = (http.client.NOT_FOUND, http.client.CONFLICT)
#: What is to be done about a refusal, by what the engine says.
_REMEDIES = (
    (
        ("no space left", "disk quota"),
        "make room where the engine keeps its data (`docker system df` says what takes it)",
    ),
    (("cannot allocate memory", "out of memory"), "see what takes this host's memory, and try again with fewer --jobs"),
    (("cgroup",), "set HARNESS_CGROUP_PARENT=none: the harness then leaves the control group to the engine"),
    (("unknown runtime", "runtime specified"), "name a runtime that this engine has (`docker info` lists them)"),
)
_OTHERWISE = "run the check again; where the engine still refuses, its log says more (`journalctl -u docker`)"


@dataclass(frozen=True)
class Created:
    """A container that was created: its id, and what the engine had to say about the request."""

    container: str
    warnings: tuple[str, ...] = ()


#: What an engine says that does not have the image.
_NO_IMAGE = "no such image"


@contextlib.contextmanager
def engine_faults(doing: str) -> Iterator[None]:
    """Turn what goes wrong with an engine into errors of ours."""
    try:
        yield
    except RefusedError as error:
        said = error.said.lower()
        if error.status == http.client.NOT_FOUND and _NO_IMAGE in said:
            raise ImageMissingError(
                f"{doing}: the engine does not have the sandbox image", remedy="run `harness image build`"
            ) from error
        remedy = next((remedy for marks, remedy in _REMEDIES if any(mark in said for mark in marks)), _OTHERWISE)
        raise InfrastructureError(f"{doing}: the engine refused: {error.said}", remedy=remedy) from error
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise EngineUnavailableError(
            f"{doing}: the container engine does not answer",
            remedy="start it (`systemctl start docker`, or `make setup` as root) and try again",
        ) from error


class Engine:
    """One engine, asked over a connection for each request or, where it is elsewhere, through the Docker SDK.

    Not to be shared between threads where it is elsewhere.
    """

    def __init__(self, url: str | None = None, *, removals: Removals | None = None) -> None:
        """`removals` are those of another connection, which sees to them."""
        self.url = url or find_engine()
        self._api: Api
        if urlsplit(self.url).scheme == "unix":
            self._api = SocketApi(self.url, ENGINE_TIMEOUT)
        else:
            from harness.containers.sdk import SdkApi  # noqa: PLC0415 - slow to import, and rarely needed

            self._api = SdkApi(self.url, ENGINE_TIMEOUT)
        if url is not None:
            with engine_faults("connecting to the container engine"):
                self._api("GET", "/_ping")
        self._removals = removals or Removals()
        self._sees_to_them = removals is None

    @cached_property
    def client(self) -> APIClient:
        """The Docker SDK's client for what is not asked here."""
        from harness.containers.sdk import connect  # noqa: PLC0415 - as above

        return connect(self.url, ENGINE_TIMEOUT)

    def another(self) -> Engine:
        """A connection of its own to the same engine, for another thread."""
        return Engine(self.url, removals=self._removals)

    def account(self) -> dict[str, Any]:
        """The engine's account of its version and those of its parts."""
        with engine_faults("asking the container engine about itself"):
            answer: dict[str, Any] = self._api("GET", "/version")
            return answer

    def version(self) -> tuple[str, bool]:
        """The engine's version, and whether it is Podman behind Docker's API, which reads some options its own way."""
        answer = self.account()
        parts = answer.get("Components") or []
        podman = any(str(part.get("Name", "")).startswith("Podman") for part in parts)
        return str(answer.get("Version", "")), podman

    def info(self) -> dict[str, Any]:
        """What the engine says about itself."""
        with engine_faults("asking the container engine about itself"):
            answer: dict[str, Any] = self._api("GET", "/info")
            return answer

    def create(self, body: dict[str, Any]) -> Created:
        """Create a container."""
        with engine_faults("creating the sandbox"):
            answer: dict[str, Any] = self._api("POST", "/containers/create", body)
            return Created(str(answer["Id"]), tuple(map(str, answer.get("Warnings") or ())))

    def attach_and_start(self, container: str) -> Any:
        """Attach to the standard streams, then start; give the socket, which the SDK wraps."""
        attached = self.attach(container)
        try:
            self.start(container)
        except BaseException:
            # The SDK's wrapper and the socket hold the descriptor open, each for itself.
            sock = getattr(attached, "_sock", attached)
            attached.close()
            sock.close()
            raise
        return attached

    def attach(self, container: str, *streams: str) -> Any:
        """Attach to some of stdin, stdout and stderr, or to all; give the socket, which the SDK wraps."""
        wanted = dict.fromkeys(streams or ("stdin", "stdout", "stderr"), "1")
        with engine_faults("starting the sandbox"):
            return self._api.attach(f"/containers/{container}/attach", stream="1", **wanted)

    def start(self, container: str) -> None:
        """Start a container."""
        with engine_faults("starting the sandbox"):
            self._api("POST", f"/containers/{container}/start")

    def rename(self, container: str, name: str) -> None:
        """Give a container a name."""
        with engine_faults("naming the sandbox"):
            self._api("POST", f"/containers/{container}/rename", name=name)

    def image(self, reference: str) -> dict[str, Any]:
        """An image as the engine describes it."""
        with engine_faults("asking about the image"):
            answer: dict[str, Any] = self._api("GET", f"/images/{quote(reference, safe='/:@')}/json")
            return answer

    def listed(self, *labels: str) -> list[dict[str, Any]]:
        """The engine's account of all containers with these labels, running or not."""
        filters = json.dumps({"label": list(labels)})
        with engine_faults("looking for abandoned sandboxes"):
            answer: list[dict[str, Any]] = self._api("GET", "/containers/json", all="1", filters=filters)
            return answer

    def describe(self, container: str) -> dict[str, Any]:
        """The container as the engine built it, limits and mounts included; not what was asked for."""
        with engine_faults("asking about the sandbox"):
            answer: dict[str, Any] = self._api("GET", f"/containers/{container}/json")
            return answer

    def state(self, container: str) -> dict[str, Any]:
        """The container's state (Running, OOMKilled, ExitCode, Error); empty where it is gone."""
        with engine_faults("asking about the sandbox"):
            try:
                state: dict[str, Any] = self._api("GET", f"/containers/{container}/json")["State"]
            except RefusedError as error:
                if error.status == http.client.NOT_FOUND:
                    return {}
                raise
            return state

    def processor(self, container: str) -> float | None:
        """Processor time that a container has used so far, in seconds, as the engine measures it from outside.

        None where it cannot tell. It may take a second, since engines look once a second.
        """
        wrong = (RefusedError, http.client.HTTPException, OSError, KeyError, TypeError, ValueError, InfrastructureError)
        with contextlib.suppress(*wrong):
            told = self._api("GET", f"/containers/{container}/stats", stream="0", **{"one-shot": "1"})
            used = float(told["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
            return used if used > 0.0 else None
        return None

    def remove(self, container: str) -> None:
        """Kill and remove a container; one that is already gone is fine."""
        with engine_faults("removing the sandbox"):
            for left in range(_REMOVALS, -1, -1):
                try:
                    self._api("DELETE", f"/containers/{container}", **_FORCED)
                except RefusedError as error:
                    # 404: gone. 409: its removal is already under way. Else it may just be ending by itself,
                    # which Podman cannot remove at that moment.
                    if error.status in _GOING:
                        return
                    if not left:
                        raise
                    time.sleep(_BETWEEN_REMOVALS)
                else:
                    return

    def remove_soon(self, container: str) -> None:
        """Have a container killed and removed, and do not wait for it: `settle` and `close` do."""
        if not isinstance(self._api, SocketApi):
            self.remove(container)
            return
        for earlier in self._removals.failed(wait=False):
            self.remove(earlier)
        with engine_faults("removing the sandbox"):
            sent = self._api.begin("DELETE", f"/containers/{container}", **_FORCED)
        self._removals.add(container, sent)

    def settle(self) -> None:
        """Wait until all is removed that was to be removed soon, and try again what could not be."""
        for container in self._removals.failed():
            self.remove(container)

    def leave(self) -> None:
        """Wait for no removal any more: this process ends now, and the engine does what it was told to."""
        self._removals.forget()

    def close(self) -> None:
        """Close the connection, once all is removed that was to be removed soon."""
        try:
            if self._sees_to_them:
                self.settle()
        finally:
            self._api.close()
            if "client" in self.__dict__:
                self.client.close()


def sweep(engine: Engine) -> int:
    """Remove sandboxes whose harness process on this host is dead; give how many there were."""
    removed = 0
    for container in engine.listed(request.LABEL):
        if is_gone(request.owner_of(container)):
            engine.remove(container["Id"])
            removed += 1
    return removed


def labelled(engine: Engine, label: tuple[str, str]) -> list[dict[str, Any]]:
    """Sandboxes that carry a label, or were taken under it, as the engine lists them."""
    key, value = label
    beginning = request.name_of(label)
    return [one for one in engine.listed(request.LABEL) if one["Labels"].get(key) == value or _is_named(one, beginning)]


def remove_labelled(engine: Engine, label: tuple[str, str]) -> int:
    """Remove sandboxes that carry a label, or were taken under it, whoever owns them; give how many there were.

    Those that this very process has started ahead, and that nobody has taken, are nobody's leavings.
    """
    left = [one for one in labelled(engine, label) if not _waits(one)]
    for container in left:
        engine.remove(container["Id"])
    return len(left)


def _is_named(container: dict[str, Any], beginning: str) -> bool:
    return any(str(name).lstrip("/").startswith(beginning) for name in container.get("Names") or ())


def _waits(container: dict[str, Any]) -> bool:
    """Whether this process has started it ahead and still has it to hand out."""
    labels = container["Labels"]
    mine = request.AHEAD_LABEL in labels and labels.get(request.OWNER_LABEL) == request.owner()
    return mine and not _is_named(container, "harness-")
