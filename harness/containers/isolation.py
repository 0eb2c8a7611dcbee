"""Whether a sandbox isolates: what was asked for, held against what is there. Pure, and the one place for it.

Three witnesses are heard before a candidate is sent to a sandbox: the engine, when it was asked for a
container (its warnings); the engine again, about the container that it built (an engine, or a wrapper
around it, may drop a limit without a word); and the server inside, about itself, as long as it has seen no
candidate and only our image has run.

Covered: seccomp, privileges, capabilities, user, read-only root, the one writable folder, network, the
runtime that was asked for, limits of memory, swap, processes, processor, descriptors, files, cores and, where
it was asked for, of reads from the disk, that there are neither terminals nor message queues, and that nothing
of the host is mounted. Not covered: whether any of it holds against an attack. `harness
doctor` attacks, and looks.

gVisor ignores the list of system calls that the engine hands it, unless it was registered with
`--oci-seccomp`, has a network stack of its own with nothing but a loopback in it, and does not tell all of
its flags: there it is gVisor's kernel that isolates,
and its limits are those of the host's cgroup around it, which cannot be seen from inside. So those facts
are not asked of it, and instead that it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.containers.request import COUNTED, COVERED, DISK_BYTES, USER, pids_limit, seccomp_profile
from harness.core.errors import InfrastructureError
from harness.sandbox import confinement as seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.containers.request import Recipe
    from harness.protocol.frames import Confinement

_FILTER = 2
#: Runtimes that share the host's kernel: one of these never is gVisor, whatever the kernel says.
_SHARE_THE_KERNEL = ("", "runc", "crun", "io.containerd.runc.v2")
#: A cgroup counts in pages, and an engine turns processors into slices of time.
_ROUNDING = 1.01
_SECCOMP = "seccomp"
_MOUNTS = ("Binds", "Mounts", "VolumesFrom")
_FOLDERS = {("tmpfs", place) for place in ("/tmp", *COVERED)}  # noqa: S108 - inside the container; some engines list them
#: Words in an engine's warning, and the layer that they are about.
_WARNED = {
    "memory": "memory limit",
    "pids": "pids limit",
    "cpu": "cpu limit",
    "cfs": "cpu limit",
    "seccomp": _SECCOMP,
    "resource limit": "limits",
    "limitation discarded": "limits",
}
#: The most that each process may have of a core, in bytes.
_CORE = dict(COUNTED)["core"]


@dataclass(frozen=True)
class Evidence:
    """What the three witnesses said: the engine's warnings, its description of the container, the facts inside."""

    warnings: tuple[str, ...]
    built: Mapping[str, Any]
    inside: Confinement


@dataclass(frozen=True)
class Problem:
    """A layer that does not hold, and how that was seen; `waivable` where a check may go on all the same."""

    layer: str
    seen: str
    remedy: str
    waivable: bool = False

    def __str__(self) -> str:
        """The sentence for people."""
        return f"{self.layer}: {self.seen}"


class NotIsolatedError(InfrastructureError):
    """The sandbox does not isolate."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Name every layer that does not hold; the remedy is that of the first."""
        self.problems = tuple(problems)
        what = "; ".join(map(str, self.problems))
        remedy = f"{self.problems[0].remedy}; `harness doctor` shows every layer of this host"
        super().__init__(f"the sandbox does not isolate ({what}): no candidate was run", remedy=remedy)


_ENGINE = "use a current Docker or Podman with nothing between it and the harness that rewrites requests"
_CGROUPS = "have the engine use cgroups that hold this limit (cgroup v2, delegated where the engine is rootless)"
_KERNEL = "use an engine and a kernel with seccomp (`docker info` names it), and start the harness's own image"
DISK = "have the engine limit block I/O (the controller blkio of cgroup v1, or io of v2)"
_PINS = "see that the engine hands the environment of the request on, and start the harness's own image"
_RUNTIME = "register gVisor's runsc with the engine under that name, or leave --runtime out"


def problems(evidence: Evidence, asked: Recipe) -> tuple[Problem, ...]:
    """Every layer that does not hold, in the order in which the witnesses are heard; empty where all do."""
    found = [*warned(evidence.warnings), *built(evidence.built, asked)]
    return (*found, *confined(evidence.inside, asked, runtime=runtime_of(evidence, asked)))


