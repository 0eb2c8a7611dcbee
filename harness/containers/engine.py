"""The container engine, through the Docker SDK; every failure of it is a fault of ours."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from docker.api.client import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound, TLSParameterError
from docker.utils import kwargs_from_env
from docker.utils.config import find_config_file
from requests.exceptions import RequestException

from harness.containers import request
from harness.containers.endpoint import check_settings, find_engine
from harness.core.errors import EngineUnavailableError, ImageMissingError, InfrastructureError, UserError
from harness.core.processes import is_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Longest wait for an answer of the engine, in seconds.
ENGINE_TIMEOUT = 60
#: How often a removal is tried again, and how long after, in seconds.
_REMOVALS, _BETWEEN_REMOVALS = 10, 0.2
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


@contextlib.contextmanager
def engine_faults(doing: str) -> Iterator[None]:
    """Turn the SDK's errors into ours."""
    try:
        yield
    except ImageNotFound as error:
        raise ImageMissingError(
            f"{doing}: the engine does not have the sandbox image", remedy="run `harness image build`"
        ) from error
    except APIError as error:
        why = str(error.explanation or error)
        said = why.lower()
        remedy = next((remedy for marks, remedy in _REMEDIES if any(mark in said for mark in marks)), _OTHERWISE)
        raise InfrastructureError(f"{doing}: the engine refused: {why}", remedy=remedy) from error
    except (DockerException, RequestException, OSError) as error:
        raise EngineUnavailableError(
            f"{doing}: the container engine does not answer",
            remedy="start it (`systemctl start docker`, or `make setup` as root) and try again",
        ) from error


def connect(url: str, seconds: float = ENGINE_TIMEOUT) -> APIClient:
    """The SDK's client for the engine at this address, by the TLS settings of the environment where it is another host.

    Raises EngineUnavailableError, InfrastructureError; UserError for settings that cannot be used.
    """
    check_settings(find_config_file())
    settings: dict[str, Any] = {"base_url": url}
    if urlsplit(url).scheme != "unix":  # a socket of this host has no TLS, whatever the environment says
        try:
            settings = kwargs_from_env({**os.environ, "DOCKER_HOST": url})
        except TLSParameterError as error:
            why = str(error).partition(" TLS configurations should map")[0]
            remedy = "see DOCKER_CERT_PATH and DOCKER_TLS_VERIFY"
            raise UserError(f"the certificates for {url} cannot be used: {why}", remedy=remedy) from error
    with engine_faults("connecting to the container engine"):
        return APIClient(**settings, version="auto", timeout=seconds)


class Engine:
    """One connection to the engine. Not to be shared between threads."""

    def __init__(self, url: str | None = None) -> None:
        self.url = url or find_engine()
        self.client = connect(self.url)

    def another(self) -> Engine:
        """A connection of its own to the same engine, for another thread."""
        return Engine(self.url)

    def account(self) -> dict[str, Any]:
        """The engine's account of its version and those of its parts."""
        with engine_faults("asking the container engine about itself"):
            answer: dict[str, Any] = self.client.version(api_version=False)
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
            answer: dict[str, Any] = self.client.info()
            return answer

    def create(self, body: dict[str, Any]) -> Created:
        """Create a container."""
        with engine_faults("creating the sandbox"):
            answer: dict[str, Any] = self.client.create_container_from_config(body)
            return Created(str(answer["Id"]), tuple(map(str, answer.get("Warnings") or ())))

    def attach_and_start(self, container: str) -> Any:
        """Attach to the standard streams, then start; give the SDK's socket."""
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with engine_faults("starting the sandbox"):
            attached = self.client.attach_socket(container, params=streams)
            try:
                self.client.start(container)
            except BaseException:
                # The SDK's wrapper and the socket hold the descriptor open, each for itself.
                sock = getattr(attached, "_sock", attached)
                attached.close()
                sock.close()
                raise
            return attached

    def describe(self, container: str) -> dict[str, Any]:
        """The container as the engine built it, limits and mounts included; not what was asked for."""
        with engine_faults("asking about the sandbox"):
            answer: dict[str, Any] = self.client.inspect_container(container)
            return answer

    def rename(self, container: str, name: str) -> None:
        """Give a container another name."""
        with engine_faults("naming the sandbox"):
            self.client.rename(container, name)

    def state(self, container: str) -> dict[str, Any]:
        """The container's state (Running, OOMKilled, ExitCode, Error); empty where it is gone."""
        with engine_faults("asking about the sandbox"):
            try:
                state: dict[str, Any] = self.client.inspect_container(container)["State"]
            except NotFound:
                return {}
            return state

    def processor(self, container: str) -> float | None:
        """Processor time that a container has used so far, in seconds, as the engine measures it from outside.

        None where it cannot tell. It may take a second, since engines look once a second.
        """
        with contextlib.suppress(DockerException, RequestException, OSError, KeyError, TypeError, ValueError):
            told = self.client.stats(container, stream=False, one_shot=True)
            used = float(told["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
            return used if used > 0.0 else None
        return None

    def remove(self, container: str) -> None:
        """Kill and remove a container; one that is already gone is fine."""
        with engine_faults("removing the sandbox"):
            for left in range(_REMOVALS, -1, -1):
                try:
                    self.client.remove_container(container, force=True, v=True)
                except APIError as error:
                    # 404: gone. 409: its removal is already under way. Else it may just be ending by itself,
                    # which Podman cannot remove at that moment.
                    if error.status_code in {404, 409}:
                        return
                    if not left:
                        raise
                    time.sleep(_BETWEEN_REMOVALS)
                else:
                    return

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


def sweep(engine: Engine) -> int:
    """Remove sandboxes whose harness process on this host is dead; give how many there were."""
    removed = 0
    with engine_faults("looking for abandoned sandboxes"):
        found = engine.client.containers(all=True, filters={"label": [request.LABEL]})
    for container in found:
        if is_gone(container["Labels"].get(request.OWNER_LABEL, "")):
            engine.remove(container["Id"])
            removed += 1
    return removed


def remove_labelled(engine: Engine, label: tuple[str, str]) -> int:
    """Remove sandboxes that carry a label, or were taken under it, whoever owns them; give how many there were.

    Those that this very process has started ahead, and that nobody has taken, are nobody's leavings.
    """
    key, value = label
    with engine_faults("looking for abandoned sandboxes"):
        found = engine.client.containers(all=True, filters={"label": [request.LABEL]})
    left = [one for one in found if one["Labels"].get(key) == value or _is_named(one, request.name_of(label))]
    left = [one for one in left if not _waits(one)]
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
