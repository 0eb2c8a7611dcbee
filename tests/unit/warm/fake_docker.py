"""An engine that is none: its containers answer as an honest sandbox does, by streams as an engine attaches them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Any

from isolation_samples import described, ready_payload

from harness.containers.engine import Created
from harness.containers.request import Recipe
from harness.core.errors import InfrastructureError
from harness.core.limits import Limits
from harness.sandbox import wire

URL = "unix:///run/no-engine.sock"
IMAGE = "sha256:" + "a" * 64
RECIPE = Recipe(IMAGE, Limits(start=30.0))
OF_THE_IMAGE = ["PATH=/usr/bin"]


class FakeContainer:
    """`about` is the engine's account; `answers` false for one that says nothing any more."""

    def __init__(self, number: int, body: dict[str, Any]) -> None:
        self.id = f"{number:064x}"
        sample = described(image=body["Image"])
        config = {name: value for name, value in body.items() if name != "HostConfig"}
        self.about: dict[str, Any] = {
            **sample,
            "Id": self.id,
            "Name": f"/name-{number}",
            "HostConfig": {**sample["HostConfig"], **body["HostConfig"]},
            "Config": {**config, "Env": [*body["Env"], *OF_THE_IMAGE]},
            "State": {"Running": True, "Paused": False, "Restarting": False},
            "RestartCount": 0,
            "ExecIDs": None,
        }
        self.answers, self.loaded = True, False
        self.outs: list[socket.socket] = []
        self.streams: list[socket.socket] = []

    def attach(self, streams: tuple[str, ...]) -> socket.socket:
        """One end of a stream; the other is the engine's."""
        theirs, ours = socket.socketpair()
        self.streams.append(ours)
        if not streams or "stdout" in streams:
            self.outs.append(ours)
        if not streams or "stdin" in streams:
            threading.Thread(target=self._read, args=(ours,), daemon=True).start()
        return theirs

    def say(self, kind: int, sequence: int, payload: bytes = b"") -> None:
        """Write a frame to all who are attached."""
        data = wire.HEADER.pack(wire.MAGIC, kind, sequence, len(payload)) + payload
        for out in self.outs:
            try:
                out.sendall(struct.pack(">BxxxI", 1, len(data)) + data)
            except OSError:
                continue

    def _read(self, sock: socket.socket) -> None:
        """What comes on stdin, to the end of any who is attached to it: that ends the container."""
        with contextlib.suppress(OSError):
            while len(head := sock.recv(wire.HEADER.size, socket.MSG_WAITALL)) == wire.HEADER.size:
                _, kind, sequence, length = wire.HEADER.unpack(head)
                if length:
                    sock.recv(length, socket.MSG_WAITALL)
                if kind == wire.READY and self.answers and not self.loaded:
                    self.say(wire.READY, sequence, ready_payload())
        self.about["State"]["Running"] = False


class FakeDocker:
    """The requests of `harness.containers.engine.Engine` that handing over makes."""

    def __init__(self) -> None:
        self.url = URL
        self.made: dict[str, FakeContainer] = {}
        self.removed: list[str] = []
        self.fails = False

    def another(self) -> FakeDocker:
        """The same engine, asked by somebody else: what that one removes is told apart."""
        other = FakeDocker()
        other.made = self.made
        return other

    def close(self) -> None:
        """End all streams."""
        for stream in (stream for one in self.made.values() for stream in one.streams):
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
            stream.close()

    def create(self, body: dict[str, Any]) -> Created:
        if self.fails:
            raise InfrastructureError("no more containers")
        one = FakeContainer(len(self.made) + 1, body)
        self.made[one.id] = one
        return Created(one.id, ())

    def start(self, container: str) -> None:
        self.made[container].say(wire.READY, 0, ready_payload())

    def attach(self, container: str, *streams: str) -> socket.socket:
        return self._of(container).attach(streams)

    def describe(self, container: str) -> dict[str, Any]:
        return self._of(container).about

    def rename(self, container: str, name: str) -> None:
        self._of(container).about["Name"] = f"/{name}"

    def remove(self, container: str) -> None:
        self.removed.append(container)

    def processor(self, container: str) -> float | None:
        return 1.5 if container in self.made else None

    def image(self, _: str) -> dict[str, Any]:
        return {"Config": {"Env": OF_THE_IMAGE}}

    def _of(self, container: str) -> FakeContainer:
        if container not in self.made or container in self.removed:
            raise InfrastructureError("no such container")
        return self.made[container]
