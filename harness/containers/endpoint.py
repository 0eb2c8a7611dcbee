"""Where the container engine listens: one answer for the set-up, the image builder and the oracle.

Standard library only, because the set-up asks before anything is installed.

An explicit choice (DOCKER_HOST, DOCKER_CONTEXT, `docker context use`) is obeyed or refused, never
replaced by another engine: falling back could run a candidate where its owner did not want it. With no
choice made, the usual sockets are asked in turn: Docker's, rootless Docker's, Podman's.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from harness.core.errors import EngineUnavailableError, UserError
from harness.core.files import SMALL, NotAFileError, TooLargeError, read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCKER_SOCKET = Path("/var/run/docker.sock")
PODMAN_SOCKET = Path("/run/podman/podman.sock")
ANSWER_SECONDS = 5.0

START_REMEDY = (
    "start an engine and try again: `systemctl start docker`, for Podman "
    "`systemctl --user start podman.socket`, or as root on Debian or Ubuntu `make setup`, "
    "which installs and starts one; "
    "an engine elsewhere is named by DOCKER_HOST"
)
PERMISSION_REMEDY = (
    "this user may not open the engine's socket: join its group (`sudo usermod -aG docker $USER`, then log "
    "in again), or run rootless Docker or Podman and point DOCKER_HOST at its socket"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place where an engine may listen, and who named it."""

    url: str
    source: str
    explicit: bool


def find_engine(env: Mapping[str, str] | None = None) -> str:
    """Return the DOCKER_HOST-style URL of an engine that answers now.

    Raises EngineUnavailableError, with the remedy, when the chosen engine, or else every usual socket,
    is silent. `env` stands in for the process's environment.
    """
    tried: list[str] = []
    forbidden = False
    for endpoint in endpoints(os.environ if env is None else env):
        problem = silence(endpoint.url)
        if problem is None:
            return endpoint.url
        if endpoint.explicit:
            start = f"start the engine that {endpoint.source} names, or unset that choice to use this machine's own"
            raise EngineUnavailableError(
                f"no container engine answers at {endpoint.url}, which {endpoint.source} names ({_phrase(problem)})",
                remedy=PERMISSION_REMEDY if isinstance(problem, PermissionError) else start,
            )
        forbidden = forbidden or isinstance(problem, PermissionError)
        tried.append(f"{endpoint.url} ({_phrase(problem)})")
    raise EngineUnavailableError(
        "no container engine answers; asked " + ", ".join(tried),
        remedy=PERMISSION_REMEDY if forbidden else START_REMEDY,
    )