def runtime_of(evidence: Evidence, asked: Recipe) -> str:
    """The runtime that the engine says it used, which may be its default."""
    return str((evidence.built.get("HostConfig") or {}).get("Runtime") or asked.runtime or "")


def warned(warnings: Iterable[str]) -> Iterator[Problem]:
    """What the engine said about a limit that was asked for. Other warnings are of no weight here."""
    for warning in warnings:
        text = warning.lower()
        said = f"the engine says: {warning[:200]}"
        if "block i/o" in text:
            yield Problem("disk limit", said, DISK, waivable=True)
        elif "swap" in text:
            remedy = "turn swap accounting on (swapaccount=1 for the kernel), use cgroup v2, or turn swap off"
            yield Problem("swap limit", said, remedy, waivable=True)
        elif layer := next((layer for word, layer in _WARNED.items() if word in text), ""):
            yield Problem(layer, said, _CGROUPS)


def built(description: Mapping[str, Any], asked: Recipe) -> Iterator[Problem]:
    """What the engine built, where that is not what it was asked for."""
    host: Mapping[str, Any] = description.get("HostConfig") or {}
    config: Mapping[str, Any] = description.get("Config") or {}

    def differs(layer: str, *, holds: bool, shown: object) -> Iterator[Problem]:
        if not holds:
            yield Problem(layer, f"the engine built the container with {shown}", _ENGINE)

    yield from differs("privileges", holds=host.get("Privileged") is False, shown="all privileges")
    for name in ("Binds", "Mounts", "VolumesFrom", "Devices", "CapAdd", "GroupAdd", "Links"):
        yield from differs("mounts" if name in _MOUNTS else "privileges", holds=not host.get(name), shown=name)
    mounted = [m for m in description.get("Mounts") or () if (m.get("Type"), m.get("Destination")) not in _FOLDERS]
    yield from differs("mounts", holds=not mounted, shown="a mount of its own")
    if not asked.gpu:
        yield from differs("privileges", holds=not host.get("DeviceRequests"), shown="a device")
    yield from differs("network", holds=host.get("NetworkMode") == "none", shown="a network")
    yield from differs("read-only root", holds=host.get("ReadonlyRootfs") is True, shown="a root that can be written")
    yield from differs("user", holds=config.get("User") == USER, shown="another user")
    for name in ("PidMode", "IpcMode", "UTSMode", "UsernsMode"):
        yield from differs("namespaces", holds=host.get(name) != "host", shown=f"the host's {name}")
    if asked.image.startswith("sha256:"):
        same = str(description.get("Image", "")).removeprefix("sha256:") == asked.image.removeprefix("sha256:")
        yield from differs("image", holds=same, shown="another image")
    if asked.runtime is not None and not asked.podman:
        yield from differs("runtime", holds=host.get("Runtime") == asked.runtime, shown="another runtime")
    options = [str(option) for option in host.get("SecurityOpt") or ()]
    loose = any("unconfined" in option or "disable" in option for option in options)
    yield from differs(_SECCOMP, holds=not loose, shown="an unconfined security option")
    if not asked.podman:  # Podman spells these its own way; what is inside is asked about them all the same
        ours = f"seccomp={seccomp_profile(asked.variant)}" in options
        yield from differs(_SECCOMP, holds=ours, shown="another list of system calls than ours, or none")
        plain = any(option.startswith("no-new-privileges") for option in options)
        yield from differs("no-new-privileges", holds=plain, shown="no such option")
        yield from differs("capabilities", holds=host.get("CapDrop") == ["ALL"], shown="capabilities")
        yield from differs(
            "cpu limit", holds=_at_most(host, "NanoCpus", asked.limits.cpus * 1e9), shown="no such limit"
        )
    yield from differs("memory limit", holds=_at_most(host, "Memory", asked.limits.memory), shown="no such limit")
    yield from differs(
        "pids limit", holds=_at_most(host, "PidsLimit", pids_limit(asked.limits, asked.runtime)), shown="no such limit"
    )
    if asked.disk is not None:
        rates = [r.get("Rate") for r in host.get("BlkioDeviceReadBps") or () if r.get("Path") == asked.disk]
        yield from differs("disk limit", holds=rates == [DISK_BYTES], shown="no such limit")


