"""What the findings of a probe are worth, knowing what was asked for, and those of the preflight. Pure.

gVisor answers system calls itself: what got through there, got through to gVisor's kernel and not to the
host's. So such an answer counts for nothing, and what counts is that the kernel is gVisor's, which the
preflight holds against the runtime that was asked for. The preflight is what `harness check` asks of every sandbox
before a candidate; here it is shown check by check.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from harness.containers import isolation
from harness.containers.request import COUNTED
from harness.doctor.model import Check
from harness.sandbox import confinement as seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.containers.request import Recipe
    from harness.doctor.model import Outcome
    from harness.protocol.frames import Confinement


_FILTER = "have the engine apply the harness's list of system calls (seccomp), or use --runtime runsc"
_IMAGE = "build the image with `harness image build`, and use no image that somebody else put together"
_ENGINE = "use a current Docker or Podman with nothing between it and the harness that rewrites requests"


def _door(number: int, key: str, what: str) -> tuple[str, Check]:
    return key, Check(f"D{number}", key.lower().replace("_", "-"), f"{what} is refused.", _FILTER)


#: Doors of the kernel's, by the probe's name for them.
DOORS = dict(
    (
        _door(401, "AF_INET", "An IPv4 socket"),
        _door(402, "AF_INET6", "An IPv6 socket"),
        _door(403, "AF_UNIX", "A Unix socket"),
        _door(404, "AF_NETLINK", "A netlink socket"),
        _door(405, "AF_PACKET", "A raw packet socket"),
        _door(406, "AF_ALG", "A socket to the kernel's cryptography"),
        _door(407, "AF_VSOCK", "A socket to the hypervisor"),
        _door(408, "keyctl", "The kernel's keyring"),
        _door(409, "add_key", "A new key in the kernel's keyring"),
        _door(410, "io_uring_setup", "An io_uring"),
        _door(411, "ptrace", "Tracing a process"),
        _door(412, "unshare", "A user namespace by unshare"),
        _door(413, "clone", "A user namespace by clone"),
        _door(414, "mount", "A mount, also as root of an own namespace,"),
        _door(415, "bpf", "A BPF map"),
        _door(416, "userfaultfd", "Handling page faults"),
        _door(417, "perf_event_open", "A performance counter"),
    )
)
NETWORK = Check("D420", "no-network", "No interface but the loopback, and no way out.", _ENGINE)
WRITE_ROOT = Check("D421", "read-only-root", "The root and /usr are mounted read-only.", _ENGINE)
SETTINGS = Check("D422", "kernel-settings", "Nothing under /proc/sys, /sys and the cgroups can be written.", _ENGINE)
WRITABLE = Check("D423", "writable-folders", "No folder but /tmp can be written to.", _ENGINE)
NOEXEC = Check("D424", "noexec", "No code runs from a file in /tmp.", _ENGINE)
CANARY = Check("D425", "host-canary", "A secret file of the host is out of reach.", _ENGINE)
ENVIRONMENT = Check("D426", "environment", "The environment holds what the harness set, and nothing else.", _ENGINE)
MOUNTS = Check(
    "D427",
    "mounts",
    "Nothing is mounted but the image, /tmp and what a container consists of.",
    "take away what adds mounts to every container (mounts.conf, hooks, /run/secrets, an engine's volumes)",
)
DEVICES = Check("D428", "devices", "No devices but the harmless ones, and the GPU that was asked for.", _ENGINE)
SOCKETS = Check("D429", "engine-socket", "The engine's socket is not inside.", _ENGINE)
PROCESSES = Check("D430", "own-processes", "No processes of the host can be seen.", _ENGINE)
SETUID = Check("D431", "no-setuid", "No file in the image has a setuid or setgid bit.", _IMAGE)
TOOLS = Check("D432", "no-tools", "The image has no shell, compiler, installer or network tool.", _IMAGE)
FILE_CHECKS = (
    WRITE_ROOT, SETTINGS, WRITABLE, NOEXEC, CANARY, ENVIRONMENT, MOUNTS, DEVICES, SOCKETS, PROCESSES, SETUID, TOOLS,
)  # fmt: skip
TERMINALS = Check("D433", "pseudo-terminals", "No pseudo-terminal can be had: the host has a fixed number.", _ENGINE)
QUEUES = Check("D434", "message-queues", "No message queue can be made: they are counted by user.", _ENGINE)
PAGES = Check("D435", "page-cache", "What the host keeps of its files in memory cannot be dropped.", _FILTER)
WATCHES = Check("D436", "watches", "No watch of files or descriptors can be set: they are counted by user.", _FILTER)
PIPES = Check("D437", "pipes", "No pipe can be made larger: their pages are counted by user.", _FILTER)
CRASHES = Check("D438", "crashes", "A crash is not handed to the host's program for cores.", _FILTER)
SIGNALS = Check("D439", "signals", "Few signals can be kept waiting: they are counted by user.", _ENGINE)
COUNTERS = Check("D440", "counters", "No timers, asynchronous reads and System V objects can be had.", _FILTER)
LOCKS = Check("D447", "record-locks", "No lock of a file can be set: they are in no sandbox's memory.", _FILTER)
COUNTED_CHECKS = (TERMINALS, QUEUES, PAGES, WATCHES, PIPES, CRASHES, SIGNALS, COUNTERS, LOCKS)
KERNEL_CHECKS = (*DOORS.values(), NETWORK)

#: What a refusal looks like: not permitted, or not there at all.
_REFUSED = {errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}
#: And where a path leads to what is not there, or may not be touched.
_ABSENT = {errno.EPERM, errno.ENOSYS, errno.ENOENT, errno.EROFS, errno.EACCES, errno.ENXIO}
#: The kernel's own sign that a crash is handed to nobody: a limit of one byte.
_NO_HANDLER = 1
_ENVIRONMENT = {
    "ATEN_CPU_CAPABILITY", "GLIBC_TUNABLES", "HOME", "HOSTNAME", "LANG", "LC_CTYPE", "MKL_CBWR", "MKL_NUM_THREADS",
    "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED",
}  # fmt: skip
#: Podman's own mark of a container.
_PODMAN_ENVIRONMENT = {"container"}
_MOUNTED = {"/", "/tmp", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv"}  # noqa: S108 - inside
_DEVICES = {"console", "core", "full", "null", "ptmx", "random", "tty", "urandom", "zero"}
_WRITABLE = {"/tmp"}  # noqa: S108 - inside
#: gVisor's folder of message queues is its own.
_GVISOR_WRITABLE = {"/dev/mqueue", "/dev/shm"}  # noqa: S108 - inside
_GVISOR_DEVICES = {"fuse"}
_FEW = 16
ACCEPTED = Check(
    "D301",
    "request-accepted",
    "The engine takes every limit of the request, and says so.",
    "use cgroup v2 with the controllers memory, pids and cpu, delegated where the engine is rootless",
)
BUILT = Check(
    "D302",
    "built-as-asked",
    "The container is built as it was asked for: no privileges, no mounts, no network, every limit.",
    "use a current Docker or Podman with nothing between it and the harness that rewrites requests",
)
CONFINED = Check(
    "D303",
    "confined-inside",
    "The first process sees itself confined: filter, privileges, user, root, network, limits.",
    "see that the engine, its runtime and the kernel do what the engine's description promises",
)
PREFLIGHT_CHECKS = (ACCEPTED, BUILT, CONFINED)


def kernel(findings: Mapping[str, Any], *, gvisor: bool) -> Iterator[Outcome]:
    """The probe `kernel`."""
    for key, check in DOORS.items():
        number = int(findings["calls"][key])
        if number in _REFUSED:
            yield check.ok(_named(number))
        elif gvisor:
            yield check.not_applicable(f"gVisor's own kernel answers it, and not the host's ({_named(number)})")
        elif number == 0:
            yield check.failed("it was done")
        else:
            yield check.failed(f"the kernel looked at it ({_named(number)})")
    network = findings["network"]
    seen = f"interfaces: {', '.join(network['interfaces']) or 'none'}; a way out: {_named(network['leave'])}"
    yield NETWORK.holds(when=not network["up"] and network["leave"] != 0, seen=seen)


def files(
    findings: Mapping[str, Any], *, gpu: bool = False, podman: bool = False, gvisor: bool = False
) -> Iterator[Outcome]:
    """The probe `files`."""
    writes = {path: int(number) for path, number in findings["write"].items()}
    # gVisor looks at permissions first; that its root is read-only is known from its mounts.
    refused = {errno.EROFS, errno.EACCES} if gvisor else {errno.EROFS}
    yield WRITE_ROOT.holds(when=set(writes.values()) <= refused, seen=_attempts(writes))
    done = [path for path, number in findings["settings"].items() if number == 0]
    yield SETTINGS.holds(when=not done, seen=f"could be opened: {', '.join(done) or 'none'}")
    writable = _WRITABLE | (_GVISOR_WRITABLE if gvisor else set())
    yield WRITABLE.holds(when=set(findings["writable"]) <= writable, seen=_list(findings["writable"]))
    mapped = int(findings["run from tmp"])
    if gvisor and mapped == 0:
        yield NOEXEC.warning("gVisor maps a file of a noexec folder for execution", "use a newer gVisor, or runc")
    else:
        yield NOEXEC.holds(when=mapped in {errno.EPERM, errno.EACCES}, seen=_named(mapped))
    marks = list(findings["marks"])
    read = int(findings["canary"])
    seen = f"its path: {_named(read)}; its words were found in: {', '.join(marks) or 'nothing'}"
    yield CANARY.holds(when=read == errno.ENOENT and not marks, seen=seen)
    allowed = _ENVIRONMENT | (_PODMAN_ENVIRONMENT if podman else set())
    yield _nothing_but(ENVIRONMENT, findings["environment"], allowed)
    yield _mounts(findings["mounts"], gpu=gpu)
    devices = [name for name in findings["devices"] if not (gpu and name.startswith("nvidia"))]
    yield _nothing_but(DEVICES, devices, _DEVICES | (_GVISOR_DEVICES if gvisor else set()))
    yield SOCKETS.holds(when=not findings["sockets"], seen=_list(findings["sockets"]))
    alone = findings["server"] == 1 and findings["processes"] <= _FEW
    yield PROCESSES.holds(when=alone, seen=f"{findings['processes']} in /proc; started by {findings['server']}")
    yield SETUID.holds(when=not findings["privileged"], seen=_list(findings["privileged"]))
    yield TOOLS.holds(when=not findings["tools"], seen=_list(findings["tools"]))


def counted(findings: Mapping[str, Any], *, gpu: bool = False, gvisor: bool = False) -> Iterator[Outcome]:
    """The probe `counted`. CUDA waits by epoll, whose number is large, and may lock its cache's records."""
    for check, names in (
        (TERMINALS, ("terminal",)),
        (QUEUES, ("queue", "mq_open")),
        (PAGES, ("drop",)),
        (WATCHES, ("inotify_init1", "fanotify_init", "notify", *(() if gpu else ("epoll_create1",)))),
        (PIPES, ("resize",)),
        (CRASHES, ("core",)),
        (SIGNALS, ()),
        (COUNTERS, ("timer_create", "io_setup", "shmget", "semget", "msgget")),
        (LOCKS, ("flock", *(() if gpu else ("lock",)))),
    ):
        numbers = {name: int(findings[name]) for name in names}
        seen = _attempts(numbers)
        holds = set(numbers.values()) <= (_ABSENT if check in {TERMINALS, QUEUES} else _REFUSED)
        if check is CRASHES:
            seen = f"the limit of a core: {findings['core limit']}; another limit: {seen.rpartition(' ')[2]}"
            holds = holds and findings["core limit"] == _NO_HANDLER
        elif check is SIGNALS:
            most = dict(COUNTED)["sigpending"]
            seen = f"{findings['waiting']} waited"
            holds = 0 <= findings["waiting"] <= most
        if gvisor and not holds:
            yield check.not_applicable(f"gVisor's own kernel counts them, and not the host's ({seen})")
        else:
            yield check.holds(when=holds, seen=seen)


