"""The engine's API, request by request, over its Unix socket; elsewhere through the Docker SDK.

A socket of this host needs neither the SDK nor what it imports, which takes longer than all that a check asks of an
engine before it has its sandbox. TLS and ssh are left to the SDK.

Covered: one connection for each request, so that threads may share this; attached streams; a request whose answer is
taken later. Not covered: what an answer means, and whose fault an error is (`harness.containers.engine`).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode, urlsplit

from harness.containers.endpoint import UnixConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

_UPGRADED = (http.client.SWITCHING_PROTOCOLS, http.client.OK)
#: Longest head of an answer, in bytes.
_HEAD = 1 << 16
_JSON = {"Content-Type": "application/json"}


class RefusedError(Exception):
    """The engine answered with an error: its HTTP status, and what it said."""

    def __init__(self, status: int, said: str) -> None:
        """Keep both."""
        self.status, self.said = status, said
        super().__init__(f"{status}: {said}")


class Api(Protocol):
    """A way to the engine."""

    def __call__(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """Ask, and give the decoded answer; None where it is empty.

        Raises RefusedError, OSError, http.client.HTTPException, ValueError; EngineUnavailableError.
        """

    def attach(self, path: str, **query: str) -> Any:
        """Ask for attached streams: a socket, or the SDK's wrapper of one. Raises as a call does."""

    def close(self) -> None:
        """Close what is kept open."""


class SocketApi:
    """The engine behind a Unix socket of this host."""

    def __init__(self, url: str, seconds: float) -> None:
        """`seconds` is the longest wait for an answer."""
        self._path, self._seconds = urlsplit(url).path, seconds

    def __call__(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """See `Api`."""
        with contextlib.closing(self.begin(method, path, body, **query)) as connection:
            return answer_of(connection)

    def begin(self, method: str, path: str, body: object = None, **query: str) -> http.client.HTTPConnection:
        """Send a request, and give the connection that its answer comes by: see `answer_of`.

        The engine carries it out whether or not anybody is there for the answer.
        """
        connection = UnixConnection(self._path, self._seconds)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, _target(path, query), data, _JSON if data else {})
        except BaseException:
            connection.close()
            raise
        return connection

    def attach(self, path: str, **query: str) -> socket.socket:
        """See `Api`."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(self._seconds)
            sock.connect(self._path)
            head = f"POST {_target(path, query)} HTTP/1.1\r\nHost: localhost\r\n"
            sock.sendall(f"{head}Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode())
            status = _status(_head(sock))
            if status not in _UPGRADED:
                sock.settimeout(1.0)
                raise RefusedError(status, said(_rest(sock)))
        except BaseException:
            sock.close()
            raise
        return sock

    def close(self) -> None:
        """Nothing is kept open."""


def answer_of(connection: http.client.HTTPConnection) -> Any:
    """The decoded answer to what was sent over a connection. Raises as `Api` says."""
    response = connection.getresponse()
    data = response.read()
    if response.status >= http.client.BAD_REQUEST:
        raise RefusedError(response.status, said(data))
    if not data:
        return None
    plain = not response.headers.get("Content-Type", "").startswith("application/json")
    return data.decode("utf-8", "replace") if plain else json.loads(data)


def _target(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _head(sock: socket.socket) -> bytes:
    """The head of an answer, and not a byte of what comes behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        seen = sock.recv(_HEAD, socket.MSG_PEEK)
        if not seen or len(head) > _HEAD:
            raise http.client.BadStatusLine("the engine closed the connection in the middle of an answer")
        end = (head[-3:] + seen).find(b"\r\n\r\n")
        head += sock.recv(len(seen) if end < 0 else end + 4 - len(head[-3:]))
    return head


def _status(head: bytes) -> int:
    try:
        return int(head.split(None, 2)[1])
    except (IndexError, ValueError):
        raise http.client.BadStatusLine(head[:80].decode("latin-1")) from None


def _rest(sock: socket.socket) -> bytes:
    """What else there is of a refusal: engines may keep the connection open behind it."""
    data = b""
    with contextlib.suppress(OSError):
        while len(data) < _HEAD and (more := sock.recv(_HEAD)):
            data += more
            if data.rstrip().endswith(b"}"):
                break
    return data


def said(data: bytes) -> str:
    """What an engine says of an error: it has a `message`, or is plain text."""
    text = data.decode("utf-8", "replace").strip()
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        return str(json.loads(text)["message"])
    return text[:500]
