"""What the server sees of itself, from files as different kernels write them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.protocol import frames
from harness.sandbox import confinement

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.protocol.frames import Confinement

STATUS = """Name:\tpython3
Uid:\t65532\t65532\t65532\t65532
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000000
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t1
"""
MOUNTS = """700 600 0:50 / / ro,relatime master:1 - overlay overlay rw
701 700 0:51 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
702 700 0:52 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=16384k,nr_inodes=1024
"""
DEV = "Inter-|   Receive  |  Transmit\n face |bytes    packets|bytes\n    lo:       0       0\n"
V1 = {
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
    "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "1073741824\n",
    "/sys/fs/cgroup/pids/pids.max": "64\n",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
}
V2 = {
    "/sys/fs/cgroup/memory.max": "1073741824\n",
    "/sys/fs/cgroup/memory.swap.max": "0\n",
    "/sys/fs/cgroup/pids.max": "64\n",
    "/sys/fs/cgroup/cpu.max": "150000 100000\n",
}
GOOD = {
    "/proc/self/status": STATUS,
    "/proc/self/mountinfo": MOUNTS,
    "/proc/self/uid_map": "         0          0 4294967295\n",
    "/proc/net/dev": DEV,
}


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Confinement]:
    """What is seen where these files are all there is; a value of None takes a file away."""

    def seen(files: dict[str, str | None] | None = None, interfaces: tuple[str, ...] = ("lo",)) -> Confinement:
        whole = {**GOOD, **V1, **(files or {})}
        monkeypatch.setattr(confinement, "_read", whole.get)
        monkeypatch.setattr(os, "listdir", lambda _: list(interfaces))
        return frames.parse_ready(confinement.facts() + b"3.11 2.13").confinement

    return seen


def test_a_confined_process_sees_it(look: Callable[..., Confinement]) -> None:
    got = look()
    good = confinement.NO_NEW_PRIVILEGES | confinement.ROOT_READ_ONLY | confinement.TMP_NOEXEC
    assert got.has(good)
    assert got.flags & good == good
    assert not got.has(confinement.REMAPPED)
    assert (got.seccomp, got.held, got.bound, got.interfaces) == (2, 0, 0, 0)
    assert (got.memory, got.swap, got.pids, got.cpus) == (1 << 30, 0, 64, 1_000_000_000)
    assert (got.uid, got.gid) == (os.getuid(), os.getgid())


def test_the_second_version_of_cgroups(look: Callable[..., Confinement]) -> None:
    got = look({**dict.fromkeys(V1), **V2})
    assert (got.memory, got.swap, got.pids, got.cpus) == (1 << 30, 0, 64, 1_500_000_000)


def test_no_limits_are_seen_as_none(look: Callable[..., Confinement]) -> None:
    huge = {
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "9223372036854771712",
        "/sys/fs/cgroup/pids/pids.max": "max",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
    }
    got = look(huge)
    assert (got.memory, got.swap, got.pids, got.cpus) == (confinement.UNLIMITED,) * 4
    words = dict.fromkeys(("memory.max", "memory.swap.max", "pids.max"), "max\n")
    second = {f"/sys/fs/cgroup/{name}": word for name, word in words.items()}
    got = look({**dict.fromkeys(V1), **second, "/sys/fs/cgroup/cpu.max": "max 100000\n"})
    assert (got.memory, got.swap, got.pids, got.cpus) == (confinement.UNLIMITED,) * 4


def test_swap_is_what_goes_beyond_the_memory(look: Callable[..., Confinement]) -> None:
    assert look({"/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "2147483648"}).swap == 1 << 30
    assert look({"/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": None}).swap is None


def test_a_cgroup_that_is_hidden(look: Callable[..., Confinement]) -> None:
    got = look(dict.fromkeys(V1))
    assert (got.memory, got.swap, got.pids, got.cpus) == (None,) * 4


@pytest.mark.parametrize("text", ["", "nonsense", "0 0", "-5"])
def test_a_cgroup_that_makes_no_sense(look: Callable[..., Confinement], text: str) -> None:
    got = look({**dict.fromkeys(V1), "/sys/fs/cgroup/cpu.max": text, "/sys/fs/cgroup/pids.max": text})
    assert got.cpus is None
    assert got.pids in {None, 0}


@pytest.mark.parametrize("name", ["CapInh", "CapPrm", "CapEff", "CapAmb"])
def test_a_capability_in_any_set_is_held(look: Callable[..., Confinement], name: str) -> None:
    got = look({"/proc/self/status": STATUS.replace(f"{name}:\t0000000000000000", f"{name}:\t0000000000200000")})
    assert (got.held, got.bound) == (1 << 21, 0)


def test_a_capability_within_reach(look: Callable[..., Confinement]) -> None:
    got = look({"/proc/self/status": STATUS.replace("CapBnd:\t0000000000000000", "CapBnd:\t00000000a80425fb")})
    assert (got.held, got.bound) == (0, 0xA80425FB)


def test_a_status_that_says_nothing_is_no_good_news(look: Callable[..., Confinement]) -> None:
    got = look({"/proc/self/status": None})
    assert (got.seccomp, got.held, got.bound) == (None, None, None)
    assert not got.has(confinement.NO_NEW_PRIVILEGES)
    assert look({"/proc/self/status": STATUS.replace("CapEff:\t0000000000000000\n", "")}).held is None


def test_a_kernel_without_ambient_capabilities(look: Callable[..., Confinement]) -> None:
    assert look({"/proc/self/status": STATUS.replace("CapAmb:\t0000000000000000\n", "")}).held == 0


def test_what_was_mounted_last_stands_on_top(look: Callable[..., Confinement]) -> None:
    more = "703 702 0:53 / /tmp rw,relatime - tmpfs tmpfs rw\n"
    got = look({"/proc/self/mountinfo": MOUNTS + more})
    assert not got.has(confinement.TMP_NOEXEC | confinement.TMP_NOSUID | confinement.TMP_NODEV)
    assert got.has(confinement.ROOT_READ_ONLY)
    assert not look({"/proc/self/mountinfo": None}).has(confinement.ROOT_READ_ONLY)


def test_a_root_whose_superblock_alone_is_read_only_is_not_mounted_so(look: Callable[..., Confinement]) -> None:
    mounts = "700 600 0:50 / / rw,relatime - overlay overlay ro\n"
    assert not look({"/proc/self/mountinfo": mounts}).has(confinement.ROOT_READ_ONLY)


@pytest.mark.parametrize(
    ("flags", "count"),
    [("0x1003\n", 1), ("0x1002\n", 0), (None, 1), ("nonsense", 1)],
)
def test_an_interface_counts_where_it_is_up_or_nobody_can_tell(
    look: Callable[..., Confinement], flags: str | None, count: int
) -> None:
    """A kernel with modules for tunnels puts one of each into every new network, and they are down."""
    got = look({"/sys/class/net/tunl0/flags": flags}, interfaces=("lo", "tunl0"))
    assert got.interfaces == count


def test_interfaces_are_also_found_without_sysfs(look: Callable[..., Confinement]) -> None:
    assert look({"/proc/net/dev": DEV + "  eth0:       1       1\n"}, interfaces=()).interfaces == 1
    assert look({"/proc/net/dev": None}, interfaces=()).interfaces is None


def test_root_inside_is_another_user_outside(look: Callable[..., Confinement]) -> None:
    assert look({"/proc/self/uid_map": "         0     100000      65536\n"}).has(confinement.REMAPPED)