def _mounts(places: Iterable[str], *, gpu: bool) -> Outcome:
    def ordinary(place: str) -> bool:
        if place in _MOUNTED or place.startswith(("/proc/", "/sys/", "/dev/")) or place in {"/proc", "/sys", "/dev"}:
            return True
        # The toolkit mounts the driver's libraries and tools, file by file.
        return gpu and any(word in place.lower() for word in ("nvidia", "cuda", "libnv"))

    places = list(places)
    return _nothing_but(MOUNTS, places, {place for place in places if ordinary(place)})


def _nothing_but(check: Check, found: Iterable[str], allowed: Iterable[str]) -> Outcome:
    more = sorted(set(found) - set(allowed))
    return check.failed(f"besides what belongs there: {', '.join(more)}") if more else check.ok(_list(found))


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _attempts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{path}: {_named(number)}" for path, number in numbers.items())


def _named(number: int) -> str:
    return "done" if number == 0 else errno.errorcode.get(number, f"error {number}")


def preflight(evidence: isolation.Evidence, asked: Recipe) -> Iterator[Outcome]:
    """The preflight's three witnesses, one by one."""
    runtime = isolation.runtime_of(evidence, asked)
    yield _outcome(ACCEPTED, isolation.warned(evidence.warnings), "no warning about a limit")
    yield _outcome(BUILT, isolation.built(evidence.built, asked), "no privileges, mounts or network; all limits")
    problems = isolation.confined(evidence.inside, asked, runtime=runtime)
    yield _outcome(CONFINED, problems, _summary(evidence.inside, runtime))


def _outcome(check: Check, problems: Iterable[isolation.Problem], good: str) -> Outcome:
    found = list(problems)
    if not found:
        return check.ok(good)
    serious = [problem for problem in found if not problem.waivable]
    seen_ = "; ".join(map(str, found))
    remedy = (serious or found)[0].remedy
    return check.failed(seen_, remedy) if serious else check.warning(seen_, remedy)


def _summary(inside: Confinement, runtime: str) -> str:
    kernel = "gVisor's kernel" if inside.has(seen.GVISOR) else "a filter of system calls"
    return f"{runtime or 'the default runtime'}, {kernel}, user {inside.uid}, no capability, no network, read-only root"
