"""What a check and a helper say to one another: one short message in JSON each way, and a descriptor with the answer.

Both sides ask the kernel who the other one is, and speak to nobody but the same user. Messages keep their bounds
(SOCK_SEQPACKET), so that there is nothing to be put together.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Longest message, in bytes.
CAP = 1 << 14
#: Longest wait for the other side, in seconds: a check that gets nothing by then makes a container of its own.
SECONDS = 1.0
#: What can be asked for.
TAKE, STATUS, STOP = "take", "status", "stop"
_PEER = struct.Struct("3i")


class StrangerError(OSError):
    """The other side is another user's process."""


class NoMessageError(ValueError):
    """What came is no message, or the other side is gone."""


def ask_same_user(sock: socket.socket) -> None:
    """Raise StrangerError unless the process at the other end is this user's, by the kernel's word."""
    _, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    if uid != os.geteuid():
        raise StrangerError(f"the other side is a process of user {uid}")


def connect(folder: Path, key: str, seconds: float = SECONDS) -> socket.socket:
    """A connection to the helper that keeps sandboxes of this kind. Raises OSError where there is none to be had."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.settimeout(seconds)
        sock.connect(str(folder / f"{key}.sock"))
        ask_same_user(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def listen(folder: Path, key: str) -> socket.socket:
    """The socket that a helper listens at, in the place of one that a dead one left; nobody else may connect to it."""
    name = folder / f"{key}.sock"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with contextlib.suppress(FileNotFoundError):
            name.unlink()
        mask = os.umask(0o177)
        try:
            sock.bind(str(name))
        finally:
            os.umask(mask)
        sock.listen(16)
    except BaseException:
        sock.close()
        raise
    return sock


def send(sock: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send a message, with descriptors. Raises OSError."""
    socket.send_fds(sock, [json.dumps(message).encode()], list(descriptors))


def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A message, and the descriptors that came with it, which are the caller's to close.

    Raises NoMessageError, OSError.
    """
    room = socket.CMSG_SPACE(4 * array.array("i").itemsize)
    data, ancillary, flags, _ = sock.recvmsg(CAP, room, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    try:
        if not data or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise NoMessageError("there is no message, or not the whole of it")
        message = json.loads(data)
        if not isinstance(message, dict):
            raise NoMessageError("the message is no object")
    except (ValueError, RecursionError) as error:
        close_all(descriptors)
        raise NoMessageError(str(error)) from error
    return cast("dict[str, Any]", message), list(descriptors)


def close_all(descriptors: Sequence[int] | array.array[int]) -> None:
    """Close descriptors."""
    for one in descriptors:
        with contextlib.suppress(OSError):
            os.close(one)
