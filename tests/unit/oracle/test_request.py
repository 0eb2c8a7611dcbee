"""The exact request for a sandbox container, every limit and option by itself."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from harness.containers import request
from harness.containers.devices import GpuChoice
from harness.containers.request import Recipe, container_request, seccomp_profile
from harness.core import pins
from harness.core.limits import MIB, Limits
from harness.core.processes import start_time

IMAGE = "sha256:" + "a" * 64
#: What would let a candidate out, or in deeper; in either profile and under any name.
DANGEROUS = [
    "fadvise64",
    "setrlimit",
    "inotify_init1",
    "timer_create",
    "io_setup",
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvfrom",
    "recvmsg",
    "shutdown",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "kcmp",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "mount",
    "umount",
    "umount2",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "fsconfig",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "keyctl",
    "add_key",
    "request_key",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "open_by_handle_at",
    "name_to_handle_at",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "setfsuid",
    "setfsgid",
    "capset",
    "personality",
    "modify_ldt",
    "iopl",
    "ioperm",
    "quotactl",
    "acct",
    "syslog",
    "shmget",
    "shmat",
    "msgget",
    "semget",
    "mq_open",
    "memfd_secret",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "sethostname",
    "setdomainname",
    "landlock_create_ruleset",
    "seccomp",
    "vmsplice",
    "splice",
    "tee",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
]
#: The CUDA driver makes a node in its tmpfs and shares memory by descriptor; the CPU profile needs neither.
CPU_ONLY_DANGEROUS = ["memfd_create", "mknod", "mknodat", "mkdir", "mkdirat", "epoll_create1"]


@pytest.fixture
def body() -> dict[str, Any]:
    return container_request(Recipe(IMAGE, Limits()))


@pytest.fixture
def host(body: dict[str, Any]) -> dict[str, Any]:
    got: dict[str, Any] = body["HostConfig"]
    return got


def ulimit(host: dict[str, Any], name: str) -> tuple[int, int]:
    (found,) = [u for u in host["Ulimits"] if u["Name"] == name]
    return found["Soft"], found["Hard"]


def test_no_network(body: dict[str, Any], host: dict[str, Any]) -> None:
    assert host["NetworkMode"] == "none"
    assert body["NetworkDisabled"] is True


def test_read_only_root(host: dict[str, Any]) -> None:
    assert host["ReadonlyRootfs"] is True


def test_all_capabilities_dropped_and_none_added(host: dict[str, Any]) -> None:
    assert host["CapDrop"] == ["ALL"]
    assert not host.get("CapAdd")


def test_no_new_privileges(host: dict[str, Any]) -> None:
    assert "no-new-privileges" in host["SecurityOpt"]
    assert host["Privileged"] is False
    assert not any("unconfined" in option or "disable" in option for option in host["SecurityOpt"])


def test_the_seccomp_profile_goes_with_the_request(host: dict[str, Any]) -> None:
    (option,) = [o for o in host["SecurityOpt"] if o.startswith("seccomp=")]
    assert option == "seccomp=" + seccomp_profile("cpu")
    assert json.loads(option.removeprefix("seccomp="))["syscalls"]


def test_memory_and_no_swap(host: dict[str, Any]) -> None:
    assert host["Memory"] == host["MemorySwap"] == 1024 * MIB
    assert host["OomKillDisable"] is False


def test_processes_and_processor(host: dict[str, Any]) -> None:
    assert host["PidsLimit"] == 64
    assert host["NanoCpus"] == 1_000_000_000


def test_descriptors_files_and_cores(host: dict[str, Any]) -> None:
    assert ulimit(host, "nofile") == (256, 256)
    assert ulimit(host, "fsize") == (8 * MIB, 8 * MIB)
    # One byte keeps the kernel from handing a crash to the host's program for cores; none does not.
    assert ulimit(host, "core") == (1, 1)
    assert ulimit(host, "msgqueue") == (0, 0)
    assert ulimit(host, "sigpending") == (256, 256)
    assert ulimit(host, "memlock") == (65536, 65536)


def test_the_limits_are_those_that_were_asked_for() -> None:
    limits = Limits(memory=7, pids=5, cpus=0.5, descriptors=9, file_size=11, tmp_size=13, tmp_inodes=17)
    host = container_request(Recipe(IMAGE, limits))["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"], host["NanoCpus"]) == (7, 7, 5, 500_000_000)
    assert ulimit(host, "nofile") == (9, 9)
    assert ulimit(host, "fsize") == (11, 11)
    assert {"size=13", "nr_inodes=17"} <= set(host["Tmpfs"]["/tmp"].split(","))


def test_a_user_that_is_not_root(body: dict[str, Any]) -> None:
    uid, gid = body["User"].split(":")
    assert int(uid) > 1000
    assert int(gid) > 1000


def test_the_one_writable_folder(host: dict[str, Any]) -> None:
    assert list(host["Tmpfs"]) == ["/tmp", "/dev/pts", "/dev/mqueue"]
    for covered in ("/dev/pts", "/dev/mqueue"):
        assert {"ro", "noexec", "size=4096"} <= set(host["Tmpfs"][covered].split(","))
    options = host["Tmpfs"]["/tmp"].split(",")
    assert {"noexec", "nosuid", "nodev", f"size={16 * MIB}", "nr_inodes=1024"} <= set(options)
    assert not {"exec", "suid", "dev"} & set(options)


def test_nothing_of_the_host_is_inside(host: dict[str, Any], body: dict[str, Any]) -> None:
    for name in ("Binds", "Mounts", "Devices", "VolumesFrom", "Links", "DeviceRequests", "ExtraHosts", "GroupAdd"):
        assert not host.get(name), name
    assert "Volumes" not in body
    for name in ("PidMode", "UTSMode", "UsernsMode", "CgroupnsMode"):
        assert host.get(name) != "host"


def test_no_log_no_ipc_no_restart(host: dict[str, Any]) -> None:
    assert host["LogConfig"] == {"Type": "none", "Config": {}}
    assert host["IpcMode"] == "none"
    assert host["RestartPolicy"]["Name"] == "no"
    # Removed by us after its state was read, not by the engine before.
    assert host["AutoRemove"] is False


def test_the_environment_is_exactly_this(body: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("GITHUB_TOKEN", "canary")
    again = container_request(Recipe(IMAGE, Limits()))
    assert again == body
    assert "canary" not in json.dumps(again)
    plain = {"HOME=/tmp", "MKL_NUM_THREADS=1", "OMP_NUM_THREADS=1", "PYTHONHASHSEED=0"}
    assert set(body["Env"]) == plain | {f"{name}={value}" for name, value in pins.SANDBOX.items()}


def test_the_command_and_its_streams(body: dict[str, Any]) -> None:
    assert body["Entrypoint"] == ["python3", "-s", "-P", "-B", "-u", "-m", "sandbox"]
    assert body["Cmd"] == []
    assert body["Image"] == IMAGE
    assert body["Tty"] is False
    # A hang-up of the host closes stdin for good: that is what ends an abandoned sandbox.
    assert body["OpenStdin"] is body["StdinOnce"] is True
    assert body["AttachStdin"] is body["AttachStdout"] is body["AttachStderr"] is True
    assert body["Healthcheck"] == {"Test": ["NONE"]}


def test_the_label_says_whose_it_is(body: dict[str, Any]) -> None:
    boot, pid, started = body["Labels"][request.OWNER_LABEL].split(":")
    assert len(boot.partition(".")[0]) == 36
    assert int(pid) == os.getpid()
    assert started == start_time(os.getpid())
    assert body["Labels"][request.LABEL] == "1"


def test_reads_from_a_known_disk_are_limited(host: dict[str, Any]) -> None:
    assert not [name for name in host if name.startswith("Blkio")]
    limited = container_request(Recipe(IMAGE, Limits(), disk="/dev/sda"))["HostConfig"]
    assert limited["BlkioDeviceReadBps"] == [{"Path": "/dev/sda", "Rate": 100 * MIB}]
    assert limited["BlkioDeviceReadIOps"] == [{"Path": "/dev/sda", "Rate": 4000}]


def test_a_runtime_is_passed_on_and_none_by_default(host: dict[str, Any]) -> None:
    assert "Runtime" not in host
    assert container_request(Recipe(IMAGE, Limits(), runtime="runsc"))["HostConfig"]["Runtime"] == "runsc"


def test_the_whole_request_is_json(body: dict[str, Any]) -> None:
    assert json.loads(json.dumps(body)) == body


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_seccomp_denies_what_it_does_not_name(variant: str) -> None:
    profile = json.loads(seccomp_profile(variant))
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {rule["action"] for rule in profile["syscalls"]} <= {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
@pytest.mark.parametrize("name", DANGEROUS)
def test_seccomp_does_not_allow(variant: str, name: str) -> None:
    assert name not in allowed(variant)


@pytest.mark.parametrize("name", CPU_ONLY_DANGEROUS)
def test_seccomp_for_the_cpu_is_narrower(name: str) -> None:
    assert name not in allowed("cpu")


def test_descriptors_can_be_asked_about_and_no_file_locked() -> None:
    """Commands of fcntl: 5 to 7 lock records, 36 to 38 too; 1024 to 1026 are leases and notes, 1031 resizes a pipe."""
    rules = [r["args"] for r in json.loads(seccomp_profile("cpu"))["syscalls"] if "fcntl" in r["names"]]
    assert {(arg["index"], arg["op"]) for args in rules for arg in args} == {(1, "SCMP_CMP_MASKED_EQ")}
    pairs = [(arg["value"], arg["valueTwo"]) for args in rules for arg in args]
    # The kernel reads 32 bits of a command: more of them change nothing.
    for more in (0, 1 << 32):
        done = {command for command in range(2048) if any((command | more) & mask == word for mask, word in pairs)}
        assert done == {*range(5), *range(8, 16), 1030, 1032}


def test_clone3_says_that_it_is_not_there() -> None:
    (rule,) = [r for r in json.loads(seccomp_profile("cpu"))["syscalls"] if "clone3" in r["names"]]
    # So that libc falls back to clone; any other answer would be taken for a failure.
    assert (rule["action"], rule["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def allowed(variant: str) -> set[str]:
    rules = json.loads(seccomp_profile(variant))["syscalls"]
    return {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


def test_a_gpu_adds_its_own_profile_and_nothing_else() -> None:
    plain = container_request(Recipe(IMAGE, Limits()))
    with_gpu = container_request(Recipe(IMAGE, Limits(), variant="cuda", gpu=GpuChoice(0, "cdi")))
    changed = {k for k in plain["HostConfig"] if plain["HostConfig"][k] != with_gpu["HostConfig"][k]}
    assert changed == {"SecurityOpt"}
    assert set(with_gpu["HostConfig"]) - set(plain["HostConfig"]) == {"DeviceRequests"}
    assert f"seccomp={seccomp_profile('cuda')}" in with_gpu["HostConfig"]["SecurityOpt"]
