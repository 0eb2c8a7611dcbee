"""What the three witnesses say about a sandbox that isolates: for doubles, and for tests that spoil one thing each."""

from __future__ import annotations

from typing import Any

from harness.containers.request import COMMAND, USER, Recipe, container_request
from harness.core.limits import Limits
from harness.protocol.frames import Confinement
from harness.sandbox import confinement

IMAGE = "sha256:" + "a" * 64
VERSIONS = b"3.11.2 2.13.0+cpu"
GOOD_FLAGS = (
    confinement.NO_NEW_PRIVILEGES
    | confinement.ROOT_READ_ONLY
    | confinement.TMP_NOEXEC
    | confinement.TMP_NOSUID
    | confinement.TMP_NODEV
    | confinement.PINNED
)


def confined(limits: Limits | None = None, **changes: Any) -> Confinement:
    """The facts of an honest server inside, with some of them changed."""
    limits = limits or Limits()
    good: dict[str, Any] = {
        "flags": GOOD_FLAGS,
        "seccomp": 2,
        "uid": 65532,
        "gid": 65532,
        "interfaces": 0,
        "held": 0,
        "bound": 0,
        "memory": limits.memory,
        "swap": 0,
        "pids": limits.pids,
        "cpus": int(limits.cpus * 1e9),
        "descriptors": limits.descriptors,
        "file_size": limits.file_size,
        "core": 0,
        "tmp_size": limits.tmp_size,
        "tmp_inodes": limits.tmp_inodes,
    }
    return Confinement(**{**good, **changes})


def in_gvisor(limits: Limits | None = None, **changes: Any) -> Confinement:
    """The facts of an honest server behind gVisor: no filter, sockets, and no cgroup that could be seen."""
    flags = confinement.GVISOR | confinement.INET_SOCKET | confinement.ROOT_READ_ONLY | confinement.TMP_NOEXEC
    flags |= confinement.PINNED
    unseen = dict.fromkeys(("memory", "swap", "pids", "cpus"))
    return confined(limits, **{"flags": flags, "seccomp": 0, "tmp_inodes": 0, **unseen, **changes})


def ready_payload(limits: Limits | None = None, *, versions: bytes = VERSIONS, **changes: Any) -> bytes:
    """READY, as an honest server sends it."""
    facts = confined(limits)
    numbers = {name: getattr(facts, name) for name in facts.__dataclass_fields__} | changes
    return confinement.FACTS.pack(*numbers.values()) + versions


def described(limits: Limits | None = None, *, image: str = IMAGE, runtime: str | None = None) -> dict[str, Any]:
    """An engine's description of a container that it built as it was asked."""
    body = container_request(Recipe(image, limits or Limits(), runtime=runtime))
    host = {**body["HostConfig"], "Binds": None, "Runtime": runtime or "runc", "PidMode": "", "UTSMode": ""}
    config = {"User": USER, "Entrypoint": COMMAND, "Env": body["Env"], "Image": image}
    return {"Id": "c" * 64, "Image": image, "Mounts": [], "HostConfig": host, "Config": config}