def _at_most(host: Mapping[str, Any], name: str, most: float) -> bool:
    """Whether a limit is there and no wider than asked; 0, -1 and nothing at all mean that there is none."""
    number = host.get(name)
    return isinstance(number, int) and 0 < number <= most * _ROUNDING


def confined(inside: Confinement, asked: Recipe, *, runtime: str) -> Iterator[Problem]:
    """What the server inside sees, where that does not isolate; `runtime` is the one that the engine says it used."""
    gvisor = behind_gvisor(inside, runtime)
    if any(name in (asked.runtime or "") for name in ("runsc", "gvisor")) and not gvisor:
        yield Problem("runtime", f"{asked.runtime} was asked for, and the kernel inside is not gVisor's", _RUNTIME)
    no_filter = "no filter of system calls is in force inside"
    rows = (
        (_SECCOMP, gvisor or inside.seccomp == _FILTER, no_filter, _KERNEL),
        ("no-new-privileges", gvisor or inside.has(seen.NO_NEW_PRIVILEGES), "programs inside may gain some", _ENGINE),
        ("capabilities", inside.held == inside.bound == 0, "some are held inside, or within reach", _ENGINE),
        ("user", f"{inside.uid}:{inside.gid}" == USER, f"it runs as {inside.uid}:{inside.gid}, not as {USER}", _ENGINE),
        ("read-only root", inside.has(seen.ROOT_READ_ONLY), "the root inside can be written", _ENGINE),
        ("network", inside.interfaces == 0, "an interface is up inside besides the loopback", _ENGINE),
        ("network", gvisor or not inside.has(seen.INET_SOCKET), "an internet socket can be made inside", _KERNEL),
        ("writable folder", inside.has(seen.TMP_NOEXEC), "programs can be run from it", _ENGINE),
        ("writable folder", gvisor or inside.has(seen.TMP_NOSUID), "it is not mounted nosuid", _ENGINE),
        ("writable folder", gvisor or inside.has(seen.TMP_NODEV), "it is not mounted nodev", _ENGINE),
        ("terminals", gvisor or not inside.has(seen.TERMINAL), "a pseudo-terminal of the host can be opened", _ENGINE),
        ("instructions", inside.has(seen.PINNED), "numbers would depend on the processor", _PINS),
        ("message queues", gvisor or not inside.has(seen.QUEUES), "message queues can be made", _ENGINE),
    )
    yield from (Problem(layer, how, remedy) for layer, holds, how, remedy in rows if not holds)
    yield from _limited(inside, asked, gvisor=gvisor)


def behind_gvisor(inside: Confinement, runtime: str) -> bool:
    """Whether gVisor stands before the host: the kernel inside says so, and the runtime may be it."""
    return inside.has(seen.GVISOR) and runtime not in _SHARE_THE_KERNEL


def _limited(inside: Confinement, asked: Recipe, *, gvisor: bool) -> Iterator[Problem]:
    limits = asked.limits
    # A cgroup that shows nothing inside says nothing either way: then the engine's description has to do.
    for layer, number, most in (
        ("memory limit", inside.memory, limits.memory),
        ("pids limit", inside.pids, limits.pids),
        ("cpu limit", inside.cpus, limits.cpus * 1e9),
    ):
        if not gvisor and number is not None and number > most * _ROUNDING:
            yield Problem(layer, f"the cgroup inside allows {_shown(number)} where {most:.0f} were asked for", _CGROUPS)
    if not gvisor and inside.swap not in {0, None}:
        yield Problem("swap limit", "swap may be used beyond the memory", _CGROUPS, waivable=True)
    for layer, number, most in (
        ("descriptor limit", inside.descriptors, limits.descriptors),
        ("file size limit", inside.file_size, limits.file_size),
        ("core limit", inside.core, _CORE),
        ("writable folder", inside.tmp_size, limits.tmp_size * _ROUNDING),
        # Podman knows no limit on inodes: its folder is bounded by its size alone.
        ("writable folder", 0 if asked.podman else inside.tmp_inodes, limits.tmp_inodes),
    ):
        if number is None or number > most:
            yield Problem(layer, f"{_shown(number)} where {most:.0f} were asked for", _ENGINE)


def _shown(number: int | None) -> str:
    if number is None:
        return "nothing can be seen"
    return "there is no limit" if number == seen.UNLIMITED else str(number)
