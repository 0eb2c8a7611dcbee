"""What a candidate can reach from inside with the screen off: nothing of the host, and a bounded amount of the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hostile import loss

from harness.core import pins
from harness.core.limits import Limits
from harness.protocol.batch import Answer
from harness.subject.batches import plain

if TYPE_CHECKING:
    from pathlib import Path

    from support import Sandboxes

pytestmark = pytest.mark.container

BATCH = plain([1.0, -2.0, 0.5], 0.1)


PROBE = """
def attempt(what):
    try:
        return "done: " + repr(what())[:80]
    except BaseException as error:
        return type(error).__name__ + " " + str(getattr(error, "errno", ""))

LIBC = ctypes.CDLL(None, use_errno=True)

def call(*numbers):
    def run():
        if LIBC.syscall(*numbers) == -1:
            raise OSError(ctypes.get_errno(), "refused")
        return 0
    return run

def probe():
    import socket
    found = {
        "inet": attempt(lambda: socket.socket(socket.AF_INET)),
        "unix": attempt(lambda: socket.socket(socket.AF_UNIX)),
        "netlink": attempt(lambda: socket.socket(16, socket.SOCK_RAW)),
        "vsock": attempt(lambda: socket.socket(40, socket.SOCK_STREAM)),
        "alg": attempt(lambda: socket.socket(38, socket.SOCK_SEQPACKET)),
        "dns": attempt(lambda: socket.gethostbyname("example.org")),
        "write root": attempt(lambda: open("/canary", "w")),
        "write python": attempt(lambda: open(torch.__file__, "a")),
        "write sandbox": attempt(lambda: open(sys.modules["sandbox.worker"].__file__, "a")),
        "write proc": attempt(lambda: open("/proc/sys/kernel/core_pattern", "w")),
        "write cgroup": attempt(lambda: open("/sys/fs/cgroup/memory.max", "w")),
        "write shm": attempt(lambda: open("/dev/shm/x", "w")),
        "host canary": attempt(lambda: open(CANARY).read()),
        "engine socket": attempt(lambda: os.stat("/var/run/docker.sock")),
        "shadow": attempt(lambda: open("/etc/shadow").read()),
        "server memory": attempt(lambda: open("/proc/1/mem", "rb")),
        "server environ": attempt(lambda: open("/proc/1/environ", "rb").read()),
        "setuid": attempt(lambda: os.setuid(0)),
        "run a script": attempt(lambda: run_from_tmp()),
        "load from tmp": attempt(lambda: load_from_tmp()),
        "link": attempt(lambda: os.symlink("/etc/passwd", "/tmp/link")),
        "mkdir": attempt(lambda: os.mkdir("/tmp/d")),
        "core": attempt(lambda: __import__("resource").setrlimit(4, (1 << 20, 1 << 20))),
        "uid": os.getuid(),
        "environ": sorted(os.environ),
    }
    table = {"ptrace": (101, 117), "mount": (165, 40), "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280),
             "keyctl": (250, 219), "add_key": (248, 217), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
             "perf_event_open": (298, 241), "init_module": (175, 105), "kexec_load": (246, 104), "chroot": (161, 51),
             "pidfd_open": (434, 434), "process_vm_readv": (310, 270), "personality": (135, 92),
             "open_by_handle_at": (304, 265), "memfd_create": (319, 279)}
    which = 0 if os.uname().machine == "x86_64" else 1
    for name, numbers in table.items():
        found[name] = attempt(call(numbers[which], 0, 0, 0, 0, 0))
    return found

def run_from_tmp():
    import shutil
    shutil.copy(sys.executable, "/tmp/run")
    os.execv("/tmp/run", ["/tmp/run", "-c", "print(1)"])

def load_from_tmp():
    import glob, shutil
    library = glob.glob("/usr/lib/*/libz.so*") + glob.glob("/lib/*/libc.so.6") + glob.glob("/usr/lib/*/libc.so.6")
    shutil.copy(library[0], "/tmp/library.so")
    return ctypes.CDLL("/tmp/library.so")