def endpoints(env: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """List where to ask, in order; a single entry when the user has made a choice."""
    if host := env.get("DOCKER_HOST"):
        return (Endpoint(host, "DOCKER_HOST", explicit=True),)
    if name := env.get("DOCKER_CONTEXT") or _configured_context(env):
        if name != "default":
            return (_context_endpoint(name, env),)
        return (Endpoint(f"unix://{DOCKER_SOCKET}", "the docker context 'default'", explicit=True),)
    runtime = Path(env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    sockets = (
        (DOCKER_SOCKET, "Docker"),
        (runtime / "docker.sock", "rootless Docker"),
        (runtime / "podman" / "podman.sock", "rootless Podman"),
        (PODMAN_SOCKET, "Podman"),
    )
    return tuple(Endpoint(f"unix://{path}", source, explicit=False) for path, source in sockets)


def silence(url: str, seconds: float = ANSWER_SECONDS) -> OSError | None:
    """Ask the engine at `url` for a sign of life; return None when it gave one, else what went wrong.

    ssh:// and npipe:// cannot be asked with the standard library and count as answering: the client
    that opens them reports its own failure.
    """
    parts = urlsplit(url)
    if parts.scheme in {"ssh", "npipe"}:
        return None
    if parts.scheme not in {"unix", "tcp", "http", "https"}:
        return OSError(f"unknown kind of address {url!r}; it should begin with unix://, tcp:// or ssh://")
    try:
        if parts.scheme == "unix":
            status, _ = _get(parts.path, "/_ping", seconds)
            return None if status == http.client.OK else OSError(f"the engine answers with HTTP status {status}")
        # Only see that the port is open: a TLS engine's certificates are the client's business.
        socket.create_connection((parts.hostname or "localhost", parts.port or 2375), timeout=seconds).close()
    except OSError as problem:
        return problem
    except (http.client.HTTPException, ValueError) as problem:
        return OSError(f"something else than a container engine answers there ({type(problem).__name__})")
    return None


def get_json(url: str, path: str, seconds: float = 60.0) -> Any:
    """GET a path of the engine's API at a unix:// URL and return the decoded answer; None for 404.

    Raises EngineUnavailableError when the engine goes silent or answers with another error.
    """
    try:
        status, body = _get(urlsplit(url).path, path, seconds)
        if status == http.client.NOT_FOUND:
            return None
        if status != http.client.OK:
            raise EngineUnavailableError(f"the container engine answers {status}: {body[:200]!r}")
        return json.loads(body)
    except (OSError, ValueError, http.client.HTTPException) as problem:
        raise EngineUnavailableError(
            f"the container engine at {url} stopped answering ({problem})", remedy=START_REMEDY
        ) from problem


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Open the socket file instead of a network address."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _get(engine: str, path: str, seconds: float) -> tuple[int, bytes]:
    """GET a path of the API of the engine behind a socket file: the status and the body of its answer."""
    with contextlib.closing(UnixConnection(engine, seconds)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def _configured_context(env: Mapping[str, str]) -> str:
    """Return what `docker context use` chose; empty where nothing was chosen or readable."""
    try:
        content = json.loads(read_bytes(_docker_config(env) / "config.json", SMALL, links=True))
    except (OSError, ValueError, RecursionError):
        return ""
    name = content.get("currentContext", "") if isinstance(content, dict) else ""
    # "default" in the file means that nobody chose, which leaves the usual sockets open.
    return name if isinstance(name, str) and name != "default" else ""


def check_settings(path: str | None) -> None:
    """Look at the settings that the Docker SDK is about to read: it takes whatever lies there, and without a cap.

    Raises UserError with the path. What the SDK passes over by itself (a folder, no JSON) is let through. Not covered:
    a file that is swapped in between. The SDK takes neither settings that were read nor a path of ours, and finds the
    file again by itself; whoever can swap it owns the engine's credentials in it.
    """
    if path is None or Path(path).is_dir():
        return
    wrong = ""
    try:
        if not isinstance(json.loads(read_bytes(Path(path), SMALL, links=True)), dict):
            wrong = "it is no JSON object"
    except RecursionError:
        wrong = "it is nested too deeply"
    except (NotAFileError, TooLargeError) as error:
        wrong = str(error.strerror)
    except (OSError, ValueError):
        return
    if wrong:
        raise UserError(
            f"Docker's settings {path} cannot be read: {wrong}",
            remedy="mend or remove that file, or name a folder with another one in DOCKER_CONFIG",
        )


def _context_endpoint(name: str, env: Mapping[str, str]) -> Endpoint:
    source = f"the docker context {name!r}"
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = _docker_config(env) / "contexts" / "meta" / digest / "meta.json"
    try:
        host = cast("object", json.loads(read_bytes(meta, SMALL, links=True))["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        host = ""
    if not isinstance(host, str) or not host:
        raise EngineUnavailableError(
            f"{source} names no engine ({meta} is missing or unreadable)",
            remedy="list the contexts with `docker context ls` and choose one with `docker context use NAME`",
        )
    return Endpoint(host, source, explicit=True)


def _docker_config(env: Mapping[str, str]) -> Path:
    return Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME") or Path.home()) / ".docker")


def _phrase(problem: OSError) -> str:
    if isinstance(problem, FileNotFoundError):
        return "no such socket"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    return (problem.strerror or str(problem)).lower()