"""
NOTHING_IS_DONE = [
    "inet",
    "unix",
    "netlink",
    "vsock",
    "alg",
    "dns",
    "write_root",
    "write_python",
    "write_sandbox",
    "write_proc",
    "write_cgroup",
    "write_shm",
    "host_canary",
    "engine_socket",
    "shadow",
    "server_memory",
    "server_environ",
    "setuid",
    "run_a_script",
    "load_from_tmp",
    "link",
    "mkdir",
    "core",
    "ptrace",
    "mount",
    "unshare",
    "setns",
    "bpf",
    "keyctl",
    "add_key",
    "userfaultfd",
    "io_uring_setup",
    "perf_event_open",
    "init_module",
    "kexec_load",
    "chroot",
    "pidfd_open",
    "process_vm_readv",
    "personality",
    "open_by_handle_at",
    "memfd_create",
]


@pytest.fixture(scope="module")
def probed() -> dict[str, Any]:
    """Filled by the first test that probes; the others look at it."""
    return {}


@pytest.fixture
def seen(
    sandboxes: Sandboxes, probed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    if not probed:
        canary = tmp_path / "canary"
        canary.write_text("a secret of the host", encoding="utf-8")
        monkeypatch.setenv("HARNESS_TEST_SECRET", "a secret of the host")
        top = f"CANARY = {str(canary)!r}\n{PROBE}"
        with sandboxes.opened(loss("print(json.dumps(probe()))", top=top), policy=False) as oracle:
            oracle.answer(BATCH)
            oracle.finish()
            output = oracle.output
        assert "a secret of the host" not in output
        assert canary.read_text("utf-8") == "a secret of the host"
        probed.update(json.loads(output))
    return probed


@pytest.mark.parametrize("name", NOTHING_IS_DONE)
def test_a_probe_gets_nowhere(seen: dict[str, Any], name: str) -> None:
    got = seen.get(name, seen.get(name.replace("_", " ")))
    assert got is not None
    assert not got.startswith("done")


@pytest.mark.parametrize("name", ["inet", "unix", "netlink", "vsock", "alg"])
def test_a_socket_is_refused_by_the_kernel(seen: dict[str, Any], name: str) -> None:
    assert seen[name] == "PermissionError 1"


def test_what_is_inside_has_no_name_and_no_secret(seen: dict[str, Any]) -> None:
    assert seen["uid"] == 65532
    assert set(seen["environ"]) <= {
        *pins.SANDBOX,
        "HOME",
        "HOSTNAME",
        "LANG",
        "LC_CTYPE",
        "MKL_NUM_THREADS",
        "NVIDIA_DRIVER_CAPABILITIES",
        "OMP_NUM_THREADS",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
    }


def test_a_fork_bomb_is_capped_and_gone_with_its_fork(sandboxes: Sandboxes) -> None:
    body = """
    born = 0
    while born < 10_000:
        try:
            if os.fork() == 0:
                time.sleep(1000)
        except OSError:
            break
        born += 1
    print("born", born)
    """
    with sandboxes.opened(loss(body), policy=False) as oracle:
        first = oracle.answer(BATCH)
        oracle.fresh()
        again = oracle.answer(BATCH)
        oracle.finish()
        counts = [int(line.split()[1]) for line in oracle.output.splitlines() if line.startswith("born")]
    assert isinstance(first, Answer)
    assert again.values.tobytes() == first.values.tobytes()
    # As many the second time: the first brood is gone.
    assert len(counts) == 2
    assert counts[0] == counts[1] < Limits().pids


def test_a_thread_bomb_is_capped(sandboxes: Sandboxes) -> None:
    body = """
    import threading
    born = 0
    try:
        while born < 10_000:
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
            born += 1
    except RuntimeError:
        pass
    print("born", born)
    """
    with sandboxes.opened(loss(body), policy=False) as oracle:
        oracle.answer(BATCH)
        oracle.finish()
        born = int(oracle.output.split()[1])
    assert 0 < born < Limits().pids


def test_disk_inodes_and_descriptors_are_capped(sandboxes: Sandboxes) -> None:
    body = """
    sizes = {"bytes": 0, "files": 0, "open": 0}
    try:
        with open("/tmp/big", "wb", buffering=0) as file:
            while sizes["bytes"] < 1 << 30:
                sizes["bytes"] += file.write(b"x" * 65536)
    except OSError:
        pass
    os.unlink("/tmp/big")
    try:
        while sizes["files"] < 100_000:
            open(f"/tmp/f{sizes['files']}", "w").close()
            sizes["files"] += 1
    except OSError:
        pass
    held = []
    try:
        while sizes["open"] < 100_000:
            held.append(os.open("/dev/null", os.O_RDONLY))
            sizes["open"] += 1
    except OSError:
        pass
    for fd in held:
        os.close(fd)
    print(json.dumps(sizes))
    """
    import_signal = "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    with sandboxes.opened(loss(body, top=import_signal), policy=False) as oracle:
        oracle.answer(BATCH)
        oracle.finish()
        sizes = json.loads(oracle.output)
    limits = Limits()
    assert 0 < sizes["bytes"] <= limits.file_size
    assert 0 < sizes["files"] <= limits.tmp_inodes
    assert 0 < sizes["open"] < limits.descriptors
